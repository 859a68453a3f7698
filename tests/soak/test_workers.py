"""A worker that is killed takes with it what was on its connections, and no more: the others answer, and another takes its place."""

import os
import re
import signal
import time
from pathlib import Path

import httpx
import pytest

from .test_record import assert_all_there_once, stored, until

CLIENTS = 8


def serving(server):
    """How many workers say that they serve."""
    try:
        told = httpx.get(f"{server.url}/metrics", timeout=10).text
    except httpx.TransportError:  # by the connection of the one that is killed
        return 0
    return sum(float(n) for n in re.findall(r"^thinkworth_workers\{.*\} (\S+)$", told, re.MULTILINE))


@pytest.mark.timeout(1800)
def test_a_killed_worker_is_missed_by_none_but_those_whom_it_was_answering(serve, load, size, report, tmp_path):
    server = serve(THINKWORTH_WORKERS="2", BENTOML_CONTAINERIZED="true")  # as in an image of BentoML's
    until(lambda: serving(server) == 2)
    workers, away = server.workers(), []
    assert len(workers) == 2
    with load(server.url, clients=CLIENTS) as clients:
        until(lambda: len(clients.acknowledged) > 40)
        for n in range(size["workers_killed"]):
            victim, survivor = (
                workers  # the older one: what took the place of one that was killed has to serve alone next
            )
            failed = len(clients.failed)
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            for i in range(10):  # clients that come new
                answer = httpx.post(f"{server.url}/predict", json={"prompt": f"What is {n} - {i}?"}, timeout=30)
                assert answer.status_code == 200
            before = len(clients.acknowledged)
            until(lambda: len(clients.acknowledged) > before + 4 * CLIENTS)  # noqa: B023 - called at once
            until(lambda: len(server.workers()) == 2 and victim not in server.workers())  # noqa: B023
            until(lambda: serving(server) == 2)
            away.append(time.monotonic() - killed)
            assert len(clients.failed) - failed <= CLIENTS  # the one request of each that the victim had
            assert survivor in server.workers()
            (came,) = set(server.workers()) - {survivor}
            workers = [survivor, came]
    assert all(isinstance(failure, str) for failure in clients.failed), (
        clients.failed
    )  # cut off, and never an answer that is an error
    address = f"sqlite:///{tmp_path / 'store' / 'decisions.sqlite'}"
    until(lambda: clients.acknowledged.keys() <= stored(address).keys())
    assert_all_there_once(clients.acknowledged, stored(address))
    report |= {
        "kills": size["workers_killed"], "clients": CLIENTS, "acknowledged": len(clients.acknowledged), "cut_off": len(clients.failed),
        "until_two_serve_again_s": [round(seconds, 1) for seconds in sorted(away)],
    }  # fmt: skip

    workers = server.workers()
    assert len(workers) == 2
    os.kill(server.process.pid, signal.SIGKILL)  # what starts workers anew; without it they end, and leave the port
    server.process.wait()
    until(lambda: not any(map(runs, workers)))


def runs(pid):
    """Whether a process answers; of one that has ended and was not waited for there is no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False
