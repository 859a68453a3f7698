"""The OpenAPI document of /docs.json: what each route takes and answers, its errors in the shape and with the numbers that they have on the wire.

BentoML's own document knows neither our errors nor GET, and drops null from what may be null. So this one is made of the same things that answer:
the table of routes, the annotations of the service's methods, and the errors' own statuses. Tests hold a running service against it.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import version
from operator import attrgetter
from typing import Any, NamedTuple, get_type_hints

from pydantic import BaseModel, RootModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contract.errors import (
    BodyTooLarge,
    DeadlinePassed,
    Forbidden,
    HeadersTooLarge,
    InternalError,
    InvalidRequest,
    NotReloaded,
    Overloaded,
    RateLimited,
    RecordingOff,
    StoreDown,
    ThinkworthError,
    Unauthorised,
)  # fmt: skip
from serving.gateways import portkey
from serving.routes import DEADLINE, LONGEST_WAIT_MS, ROUTES, Route
from serving.schemas import Error, Outcome
from serving.systemone import protocol
from serving.systemone.schemas import SystemOneRefusal

REF = "#/components/schemas/{model}"

ANYWHERE: tuple[type[ThinkworthError], ...] = (
    InvalidRequest,
    Unauthorised,
    Forbidden,
    DeadlinePassed,
    BodyTooLarge,
    Overloaded,
    RateLimited,
    HeadersTooLarge,
    InternalError,
    StoreDown,
)
"""Errors that each of our routes may answer."""

ALSO: Mapping[str, tuple[type[ThinkworthError], ...]] = {"/outcomes": (RecordingOff,), "/admin/reload": (NotReloaded,)}
"""Errors of one route."""

TAKEN_TOO: Mapping[str, type[BaseModel]] = {"/outcomes": Outcome}
"""Bodies that a route takes beside the one that its method names."""

SHAPES: Mapping[Callable[..., Any], type[BaseModel]] = {
    ThinkworthError.body: Error,
    protocol.error_of: SystemOneRefusal,
    portkey.error_of: portkey.PortkeyReply,  # what it refuses, it lets pass
}
"""The model of an error's body, by what makes it."""

SENT_WITH: Mapping[str, tuple[str, str]] = {
    "/v1/systemone": (protocol.DECISION_HEADER, "the decision_id, for /outcomes"),
}
"""A header of a route's answers, and what it tells."""

PROBES: Mapping[str, tuple[str, str]] = {
    "/livez": ("The process answers.", "text/plain"),
    "/readyz": ("The service is ready: which bundle answers, and how its record and its queue are doing.", "application/json"),
    "/metrics": ("Metrics in Prometheus' text format.", "text/plain"),
}  # fmt: skip
"""What BentoML answers: what it says, and its media type."""


KEYS: Mapping[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key; none is asked for where none is set up"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the same in another header"},
}
"""How a key is presented."""


class Document(RootModel[dict[str, Any]]):
    """An OpenAPI document."""


class _Documented(NamedTuple):
    """A route and what its method says of it."""

    path: str
    route: Route
    name: str
    doc: str
    takes: tuple[type[BaseModel], ...]
    gives: type[BaseModel]


