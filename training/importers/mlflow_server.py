"""The traces of an MLflow tracking server, or of its database, page by page; nothing of the process's MLflow is touched."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from sqlalchemy import create_engine, inspect
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from contract.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PAGE = 100
"""Traces held at a time."""

_WEB = ("http", "https")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SECONDS = 10.0


def traces(uri: str, experiment: str | None) -> Iterator[Any]:
    """Yield the traces of an experiment, or of all that are not deleted, oldest first.

    Raises:
        InvalidInput: this is no tracking server, it cannot be reached or refuses, or has no such experiment.
    """
    from mlflow.tracking import MlflowClient

    shown = address(uri)
    _check_reachable(uri, shown)
    with _said_of(uri, shown):
        client = MlflowClient(tracking_uri=uri)
        experiments = _experiments(client, shown, experiment)
        token = None
        while True:
            page = client.search_traces(
                locations=experiments, max_results=PAGE, order_by=["timestamp_ms ASC"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def address(uri: str) -> str:
    """Return the address without its password.

    Raises:
        InvalidInput: it is no address of a tracking server.
    """
    return _parsed(uri).set(query={}).render_as_string(hide_password=True)


def _parsed(uri: str) -> URL:
    wrong = "is no address of an MLflow tracking server; give http://HOST:5000 or sqlite:////PATH/mlflow.db"
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError):  # the text may hold a password, and is not repeated
        raise InvalidInput(f"(a text of {len(uri):,} characters) {wrong}") from None
    if url.drivername.partition("+")[0] not in (*_WEB, *_DATABASES):
        raise InvalidInput(f"{url.drivername}: {wrong}")
    return url


def check_answers(uri: str) -> None:
    """Refuse at once an http address where nothing answers: MLflow would try it for minutes. Of another address nothing is checked.

    Raises:
        InvalidInput: nothing answers there.
    """
    url = _parsed(uri)
    if url.drivername not in _WEB:
        return
    plain = URL.create(url.drivername, host=url.host, port=url.port, database=url.database)
    try:
        urlopen(f"{plain.render_as_string().rstrip('/')}/health", timeout=_SECONDS).close()  # noqa: S310 - the scheme is http or https
    except HTTPError:
        return  # something answers; what it is shows at the first question
    except (URLError, OSError, HTTPException) as error:  # the last: it speaks no HTTP
        if isinstance(getattr(error, "reason", error), ssl.SSLError):
            return  # MLflow has settings of its own for certificates
        raise InvalidInput(f"{address(uri)} cannot be reached; is the tracking server running?") from error


def _check_reachable(uri: str, shown: str) -> None:
    """Refuse at once what MLflow would try for minutes, and a database that it would fill with its own tables."""
    url = _parsed(uri)
    if url.drivername in _WEB:
        check_answers(uri)
        return
    if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
        raise InvalidInput(f"{shown}: no such file")
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            known = inspect(connection).has_table("trace_info")
        engine.dispose()
    except ImportError as error:
        raise MissingExtra(
            f"{error.name} is not installed, which {shown} needs; or give the server's http address"
        ) from error
    except SQLAlchemyError as error:
        raise InvalidInput(f"{shown} cannot be read ({type(error).__name__})") from error
    if not known:
        raise InvalidInput(f"{shown} holds no traces of MLflow")


@contextmanager
def _said_of(uri: str, shown: str) -> Iterator[None]:
    """Turn MLflow's errors into ours, without the password that they may repeat."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        said = str(error).partition("\n")[0].replace(uri, shown)
        password = _parsed(uri).password
        said = f": {said[:300]}" if not password or password not in said else ""
        raise InvalidInput(f"{shown} does not answer as an MLflow tracking server{said}") from error


def _experiments(client: "MlflowClient", shown: str, name: str | None) -> list[str]:
    """Return the ids of one experiment or of all.

    Raises:
        InvalidInput: there is none of that name.
    """
    known: dict[str, str] = {}
    token = None
    while True:
        page = client.search_experiments(page_token=token)
        known |= {experiment.name: experiment.experiment_id for experiment in page}
        token = page.token
        if not token:
            break
    if name is None:
        return list(known.values())
    if name not in known:
        names = ", ".join(sorted(known)[:20]) + (", ..." if len(known) > 20 else "")
        raise InvalidInput(f"{shown} has no experiment {name!r}; it has: {names}", field="experiment")
    return [known[name]]
