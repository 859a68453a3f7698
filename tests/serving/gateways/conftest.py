"""LiteLLM without its network, and servers that are started for the tests of gateways."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from contract.locate import ROOT

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or its import fetches prices from the network

THINKWORTH = Path(sys.executable).with_name("thinkworth")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Program:
    """A server in a process group of its own, on a port that it keeps over restarts."""

    def __init__(self, command, ready, folder, environment, port):
        self.command, self.folder, self.environment, self.port = command, folder, environment, port
        self.url = f"http://127.0.0.1:{port}"
        self.ready, self.process = f"{self.url}{ready}", None
        self.log = folder / f"{port}.log"

    def start(self):
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        return self

    def until_ready(self):
        self.until(lambda: httpx.get(self.ready, trust_env=False, timeout=5).is_success)
        return self

    def until(self, done, seconds=150):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if done():
                    return
            time.sleep(0.1)
        pytest.fail("waited in vain; the end of its log:\n" + self.said()[-3000:])

    def said(self):
        return self.log.read_text(errors="replace")

    def family(self):
        """The server and all that it started, whose process groups are their own."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    def kill(self):
        for pid in self.family():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        family = self.family()
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture(scope="module")
def program():
    """What starts a program: its command, to which `--port` is added, what answers when it is ready, folder and environment."""
    started = []

    def start(command, ready, folder, environment):
        port = free_port()
        started.append(Program([*command, "--port", str(port)], ready, folder, environment, port).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="module")
def thinkworth_server(program, tmp_path_factory):
    """The service as a user starts it, with a store of its own; not waited for."""
    folder = tmp_path_factory.mktemp("thinkworth")
    environment = {**os.environ, "THINKWORTH_STORE_FOLDER": str(folder / "store")}
    return program([THINKWORTH, "serve", "--bundle", ROOT / "models" / "default"], "/readyz", folder, environment)