@cache
def document(service: Any) -> Document:
    """Return the document of a BentoML service whose methods have our routes."""
    routes = [_documented(api) for api in service.apis.values()]
    schemas = _Schemas(routes)
    paths = {path: {"get": _probe(path, *told)} for path, told in PROBES.items()}
    for one in routes:
        paths[one.path] = {method.lower(): _operation(one, method, schemas) for method in one.route.methods}
    return Document({
        "openapi": "3.1.0",
        "info": {
            "title": "thinkworth", "version": version("thinkworth"), "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": service.inner.__doc__,
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": schemas.definitions, "securitySchemes": KEYS},
        "security": [{}, *({name: []} for name in KEYS)],
    })  # fmt: skip


class _Schemas:
    """The JSON schemas of all models, of what is taken and of what is given."""

    def __init__(self, routes: Iterable[_Documented]) -> None:
        taken = {model for one in routes for model in one.takes}
        given: set[type[BaseModel]] = {
            Error,
            *(one.gives for one in routes),
            *(SHAPES[one.route.error] for one in routes),
        }
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = []
        wanted += [(model, "validation") for model in sorted(taken, key=attrgetter("__name__"))]
        wanted += [(model, "serialization") for model in sorted(given, key=attrgetter("__name__"))]
        self._of, schema = models_json_schema(wanted, ref_template=REF)
        self.definitions = schema.get("$defs", {})

    def taken(self, models: tuple[type[BaseModel], ...]) -> dict[str, Any]:
        found = [self._of[model, "validation"] for model in models]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def given(self, models: Iterable[type[BaseModel]]) -> dict[str, Any]:
        found = [self._of[model, "serialization"] for model in dict.fromkeys(models)]
        return found[0] if len(found) == 1 else {"anyOf": found}


def _documented(api: Any) -> _Documented:
    """Return what a method says: its parameter but self is the body, of which a route without one has none."""
    hints = get_type_hints(api.func)
    gives = hints.pop("return")
    also = [TAKEN_TOO[api.route]] if api.route in TAKEN_TOO else []
    return _Documented(api.route, ROUTES[api.route], api.name, api.doc or "", (*hints.values(), *also), gives)


def _operation(one: _Documented, method: str, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": one.name if method == one.route.methods[-1] else f"{one.name}_{method.lower()}",
        "summary": one.doc.strip().splitlines()[0],
        "description": f"A key needs the scope `{one.route.scope}`.",
        "parameters": [_DEADLINE],
        "responses": _responses(one, schemas),
    }
    if one.takes:
        operation["requestBody"] = {"required": _needs_body(one.route), "content": _json(schemas.taken(one.takes))}
    return operation


def _needs_body(route: Route) -> bool:
    try:
        if route.read:
            route.read(b"")
    except InvalidRequest:
        return True
    return False


def _responses(one: _Documented, schemas: _Schemas) -> dict[str, Any]:
    """Return the answers by status; errors of one status share it, and where it is 200 the answer does too."""
    shapes: dict[int, list[type[BaseModel]]] = {200: [one.gives]}
    says: dict[int, list[str]] = {200: ["The answer."]}
    headers: dict[int, dict[str, Any]] = {}
    if one.path in SENT_WITH:
        name, what = SENT_WITH[one.path]
        headers[200] = {name: {"description": what, "required": True, "schema": {"type": "string"}}}
    for error in (*ANYWHERE, *ALSO.get(one.path, ())):
        made = error("")
        status = one.route.status(made)
        ours = one.route.error(made) == made.body()  # what a key is refused with is ours on a gateway's route too
        shapes.setdefault(status, []).append(Error if ours else SHAPES[one.route.error])
        says.setdefault(status, []).append((error.__doc__ or "").strip().splitlines()[0])
        headers.setdefault(status, {}).update(
            {name: {"required": True, "schema": {"type": "string"}} for name in made.headers if status != 200}
        )
    return {
        str(status): {
            "description": " ".join(dict.fromkeys(says[status])),
            "content": _json(schemas.given(shapes[status])),
            **({"headers": headers[status]} if headers.get(status) else {}),
        }
        for status in sorted(shapes)
    }


def _probe(path: str, says: str, media: str) -> dict[str, Any]:
    content = {media: {"schema": {"type": "object"} if media == "application/json" else {"type": "string"}}}
    return {
        "operationId": path.strip("/"),
        "summary": says,
        "responses": {"200": {"description": says, "content": content}},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


_DEADLINE = {
    "name": DEADLINE.decode().title(),
    "in": "header",
    "description": "milliseconds after which nobody waits for the answer; a request that is not begun by then is dropped",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_MS},
}
