"""The console command: one verb per job, found through the entry-point group and imported only when it is called."""

import sys
from importlib.metadata import EntryPoint, entry_points, version
from typing import Any

import typer
from typer.core import TyperGroup

from contract.errors import ThinkworthError

GROUP = "thinkworth.commands"


class _Verbs(TyperGroup):
    """Lists the entry points of the group; loads the one that is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(point.name for point in entry_points(group=GROUP))

    def get_command(self, ctx: Any, name: str) -> Any:
        for point in entry_points(group=GROUP, name=name):
            return _command(point)
        return None


def _command(point: EntryPoint) -> Any:
    loaded = point.load()
    if isinstance(loaded, typer.Typer):
        command = typer.main.get_command(loaded)
        command.name = point.name
        return command
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(point.name)(loaded)
    return typer.main.get_command(app)


app = typer.Typer(
    cls=_Verbs, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.callback(invoke_without_command=True)
def root(
    show_version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
) -> None:
    """Is thinking worth its tokens on this prompt? Learn it from logs, serve it before the call."""
    if show_version:
        typer.echo(version("thinkworth"))
        raise typer.Exit


def main() -> None:
    """Run a verb; errors of ours go to standard error as one line, with exit code 1 (failed) or 2 (bad input)."""
    try:
        app()
    except ThinkworthError as error:
        typer.echo(f"thinkworth: {error.message}", err=True)
        sys.exit(error.exit_code)
