"""The verbs `predict` (offline) and `serve`."""

import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shlex import quote
from typing import Annotated, BinaryIO

import typer

from contract.bundle import Bundle, in_use
from contract.errors import InvalidInput, InvalidRequest
from contract.files import written_whole
from contract.resolve import is_address, resolved
from contract.settings import Settings, load_settings

OPEN_REQUESTS_S = 30
"""Seconds that the end of a service waits for requests under way: as long as one may take. Left alone a client that reads slowly holds it up for ever."""

KEEP_ALIVE_S = 75
"""Seconds that an idle connection is kept: longer than gateways keep theirs (60 is usual), else they send into one that is just closed."""


def predict(
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; the one in use if not given.")] = None,
    profile: Annotated[str | None, typer.Option(help="Profile of the lines that name none.")] = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="One request a line; standard input if not given.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="One answer a line, in order; standard output if not given.")
    ] = None,
) -> None:
    """Answer requests offline, line by line: the verdicts, budgets and probabilities of the service.

    A line that cannot be answered becomes its error, in its place, and the exit code is 1.

    Example: echo '{"prompt": "What is 1 + 9900?"}' | thinkworth predict
    """
    from contract.scorer import Scorer
    from serving.router import Router

    router = Router(Scorer.load(in_use(bundle)))
    if source is not None and not source.is_file():
        raise InvalidInput(f"{source} is not a file; give one request a line with --input", field="input")
    with source.open("rb") if source else _standard_input() as lines, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = (
            line for block in _blocks(lines) for line in pool.map(lambda raw: _answer(router, raw, profile), block)
        )
        bad = _write(answers, output)
    if bad:
        typer.echo(f"thinkworth: {bad} lines could not be answered; each has its error in its place", err=True)
        raise typer.Exit(1)


def serve(
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the bundle, or models:/thinkworth@champion; the one in use if not given. What it names is followed."
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on, IPv4 or IPv6; 127.0.0.1 where none is set.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on; 3000 where none is set.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Processes that answer; 1 where none is set.")
    ] = None,
) -> None:
    """Serve a bundle over HTTP with BentoML, and record its decisions; `thinkworth.toml` or the environment has the settings.

    Example: thinkworth serve --port 3000
    """
    from serving.access.places import address_of, refuse_open
    from serving.access.watch import usable_keys
    from serving.secret import secret_key
    from serving.swap.holder import begin

    settings = load_settings()
    host, port, workers = host or settings.host, port or settings.port, workers or settings.workers
    if bundle is not None:
        settings = settings.model_copy(update={"bundle": str(bundle if is_address(bundle) else bundle.absolute())})
    host = address_of(host)
    refuse_open(host, settings)
    lets_in = usable_keys(settings)
    if settings.wants_keys and settings.session_key_file:
        secret_key(settings.session_key_file, "session_key_file")  # what is wrong with it the first login would tell
    recorded = _record_is_usable(settings)
    shadow = [str(resolved(Path(name)).resolve()) for name in settings.shadow]
    for challenger in shadow:
        Bundle(Path(challenger))
    _refuse_taken(host, port)
    # what is wrong with it, or with what is known of models, is said here, not in a worker
    revision = begin(settings).revision
    example, key = '{"prompt": "What is 1 + 9900?"}', " -H 'X-API-Key: KEY'" if settings.wants_keys else ""
    url = f"http://{_shown(host)}:{port}"
    asked = quote(f"{url}/predict")  # of brackets, a shell would make a pattern
    typer.echo(
        f"thinkworth serves {revision} on {url}\n  {recorded}\n  {lets_in}\n  try: curl -s {asked}{key} -d '{example}'"
    )
    sys.stdout.flush()
    if bundle is not None:
        os.environ["THINKWORTH_BUNDLE"] = str(settings.bundle)
    if shadow:
        os.environ["THINKWORTH_SHADOW"] = json.dumps(shadow)  # addresses are resolved once
    os.environ["THINKWORTH_WORKERS"] = str(workers)  # each takes its share of the cores
    if workers > 1:
        given = os.environ.get("BENTOML_CONFIG_OPTIONS", "")
        os.environ["BENTOML_CONFIG_OPTIONS"] = f"services.thinkworth.workers={workers} {given}".strip()
        os.environ.pop(
            "BENTOML_CONTAINERIZED", None
        )  # in its images, BentoML would not replace a worker that dies among others
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # nothing of ours is reported to anyone
    # A service empties the folder of BentoML's metrics as it starts: of two on a machine, or on two that share a disk, each needs one of its own.
    os.environ.setdefault("BENTOML_HOME", str(settings.folder / "bentoml" / f"{socket.gethostname()}-{port}"))
    os.execv(
        sys.executable,
        [
            sys.executable,
            "-m",
            "bentoml",
            "serve",
            "serving.service:Thinkworth",
            "--host",
            host,
            "--port",
            str(port),
            "--timeout-keep-alive",
            str(KEEP_ALIVE_S),
            "--timeout-graceful-shutdown",
            str(OPEN_REQUESTS_S),
        ],
    )


