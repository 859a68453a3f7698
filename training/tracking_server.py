"""The MLflow tracking server: its address, our experiment there, and whether it answers, which is asked before long work."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contract.errors import InvalidInput, MissingExtra, Refused
from contract.locate import ROOT
from training.commands import needs

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

MODEL = "thinkworth"
"""Name of the registered model, and of the experiment."""

ANSWERS_S = 10
"""Seconds in which a server that is asked whether it answers must."""

PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""How long MLflow tries where the operator does not say: of itself it tries a server that went away for many minutes."""

IMPATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": str(ANSWERS_S), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


def tracking_uri() -> str:
    """Return MLFLOW_TRACKING_URI, else the checkout's mlruns/mlflow.db as an absolute SQLite address."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _own_uri()


def told_uri() -> str:
    """Return the tracking address as a message may hold it: without its password.

    Raises:
        InvalidInput: it is no address of a tracking server.
    """
    from training.importers.mlflow_server import address

    return address(tracking_uri())


def pointed() -> bool:
    """Point MLflow at the tracking server; return whether it is the checkout's own."""
    import mlflow

    own = tracking_uri() == _own_uri()  # MLflow sets the variable too
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # standard output is a command's answer
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    if not sys.stderr.isatty():
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if own:
        (ROOT / "mlruns").mkdir(exist_ok=True)
    mlflow.set_tracking_uri(tracking_uri())
    return own


def experiment() -> str:
    """Point MLflow at the tracking server and return the id of our experiment, which is made where there is none."""
    from mlflow.tracking import MlflowClient

    own = pointed()
    found = MlflowClient().get_experiment_by_name(MODEL)
    if found is not None:
        return str(found.experiment_id)
    location = (ROOT / "mlruns" / "artifacts").as_uri() if own else None
    return str(MlflowClient().create_experiment(MODEL, artifact_location=location))


def client(instead: str = "") -> "MlflowClient":
    """Return a client of the tracking server, which answers.

    Args:
        instead: what can be done without the server, for the message where it does not answer.

    Raises:
        MissingExtra: MLflow, or the driver of its database, is not installed.
        InvalidInput: MLFLOW_TRACKING_URI is no address.
        Refused: nothing answers there within ANSWERS_S, or it refuses.
    """
    with needs("train"):
        from mlflow.tracking import MlflowClient
    shown = told_uri()
    pointed()
    try:
        _check()
    except _Silent as error:
        remedy = "; ".join(filter(None, ("start it, or correct MLFLOW_TRACKING_URI", instead)))
        raise Refused(f"MLflow at {shown} does not answer ({error}); {remedy}", type="mlflow") from error
    return MlflowClient()


@contextmanager
def reached(remedy: str = "check MLFLOW_TRACKING_URI") -> Iterator[None]:
    """Say of MLflow's errors, and those of where it stores files, which tracking server gave them and what to do.

    Raises:
        Refused: it cannot be reached, or refuses.
    """
    with needs("train"):
        from mlflow.exceptions import MlflowException
    try:
        yield
    except (MlflowException, OSError) as error:  # artifacts may go to a folder that cannot be written from here
        raise Refused(f"MLflow at {told_uri()}: {_said(error)}; {remedy}", type="mlflow") from error


def _own_uri() -> str:
    return f"sqlite:///{ROOT / 'mlruns' / 'mlflow.db'}"


class _Silent(Exception):
    """The server does not answer; why, without its password."""


def _check() -> None:
    """Ask the server a question that it answers at once, or never.

    Raises:
        _Silent: it does not answer.
    """
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    from training.importers.mlflow_server import check_answers

    uri = tracking_uri()
    try:
        check_answers(uri)
    except InvalidInput as error:
        raise _Silent(_why(error.__cause__)) from error
    if not uri.startswith("http"):
        _check_database(uri)
        return
    before = {name: os.environ.get(name) for name in IMPATIENCE}
    os.environ.update(IMPATIENCE)
    try:
        MlflowClient().get_experiment_by_name(MODEL)
    except MlflowException as error:
        raise _Silent(_said(error)) from error
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _check_database(uri: str) -> None:
    """Connect once: MLflow tries a database that is away ten times, each time after twice as long."""
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.exc import SQLAlchemyError

    waits: dict[str, Any] = {"connect_timeout": ANSWERS_S} if uri.startswith(("postgresql", "mysql")) else {}
    try:
        engine = create_engine(uri, connect_args=waits, hide_parameters=True)
        with engine.connect() as connection:
            inspect(connection).has_table("experiments")
        engine.dispose()
    except ImportError as error:
        raise MissingExtra(f"{error.name} is not installed, which {told_uri()} needs; install the driver") from error
    except SQLAlchemyError as error:
        raise _Silent(_why(getattr(error, "orig", None) or error)) from error


def _said(error: Exception) -> str:
    """Return the first line of what MLflow says, without the password that it may repeat, as it is or quoted anew."""
    said = str(error).partition("\n")[0].replace(tracking_uri(), told_uri())
    said = re.sub(r"//[^/\s]*@", "//", said)
    asked, away, _ = said.partition(
        " failed with exception "
    )  # what follows is the HTTP library's, and as long as it is empty
    return f"{asked} failed: nothing answers" if away else said[:300]


def _why(error: BaseException | None) -> str:
    """Return the kind of an error of the network or a database, whose words may hold an address."""
    reason = getattr(error, "reason", error)
    return (reason.strerror if isinstance(reason, OSError) else None) or type(reason).__name__
