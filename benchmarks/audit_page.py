"""How quick the audit page is over a large store, and the pictures of it in docs/images.

    python benchmarks/audit_page.py                                  # 100,000 decisions
    python benchmarks/audit_page.py --decisions 1000000 --out benchmarks/results/audit_page_million.json
    python benchmarks/audit_page.py --pictures docs/images           # only pictures, of a small made-up store
    python benchmarks/audit_page.py --pictures docs/images --store sqlite:////folder/decisions.sqlite

The pictures in docs/images are of the store that `examples/loop.sh` fills and audits; a store that is named is only read.

A question's time is from when it is asked until the next one is, so that reading its rows counts. First and largest contentful paint are
Chromium's own, from the click on an address, with an empty cache. Overview and trends are painted from their top, while their questions are
answered: the largest paint says when what was asked for is there.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import sqlalchemy as sa
import uvicorn
from playwright.sync_api import Browser, sync_playwright
from provenance import RESULTS, provenance, write
from recorded import decision, fill
from starlette.applications import Starlette
from starlette.routing import Mount

from contract.store.opening import migrate, open_store, reading
from contract.store.tables import decisions
from serving.page.app import audit_app
from serving.page.asked import parse
from serving.page.live import Facets
from serving.page.views import VIEWS

ADDRESSES = (
    "", "trends", "trends?task=code_generation&model=qwen3-32b", "slices", "slices?kind=overthinking&sort=net_benefit&order=asc", "suspected",
    "suspected?sort=p_misroute&task=code_generation&model=qwen3-32b", "suspected?familiarity=low&language=zh&since=2026-09-20", "decisions",
    "decisions?sort=familiarity", "decisions?sort=net_benefit&order=asc&verdict=maybe", "decisions?task=chit_chat&profile=latency_critical",
    "decisions?familiarity=unfamiliar&sort=gain", "decisions?outcome=waiting", "decisions?outcome=scored&sort=extra_tokens", "decisions?explored=yes",
    "decisions?reviewed=yes", "decisions?q=req-00000", "what-if",
)  # fmt: skip
RUNS = 5
PAINTS = {"first_contentful_paint": "paint", "largest_contentful_paint": "largest-contentful-paint"}
SETTLED_MS = 400
"""Milliseconds after which what is largest has been painted."""

LAST_PAINT = """kind => new Promise(done => new PerformanceObserver(seen => done(seen.getEntries().at(-1).startTime))
  .observe({type: kind, buffered: true}))"""
PICTURES = {
    "audit-overview": ("", "light", (1280, 860)), "audit-slices": ("slices", "light", (1280, 860)),
    "audit-suspected": ("suspected", "light", (1280, 860)), "audit-what-if": ("what-if", "dark", (1280, 760)),
    "audit-phone": ("slices", "light", (390, 844)),
}  # fmt: skip
"""Those that README and docs/audit-page.md show: place, scheme and size."""


def main() -> None:
    """Measure, or take pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--pictures", type=Path, help="folder of the pictures; nothing is measured then")
    parser.add_argument(
        "--store", help="address of the store that the pictures are of; a small made-up one if not given"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "audit_page.json")
    given = parser.parse_args()
    if given.store and not given.pictures:
        parser.error("--store is for --pictures; what is measured is a made-up store")
    if given.store:
        engine = open_store(given.store)
        take_pictures(engine, given.pictures)
        engine.dispose()
        return
    where = provenance()
    with tempfile.TemporaryDirectory() as folder:
        if given.pictures:
            with filled(Path(folder), 3_000) as engine:
                take_pictures(engine, given.pictures)
            return
        recording = recording_us(Path(folder))
        with filled(Path(folder), given.decisions) as engine:
            size = (Path(folder) / "store.sqlite").stat().st_size / 2**20
            figure = {**where, "decisions": given.decisions, "store_mib": round(size), "runs": RUNS, "questions": questions(engine),
                      **paints(engine), "recording_us_a_decision": recording}  # fmt: skip
        write(figure, given.out)


