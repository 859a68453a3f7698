"""The verb `keys`: API keys are made, listed and taken away; what is kept of one is its hash."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from contract.errors import InvalidInput
from contract.files import written_whole
from contract.settings import load_settings
from serving.access.keys import SCOPES, ApiKey, new_key, read_keys

keys = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="The API keys of the service.\n\nExample: thinkworth keys new --name gateway --scope predict --scope outcomes",
)

HEAD = "# API keys of thinkworth: hashes, no keys. The service reads this file again whenever it changes.\nkeys:\n"

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
File = Annotated[Path | None, typer.Option("--file", help="YAML file of keys; the setting api_keys_file if not given.")]


@keys.command()
def new(
    name: Annotated[str, typer.Option(help="Who holds it; logs and metrics show the name.")],
    scope: Annotated[list[str], typer.Option(help=f"What it may do, of {', '.join(SCOPES)}; as often as needed.")],
    expires: Annotated[str | None, typer.Option(help="When it ends: a date such as 2027-06-30, or 90d.")] = None,
    requests_per_second: Annotated[float | None, typer.Option(help="How often it may ask each worker.")] = None,
    burst: Annotated[int | None, typer.Option(help="How many requests may come at once.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="YAML file that its entry is added to; made if new.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key: it is shown this once, and only its hash is kept.

    Example: thinkworth keys new --name gateway --scope predict --scope outcomes --file keys.yaml
    """
    limits = {"requests_per_second": requests_per_second, "burst": burst, "expires": _moment(expires)}
    key, entry = new_key(name, scope, **{what: value for what, value in limits.items() if value is not None})
    if file is not None:
        _add(file, entry)
    if as_json:
        typer.echo(json.dumps({"key": key, "entry": _plain(entry)}))
        return
    typer.echo(f"key of {name}, shown this once:\n  {key}")
    if file is not None:
        typer.echo(f"its entry is in {file}; services that have api_keys_file = {file} take it within seconds")
        return
    typer.echo(f"its entry, for the list `keys` of the file that api_keys_file names:\n  {_line(entry)}")
    typer.echo(f"or, for THINKWORTH_API_KEYS, a line:\n  {_words(entry)}")


@keys.command("list")
def list_(file: File = None, as_json: AsJson = False) -> None:
    """List the keys of a file: names, scopes, until when, how often.

    Example: thinkworth keys list --file keys.yaml
    """
    entries = read_keys(_file(file))
    if as_json:
        typer.echo(json.dumps({"keys": [_plain(entry) for entry in entries]}))
        return
    now = datetime.now(UTC)
    for entry in entries:
        until = "never expires" if entry.expires is None else f"until {entry.expires:%Y-%m-%d %H:%M} UTC"
        until = "EXPIRED" if entry.is_expired(now) else until
        rate = f", {entry.requests_per_second:g} a second" if entry.requests_per_second else ""
        typer.echo(f"{entry.name}: {', '.join(entry.scopes)}; {until}{rate}")


@keys.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.")],
    file: File = None,
) -> None:
    """Take a key away: its entry is removed, and services that watch the file refuse it within seconds.

    Example: thinkworth keys revoke gateway --file keys.yaml
    """
    path = _file(file)
    entries = read_keys(path)
    if name not in (names := [entry.name for entry in entries]):
        raise InvalidInput(f"{path} has no key {name}; it has {', '.join(names) or 'none'}", field="name", limit=names)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    own = re.compile(rf"\s*- \{{name: ['\"]?{re.escape(name)}['\"]?,.*\}}\s*")
    kept = [line for line in lines if not own.fullmatch(line)]
    left = tuple(entry for entry in entries if entry.name != name)
    text = "".join(kept) if left else "".join(kept).rstrip().removesuffix("keys:") + "keys: []\n"
    _write(path, text, left, f"remove the entry of {name} by hand")
    typer.echo(f"{name} is no longer in {path}; services that watch it refuse the key within seconds")


def _file(file: Path | None) -> Path:
    path = file or load_settings().api_keys_file
    if path is None:
        raise InvalidInput("no file of keys is named; give it with --file, or set api_keys_file", field="file")
    return path


def _add(path: Path, entry: ApiKey) -> None:
    """Add an entry to a file, as its last line; what else stands in it stays as it is."""
    before = read_keys(path) if path.exists() else ()
    if entry.name in [one.name for one in before]:
        what = f"{path} has a key {entry.name} already; name the new one otherwise, and revoke the old one when nobody uses it"
        raise InvalidInput(what, field="name")
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    text = re.sub(r"^keys:\s*\[\]\s*$", "keys:", text, flags=re.MULTILINE)
    _write(path, f"{text.rstrip()}\n  {_line(entry)}\n", (*before, entry), f"put it in by hand: {_line(entry)}")


def _write(path: Path, text: str, expected: tuple[ApiKey, ...], remedy: str) -> None:
    """Write a file of keys, readable by its owner alone where it is new, if it then holds what is expected."""
    try:
        with written_whole(path, mode=0o600) as new:
            if path.exists():
                new.chmod(
                    path.stat().st_mode & 0o777
                )  # whatever the umask: a service of another user goes on reading it
            new.write_text(text, encoding="utf-8")
            try:
                holds = read_keys(new)
            except InvalidInput:
                holds = None
            if holds != expected:
                raise InvalidInput(f"{path} is written in another form than this command knows; {remedy}", field="file")
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror or error}; name another with --file"
        raise InvalidInput(what, field="file") from error


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        days = re.fullmatch(r"(\d{1,5})d", text)
        found = datetime.now(UTC) + timedelta(days=int(days[1])) if days else datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput("--expires is no date; give 2027-06-30, or days such as 90d", field="expires") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0)


def _plain(entry: ApiKey) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude_none=True)


def _line(entry: ApiKey) -> str:
    """Return an entry as one line of YAML."""
    flow = yaml.safe_dump(_plain(entry), default_flow_style=True, sort_keys=False, width=10_000)
    return f"- {flow.strip()}"


def _words(entry: ApiKey) -> str:
    """Return an entry as a line of the setting api_keys."""
    first = {"name", "hash", "scopes"}
    more = " ".join(f"{name}={value}" for name, value in _plain(entry).items() if name not in first)
    return f"{entry.name} {entry.hash} {','.join(entry.scopes)} {more}".strip()
