"""A store with a few hundred decisions, some of them hostile, an empty one, and a browser on the page over both."""

import json
import os
import threading
import time
from datetime import UTC, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from contract.locate import ROOT
from contract.settings import Settings
from contract.store.audit_tables import audits, slices, suspects
from contract.store.opening import migrate, open_store
from contract.store.tables import decisions, outcomes, prompts, reviews
from serving.access.door import Door
from serving.access.keys import hashed
from serving.page.app import audit_app

CHROMIUM = Path("/usr/bin/chromium")

HOSTILE = (
    '<script>alert(1)</script>"><img src=x onerror=alert(2)>',
    "</title></script><svg/onload=alert(3)>{{7*7}}${7*7}",
    "' OR 1=1; DROP TABLE decisions; --",
    "=cmd|'/C calc'!A0",
)
"""What callers may send as ids, models and prompts."""

DECISIONS = 400

KEY, OTHER_KEY = "tw_analyst".ljust(46, "x"), "tw_gateway".ljust(46, "x")
"""API keys of the page at /keyed: one with the scope audit, one without."""

NAME = "audit.test"
"""A name by which the browser reaches the pages too, over http and not as this machine."""


def recorded():
    """The generator of benchmarks/recorded.py: benchmarks are scripts, not a package."""
    spec = spec_from_file_location("recorded", ROOT / "benchmarks" / "recorded.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Filled(NamedTuple):
    engine: sa.Engine
    audit_id: str
    hostile: list[str]


def make_hostile(engine, audit_id):
    """Write what attackers send into every column that they reach; return the ids of the decisions."""
    with engine.begin() as connection:
        ids = list(
            connection.scalars(sa.select(decisions.c.decision_id).order_by(decisions.c.time.desc()).limit(len(HOSTILE)))
        )
        for decision_id, text in zip(ids, HOSTILE, strict=True):
            of_it = decisions.c.decision_id == decision_id
            values = {
                "request_id": text,
                "conversation_id": text,
                "model": text,
                "reasons": [text],
                "shadow": {text: {text: text}},
            }
            connection.execute(sa.update(decisions).where(of_it).values(values))
            connection.execute(sa.delete(suspects).where(suspects.c.decision_id == decision_id))
            suspicion = {
                "audit_id": audit_id, "decision_id": decision_id, "kind": "overthinking", "evidence": "explored", "p_misroute": 0.9,
                "regret_points": 0.5, "loss_points": 0.45, "regret_tokens": None, "why": [text],
            }  # fmt: skip
            connection.execute(sa.insert(suspects).values(suspicion))
            review = {
                "review_id": f"r-{decision_id}"[:36], "decision_id": decision_id, "mark": "unsure", "comment": text, "reviewer": text,
                "time": datetime(2026, 10, 2, tzinfo=UTC),
            }  # fmt: skip
            connection.execute(sa.insert(reviews).values(review))
            turns = json.dumps([["user", text], [text, "ok"]])
            connection.execute(sa.delete(prompts).where(prompts.c.decision_id == decision_id))
            kept = {"decision_id": decision_id, "time": datetime(2026, 10, 1, tzinfo=UTC), "turns": turns, "tools": 0}
            connection.execute(sa.insert(prompts).values(kept))
            connection.execute(sa.update(outcomes).where(outcomes.c.decision_id == decision_id).values(source=text))
        connection.execute(sa.update(slices).where(slices.c.slice_id == 3).values(title=HOSTILE[0], model=HOSTILE[0]))
        report = connection.scalar(sa.select(audits.c.report))
        more = {
            "notes": [HOSTILE[0]],
            HOSTILE[1]: {"title": HOSTILE[0], "text": HOSTILE[1], "figures": {HOSTILE[0]: {"value": HOSTILE[1]}}},
        }
        connection.execute(sa.update(audits).values(report=report | more))
    return ids


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    engine = open_store(f"sqlite:///{tmp_path_factory.mktemp('page') / 'filled.sqlite'}")
    migrate(engine)
    audit_id = recorded().fill(engine, DECISIONS)
    yield Filled(engine, audit_id, make_hostile(engine, audit_id))
    engine.dispose()


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    engine = open_store(f"sqlite:///{tmp_path_factory.mktemp('page') / 'empty.sqlite'}")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def keys_file(tmp_path_factory):
    entries = [("analyst", KEY, "audit"), ("gateway", OTHER_KEY, "predict")]
    file = tmp_path_factory.mktemp("keys") / "keys.yaml"
    file.write_text(
        "keys:\n" + "".join(f"- {{name: {n}, hash: '{hashed(k)}', scopes: [{s}]}}\n" for n, k, s in entries)
    )
    return file


@pytest.fixture(scope="session")
def keyed_door(keys_file):
    found = Door(Settings(api_keys_file=keys_file, session_key_file=keys_file.with_name("session.key")))
    yield found
    found.close()


@pytest.fixture(scope="session")
def address(filled, empty, keyed_door):
    """Where the page is served, over HTTP: /audit of the filled store, /keyed of it with API keys, /empty of the other store."""
    places = {"/audit": (filled.engine, None), "/keyed": (filled.engine, lambda: keyed_door), "/empty": (empty, None)}
    app = Starlette(
        routes=[Mount(place, audit_app(lambda e=engine: e, door=door)) for place, (engine, door) in places.items()]
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", proxy_headers=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not come up"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def web(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")  # no longer: while it is open, its event loop is this thread's
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev group)")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; Debian's package chromium has it")
    with api.sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses root its sandbox
        named = [f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
        with playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox + named) as found:
            yield found


@pytest.fixture
def visit(browser, address):
    """Opens a page in a context of its own; at the end no page may have had an error, a refusal of its policy, or a dialog."""
    contexts, complaints = [], []

    def open_page(path="/audit/", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.complaints = complaints
        page.goto(path if "://" in path else address + path, wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def axe():
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python (the dev group)")
    return (Path(package.__file__).parent / "axe.min.js").read_text()
