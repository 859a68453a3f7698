"""What is looked at once, when BentoML is about to start workers, however it was told to."""

from typing import Any

import click

from contract.errors import ThinkworthError
from contract.settings import load_settings
from serving.access.places import refuse_open


def refuse_open_start() -> None:
    """End `bentoml serve` where anybody could use what it would serve.

    BentoML tells its hooks no address, so it is read off the command that runs. Where BentoML was started by a program there is none; then
    each connection is still looked at, by the address that it was made to (`serving.access.places.refuse_reached`).

    Raises:
        ClickException: anybody could use it, or the settings are wrong; the command shows the message and ends.
    """
    context = click.get_current_context(silent=True)
    if context is None or "host" not in context.params:
        return
    try:
        refuse_open(_host(context.params), load_settings())
    except ThinkworthError as error:
        raise click.ClickException(error.message) from error


def _host(parameters: dict[str, Any]) -> str:
    """Return the address that the command will listen on, as BentoML decides it: all of them where nothing names one."""
    from bentoml._internal.configuration.containers import BentoMLContainer

    return str(
        parameters["host"] or ("127.0.0.1" if parameters.get("development") else BentoMLContainer.http.host.get())
    )
