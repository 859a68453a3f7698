"""Which version an alias of MLflow's registry names, asked in milliseconds and without MLflow, which takes seconds and 200 MB to import.

Over MLflow's REST interface where it is a server, in its table where it is a database. This only tells that something moved: what is
then served is fetched and verified by `contract.resolve`, the one way.
"""

import base64
import json
import os
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, urlopen

from contract.errors import BundleMissing, Refused
from contract.locate import ROOT

ANSWERS_S = 5
"""Seconds in which a registry must answer."""

_QUERY = "SELECT version FROM registered_model_aliases WHERE name = :name AND alias = :alias"


def version_of(address: str) -> str | None:
    """Return the number of the version that `models:/NAME@ALIAS` names; None where it cannot be asked without MLflow.

    Raises:
        BundleMissing: no version has the alias.
        Refused: the registry does not answer, or refuses.
    """
    name, at, alias = address.removeprefix("models:/").partition("@")
    if not at:
        return address  # models:/NAME/7 is the same for good
    uri = os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI")
    uri = uri or f"sqlite:///{ROOT / 'mlruns' / 'mlflow.db'}"
    if uri.startswith(("http://", "https://")):
        found = _from_server(uri, name, alias)
    elif "://" in uri:
        found = _from_database(uri, name, alias)
    else:
        return None
    if found == "":
        raise BundleMissing(
            f"no version of {name} has the alias {alias}; promote one with `thinkworth promote VERSION`"
        )
    return found


def _from_server(uri: str, name: str, alias: str) -> str | None:
    place = urlsplit(uri)
    host = place.netloc.rpartition("@")[2]
    url = f"{place.scheme}://{host}{place.path.rstrip('/')}/api/2.0/mlflow/registered-models/alias?name={quote(name)}&alias={quote(alias)}"
    request = Request(url, headers=_credentials(place.username, place.password))  # noqa: S310 - the scheme is http or https
    try:
        with urlopen(request, timeout=ANSWERS_S) as answer:  # noqa: S310
            return str(json.load(answer)["model_version"]["version"])
    except HTTPError as error:
        with error:
            said = error.read(10_000)
            if b"RESOURCE_DOES_NOT_EXIST" in said or b"INVALID_PARAMETER_VALUE" in said:
                return ""
        if error.code in (401, 403, 404):  # credentials of a kind that only MLflow knows, or a path of its own
            return None
        raise _away(f"answers {error.code}") from error
    except (ValueError, KeyError, TypeError):
        return None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        if "SSL" in type(reason).__name__:
            return None  # MLflow has settings of its own for certificates
        raise _away(getattr(reason, "strerror", None) or type(reason).__name__) from error


def _credentials(user: str | None, password: str | None) -> dict[str, str]:
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or unquote(user or "")
    password = os.environ.get("MLFLOW_TRACKING_PASSWORD") or unquote(password or "")
    if user:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}


def _from_database(uri: str, name: str, alias: str) -> str | None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
    from sqlalchemy.pool import NullPool

    waits = {"connect_timeout": ANSWERS_S} if uri.startswith(("postgresql", "mysql")) else {}
    try:
        engine = create_engine(uri, poolclass=NullPool, connect_args=waits, hide_parameters=True)
        with engine.connect() as connection:
            return str(connection.execute(text(_QUERY), {"name": name, "alias": alias}).scalar() or "")
    except (ArgumentError, NoSuchModuleError, ImportError):
        return None  # no database, or a driver that only MLflow's environment has
    except DBAPIError as error:
        if "registered_model_aliases" in str(error.orig):
            return None  # another schema than the one that is known here
        raise _away(type(error.orig).__name__) from error
    except SQLAlchemyError as error:
        raise _away(type(error).__name__) from error


def _away(why: str) -> Refused:
    return Refused(f"MLflow does not answer ({why}); what is served stays until it does", type="mlflow")
