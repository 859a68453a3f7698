"""A record of many decisions: written through the recorder, audited, and looked at."""

import asyncio
import importlib.util
import json
import random
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contract.locate import ROOT
from contract.settings import Settings
from contract.store import tables
from contract.store.outcomes import new_id
from contract.store.records import Record
from serving.recorder import Recorder

from .test_record import until

THINKWORTH = Path(sys.executable).with_name("thinkworth")
BLOCK = 200


@pytest.fixture(scope="module")
def made_up():
    spec = importlib.util.spec_from_file_location("recorded", ROOT / "benchmarks" / "recorded.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcome(rng, row):
    thinks = row["arm"] == "reasoning"
    tokens = 200 + (900 if thinks else 0)
    score = float(rng.random() < row["expected_score_direct"] + (row["expected_gain"] if thinks else 0))
    told = {
        "decision_id": row["decision_id"],
        "arm": row["arm"],
        "score": score,
        "output_tokens": tokens,
        "latency_s": tokens / 60,
    }
    return Record(
        "outcomes", {**told, "outcome_id": new_id(), "source": "service", "time": row["time"] + timedelta(minutes=1)}
    )


@pytest.mark.timeout(7200)
def test_a_large_record_is_written_once_audited_and_served(made_up, size, report, tmp_path, serve):
    n, rng = size["decisions"], random.Random(5)
    recorder = Recorder(Settings(store_folder=tmp_path / "store", journal_mib=1024))
    start = datetime.now(UTC) - timedelta(days=20)

    async def write():
        for first in range(0, n, BLOCK):
            rows = [
                made_up.decision(rng, i, start + timedelta(seconds=i * 1.5e6 / n))
                for i in range(first, min(first + BLOCK, n))
            ]
            await asyncio.gather(*(recorder.record([Record("decisions", row)]) for row in rows))
            await recorder.outcomes([outcome(rng, row) for row in rows if rng.random() < 0.6])

    began = time.monotonic()
    asyncio.run(write())
    wrote = time.monotonic() - began
    bundles = [{"revision": r, "time": start, "profiles": {p: {"tokens_per_point": t, "max_thinking_tokens": 8192} for p, t in made_up.PROFILES.items()}, "unfamiliar_below": 0.4, "small_budget": 1024} for r in made_up.REVISIONS]  # fmt: skip
    asyncio.run(recorder.record([Record("bundles", one) for one in bundles]))
    assert recorder.counts["dropped"] == 0
    # where the disk stalled, the journal has what came meanwhile
    until(lambda: recorder.journal.records == 0 and recorder.mender.up)
    with recorder.engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.decisions)) == n
        told = connection.scalar(sa.select(sa.func.count()).select_from(tables.outcomes))
    recorder.close()
    began = time.monotonic()
    done = subprocess.run(
        [THINKWORTH, "audit", "--out", tmp_path / "report", "--no-register", "--json", "--store", f"sqlite:///{tmp_path}/store/decisions.sqlite"],
        capture_output=True, text=True, timeout=3600, check=False,
    )  # fmt: skip
    audited = time.monotonic() - began
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout)["decisions"] == n
    server = serve()
    pages = {
        place: _seconds(f"{server.url}/audit/{place}") for place in ("", "decisions", "suspected", "slices", "trends")
    }
    report |= {
        "decisions": n, "outcomes": told, "written_s": round(wrote, 1), "audited_s": round(audited, 1), "pages_s": pages,
        "audit_peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }  # fmt: skip


def _seconds(url):
    import httpx

    began = time.monotonic()
    answer = httpx.get(url, timeout=120, follow_redirects=True)
    assert answer.status_code == 200, answer.text[:500]
    return round(time.monotonic() - began, 2)