def _refuse_taken(host: str, port: int) -> None:
    """Pass only an address that can be listened on.

    Raises:
        InvalidInput: another process does, it is none of this machine's, or this process may not.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        field = "port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "host"
        what = f"{_shown(host)}:{port}: {error.strerror or error}; choose another with --{field}"
        raise InvalidInput(what, field=field) from error


def _shown(host: str) -> str:
    """Return an address as a URL has it."""
    return f"[{host}]" if ":" in host else host


def _record_is_usable(settings: Settings) -> str:
    """Return where decisions are recorded, in words; what is wrong with that is said before a worker starts."""
    if settings.durability == "off":
        return "records nothing: durability is off"
    from sqlalchemy.exc import SQLAlchemyError

    from contract.store.opening import migrate, open_store, shown
    from serving.record import digest_key, redaction_hook

    engine = open_store(settings.store_address)
    where = shown(engine.url)
    digest_key(settings.digest_key)
    if settings.redact:
        redaction_hook(settings.redact)
    try:
        migrate(engine)
    except SQLAlchemyError as error:
        return f"cannot reach {where} ({type(error).__name__}): decisions wait in {settings.folder / 'journal'}"
    finally:
        engine.dispose()
    return f"records decisions in {where} (durability {settings.durability})"


def _standard_input() -> BinaryIO:
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb")


def _blocks(lines: BinaryIO, size: int = 512) -> Iterator[list[bytes]]:
    """Yield non-empty lines by the block, so that any length of input takes the same memory.

    Raises:
        InvalidInput: they cannot be read.
    """
    block: list[bytes] = []
    try:
        for line in lines:
            if line.strip():
                block.append(line)
            if len(block) == size:
                yield block
                block = []
    except OSError as error:
        what = f"the requests cannot be read: {error.strerror or error}; give a file with --input"
        raise InvalidInput(what, field="input") from error
    yield block


def _answer(router: object, raw: bytes, profile: str | None) -> tuple[bool, str]:
    import json

    from serving.parsing import parse
    from serving.router import Router
    from serving.schemas import PredictRequest

    assert isinstance(router, Router)
    try:
        request = parse(PredictRequest, raw.removeprefix(b"\xef\xbb\xbf"))
        if request.profile is None and profile is not None:
            request = request.model_copy(update={"profile": profile})
        return True, router.answer(request).model_dump_json()
    except InvalidRequest as error:
        return False, json.dumps(error.body())


def _write(answers: Iterator[tuple[bool, str]], output: Path | None) -> int:
    """Write the lines whole or, to a terminal or pipe, as they come; return how many are errors.

    Raises:
        InvalidInput: the output cannot be written.
    """
    if output is None:
        bad = 0
        for good, line in answers:
            typer.echo(line)
            bad += not good
        return bad
    try:
        with written_whole(output) as temporary, temporary.open("w", encoding="utf-8") as file:
            bad = 0
            for good, line in answers:
                file.write(line + "\n")
                bad += not good
    except OSError as error:  # of the requests none comes this far: see _blocks
        what = f"{output} cannot be written: {error.strerror or error}; name another place with --output"
        raise InvalidInput(what, field="output") from error
    return bad
