"""One service for the tests over HTTP, started as a user starts it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest

from contract.locate import ROOT

THINKWORTH = Path(sys.executable).with_name("thinkworth")


class Served(NamedTuple):
    url: str
    log: Path
    pid: int

    def processes(self) -> list[int]:
        """The server and all that it started; workers have process groups of their own."""
        return [self.pid, *(child.pid for child in psutil.Process(self.pid).children(recursive=True))]


@contextlib.contextmanager
def serving(folder: Path, **environment: str):
    """Start the service as a user does, its log in a folder; it ends with the block."""
    log, host = folder / "server.log", environment.get("THINKWORTH_HOST", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [THINKWORTH, "serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    server = Served(f"http://{f'[{host}]' if ':' in host else host}:{port}", log, process.pid)
    try:
        _wait(server, process)
        yield server
    finally:
        _end(server, process)


def challenger(folder: Path) -> Path:
    """The shipped bundle under another revision."""
    shutil.copytree(ROOT / "models" / "default", folder)
    manifest = folder / "manifest.json"
    told = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**told, "revision": "thinkworth/challenger"}), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    shadow = challenger(tmp_path_factory.mktemp("shadow") / "bundle")
    with serving(tmp_path_factory.mktemp("served"), THINKWORTH_SHADOW=str(shadow)) as server:
        yield server


@pytest.fixture(scope="session", name="serving")
def starts_services():
    """What starts a service as a user does, with variables of its own, and ends it."""
    return serving


@pytest.fixture(scope="session")
def http(served):
    with httpx.Client(base_url=served.url, timeout=120) as client:
        yield client


def _wait(server: Served, process: subprocess.Popen) -> None:
    for _ in range(480):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/readyz", timeout=30).status_code == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.25)
    pytest.fail("the service did not come up; the end of its log:\n" + server.log.read_text(errors="replace")[-4000:])


def _end(server: Served, process: subprocess.Popen) -> None:
    family = server.processes()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
