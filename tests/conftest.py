"""What tests share: the command in their own process, a taxonomy of few families, empty databases of MLflow, a PostgreSQL of their own,
started once where one is installed, and a Ctrl-C that reaches what they start."""

import fcntl
import io
import os
import pwd
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from hypothesis import settings

from contract.cli import main
from contract.locate import ROOT

settings.register_profile("ours", deadline=None)  # timing decides no test
settings.load_profile("ours")

SLOW = (
    "test_example_loop.py", "test_readme_logs.py", "test_litellm_proxy_hook.py", "test_guide_ml_engineer.py", "test_record.py", "test_one_arm.py", "test_pipeline.py",
    "test_loop.py", "test_alias.py", "test_served.py", "test_in_browser.py", "test_readme.py", "test_encoder_export.py", "test_warm_start.py", "test_predict_command.py",
)  # fmt: skip
"""Files that take longest, the longest first: dealt out in this order, so that none of them keeps one worker busy when the others are done."""

FEW = (
    "chit_chat", "translation", "trivial_arithmetic", "multi_step_maths", "proof", "logic_puzzle", "short_word_problem", "commonsense_choice",
)  # fmt: skip
"""Families of the taxonomy, each verdict among them, for tests that train: all 49 take three times as long."""

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
    place = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: place.get(item.path.name, len(SLOW)))


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


@pytest.fixture(scope="session")
def thinkworth() -> Callable[..., Said]:
    """What runs the command as the console does, but in this process: seconds faster than one of its own."""

    def run(*arguments: object) -> Said:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["thinkworth", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        said = Said(int(ended.value.code or 0), *(told.buffer.getvalue().decode() for told in (out, err)))
        assert "Traceback" not in said.err
        return said

    return run


@pytest.fixture(scope="session")
def few_families() -> Callable[[Path], None]:
    """What puts a taxonomy of FEW into a folder, as its data/taxonomy.yaml: commands that run there read that one."""
    shipped = yaml.load((ROOT / "data" / "taxonomy.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    families = {family["name"]: family for family in shipped["families"]}
    text = yaml.safe_dump({"families": [families[name] for name in FEW]})

    def put(folder: Path) -> None:
        (folder / "data").mkdir(exist_ok=True)
        (folder / "data" / "taxonomy.yaml").write_text(text, encoding="utf-8")

    return put


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """What makes a folder once a run, by whichever worker needs it first, and returns it: what is there is to be copied, not changed."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, make: Callable[[Path], object]) -> Path:
        made = shared / f"once-{name}"
        with (shared / f"{name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the system gives it back, however a worker ends
            if not lock.seek(0, os.SEEK_END):
                shutil.rmtree(made, ignore_errors=True)  # half of it, where a worker ended
                made.mkdir()
                make(made)
                lock.write("made")
        return made

    return once


@pytest.fixture(scope="session")
def mlflow_database(once: Callable[[str, Callable[[Path], object]], Path]) -> Callable[[Path], str]:
    """What puts an empty database of MLflow into a folder and returns its address: a copy, for one that MLflow makes takes it 2 seconds."""

    def make(folder: Path) -> None:
        from mlflow.tracking import MlflowClient

        MlflowClient(f"sqlite:///{folder}/made.db").search_experiments()
        with (
            closing(sqlite3.connect(folder / "made.db")) as made,
            closing(sqlite3.connect(folder / "mlflow.db")) as copy,
        ):
            made.backup(copy)
            with copy:
                copy.execute("DELETE FROM experiments")  # the default one says where it was made: MLflow makes it anew

    def put(folder: Path) -> str:
        shutil.copy(once("mlflow", make) / "mlflow.db", folder)
        return f"sqlite:///{folder}/mlflow.db"

    return put


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