@contextmanager
def filled(folder: Path, n: int) -> Iterator[sa.Engine]:
    """Yield a store of n decisions."""
    engine = open_store(f"sqlite:///{folder / 'store.sqlite'}")
    migrate(engine)
    fill(engine, n)
    yield engine
    engine.dispose()


def questions(engine: sa.Engine) -> dict[str, dict[str, float]]:
    """Return milliseconds of each address: the first time and the median, of all its questions and of the slowest.

    Processor time stands beside them: others on the machine lengthen it less.
    """
    asked_at: list[float] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *_: asked_at.append(time.perf_counter()))
    found = {}
    for address in ADDRESSES:
        place, _, query = address.partition("?")
        view, totals, slowest, cpu, facets = VIEWS[place], [], [], [], Facets()
        pairs = [tuple(pair.split("=")) for pair in query.split("&") if pair]
        for _ in range(RUNS + 1):
            asked_at.clear()
            began = time.process_time()
            with reading(engine) as connection:
                view.gather(connection, parse(view.asked, pairs), facets)
                ends = [*asked_at[1:], time.perf_counter()]
            cpu.append(1000 * (time.process_time() - began))
            totals.append(1000 * (ends[-1] - asked_at[0]))
            slowest.append(1000 * max(end - begin for begin, end in zip(asked_at, ends, strict=True)))
        found[f"/{address}"] = {
            "first_ms": round(totals[0], 1), "median_ms": round(median(totals[1:]), 1), "slowest_question_first_ms": round(slowest[0], 1),
            "slowest_question_ms": round(median(slowest[1:]), 1),
            "first_cpu_ms": round(cpu[0], 1), "median_cpu_ms": round(median(cpu[1:]), 1),
        }  # fmt: skip
    return found


def recording_us(folder: Path) -> dict[str, float]:
    """Return microseconds that a decision takes to be written in groups of 512, without the page's indexes and with them."""
    import random
    from datetime import UTC, datetime, timedelta

    rng, begin, found = random.Random(1), datetime(2026, 9, 1, tzinfo=UTC), {}
    rows = [decision(rng, i, begin + timedelta(seconds=i)) for i in range(20_480)]
    for name, revision in (("without_indexes", "0002"), ("with_indexes", "head")):
        engine = open_store(f"sqlite:///{folder / name}.sqlite")
        migrate(engine, revision)
        start = time.perf_counter()
        for at in range(0, len(rows), 512):
            with engine.begin() as connection:
                connection.execute(sa.insert(decisions), rows[at : at + 512])
        found[name] = round(1e6 * (time.perf_counter() - start) / len(rows), 1)
        engine.dispose()
    return found


@contextmanager
def browsing(engine: sa.Engine) -> Iterator[tuple[Browser, str]]:
    """Yield a browser and the address of the page."""
    app = Starlette(routes=[Mount("/audit", audit_app(lambda: engine))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path="/usr/bin/chromium", args=sandbox) as browser,
    ):
        yield browser, f"http://127.0.0.1:{port}/audit/"
    server.should_exit = True
    thread.join()


def paints(engine: sa.Engine) -> dict[str, dict[str, float]]:
    """Return the median first and largest contentful paint of each view in milliseconds."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in PAINTS}
    with browsing(engine) as (browser, address):
        for _ in range(RUNS):
            for place in VIEWS:
                page = browser.new_page()
                page.goto(address + place, wait_until="load")
                page.wait_for_timeout(SETTLED_MS)
                for name, kind in PAINTS.items():
                    at: Any = page.evaluate(LAST_PAINT, kind)
                    found[name].setdefault(f"/{place}", []).append(at)
                page.close()
    return {f"{name}_ms": {place: round(median(at)) for place, at in of.items()} for name, of in found.items()}


def take_pictures(engine: sa.Engine, folder: Path) -> None:
    """Write the pictures of the views."""
    folder.mkdir(parents=True, exist_ok=True)
    with browsing(engine) as (browser, address):
        for name, (place, scheme, (width, height)) in PICTURES.items():
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(address + place, wait_until="networkidle")
            if "phone" in name:
                page.evaluate("document.getElementById('status').scrollIntoView()")
            page.screenshot(path=folder / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
