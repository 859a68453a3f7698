"""What tests share: the command in their own process, a PostgreSQL of their own, started once where one is installed, and a Ctrl-C
that reaches what they start."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from contract.cli import main

SLOW = (
    "test_example_loop.py", "test_warm_start.py", "test_readme_logs.py", "test_guide_ml_engineer.py", "test_loop.py", "test_encoder_export.py", "test_pipeline.py",
    "test_one_arm.py", "test_readme.py",
)  # fmt: skip
"""Files that take minutes: dealt out first, so that none of them keeps one worker busy when the others are done."""

_USER, _PASSWORD = "tester", "wort mit-%sonderzeichen"  # what an address must percent-encode


def _programs() -> Path | None:
    """Return the folder of the newest PostgreSQL installed, also where Debian keeps it, off the path."""
    on_path = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = Path(on_path) if on_path else installed[-1] if installed else None
    return found.parent if found else None


def _other_user() -> str | None:
    """Return whom to run the server as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {user.pw_name for user in pwd.getpwall()} else "nobody"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first; the order is kept by `--no-loadscope-reorder`."""
    items.sort(key=lambda item: item.path.name not in SLOW)


@pytest.fixture(scope="session", autouse=True)
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where decisions are recorded: never in the checkout."""
    folder = tmp_path_factory.mktemp("record") / "store"
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("THINKWORTH_")]:
            patch.delenv(name)
        patch.setenv("THINKWORTH_STORE_FOLDER", str(folder))
        yield folder


class Said(NamedTuple):
    """What a command ended with: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def thinkworth(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """What runs the command as the console does, but in this process: seconds faster than one of its own."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["thinkworth", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = Said(int(ended.value.code or 0), *capsys.readouterr())
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """A shell that runs tests in the background has SIGINT ignored, and their child processes would inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Postgres(NamedTuple):
    """A running server: its address, without a database, and what stops it at once (`stop`) and starts it again (`start`)."""

    address: str
    control: Callable[[str], None]


@pytest.fixture(scope="session")
def postgres_server(postgres_process: Postgres) -> str:
    """The address of a server, without a database: postgresql://user:password@host:port."""
    return postgres_process.address


@pytest.fixture
def postgres_control(postgres_process: Postgres) -> Iterator[Callable[[str], None]]:
    """What stops the server as a crash does, and starts it again; it runs when the test ends."""
    yield postgres_process.control
    postgres_process.control("start")


@pytest.fixture(scope="session")
def postgres_process() -> Iterator[Postgres]:
    """A PostgreSQL of the tests' own."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed (initdb is neither on the path nor in /usr/lib/postgresql)")
    user = _other_user()
    # not below pytest's folder: only its owner may pass through that
    home = Path(tempfile.mkdtemp(prefix="thinkworth-postgres-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, password = home / "data", home / "password"
    password.write_text(_PASSWORD)
    if user:
        shutil.chown(home, user)
        shutil.chown(password, user)

    def run(program: str, *arguments: str) -> None:
        subprocess.run([programs / program, *arguments], check=True, cwd=home, user=user, stdout=subprocess.DEVNULL)

    try:
        run("initdb", "-D", str(data), "-U", _USER, "--auth=scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "-N")
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        running = False

        def control(what: str) -> None:
            nonlocal running
            if what == "start" and not running:
                run("pg_ctl", "-D", str(data), "-l", str(home / "server.log"), "-w", "-o", settings, "start")
            elif what == "stop" and running:
                run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
            running = what == "start"

        control("start")
        try:
            yield Postgres(f"postgresql://{_USER}:wort%20mit-%25sonderzeichen@127.0.0.1:{port}", control)
        finally:
            control("stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgres(postgres_server: str) -> Iterator[str]:
    """The address of a database of its own: postgresql://user:password@host:port/name."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
    from psycopg import sql

    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
