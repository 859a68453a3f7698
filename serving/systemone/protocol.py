"""System One to a request of ours and back: profiles by name, request ids by header, errors in the protocol's shape."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from contract.errors import InvalidRequest, ThinkworthError
from contract.profiles import default_name
from serving.schemas import Answer, ModelInfo, PredictRequest
from serving.systemone.envelope import messages_of
from serving.systemone.questions import answer_to, check
from serving.systemone.schemas import (
    Model,
    Models,
    SystemOneAnswer,
    SystemOneError,
    SystemOneRefusal,
    SystemOneRequest,
    Usage,
)  # fmt: skip

PREFIX = "thinkworth/"
"""What stands before the name of a profile in `model`."""

DECISION_HEADER = "x-thinkworth-decision-id"
"""Tells the decision_id of an answer whose body has another's shape."""

REQUEST_HEADERS = ("x-request-id", "x-litellm-call-id")
"""Headers that name the caller's request, the first one that is sent counts."""

MAX_REQUEST_ID = 200

ATTACHED = ("images", "assets", "audio", "videos")
"""Keys with what is no text; it is counted, and never read."""

_STATUS = {400: 422, 503: 529}
"""The protocol's numbers for what is wrong with a request, and for a service that has too much to do."""


def request_of(body: SystemOneRequest, profiles: Mapping[str, object], request_id: str | None = None) -> PredictRequest:
    """Return the request that a System One request stands for.

    Raises:
        InvalidRequest: a question is not answered, or `model` names a profile that the bundle does not have.
    """
    for name, question in body.questions.items():
        check(name, question)
    profile, target = _named(body.model, profiles)
    messages = messages_of(body.state)
    attached = [{"type": kind} for kind in ATTACHED for _ in range(_count((body.model_extra or {}).get(kind)))]
    if attached and isinstance(text := messages[-1].get("content"), str):
        messages[-1] = {**messages[-1], "content": [{"type": "text", "text": text}, *attached]}
    return PredictRequest(messages=messages, profile=profile, model=target, request_id=request_id)


def answer_of(body: SystemOneRequest, answer: Answer, input_tokens: int) -> SystemOneAnswer:
    """Return the answers to a request's questions."""
    answers = {name: answer_to(question, answer) for name, question in body.questions.items()}
    return SystemOneAnswer(model=body.model, answers=answers, usage=Usage(input_tokens=input_tokens), thinkworth=answer)


def status_of(error: ThinkworthError) -> int:
    """Return the protocol's number of an error."""
    return _STATUS.get(error.status, error.status)


def error_of(error: ThinkworthError) -> dict[str, Any]:
    """Return the body of an error; one about the prompt is about `state`, which is what was sent."""
    field = error.field
    if field is not None and re.split(r"[.\[]", field)[0] in ("prompt", "messages"):
        field = "state"
    return SystemOneRefusal(error=SystemOneError(message=error.message, field=field)).model_dump()


def models_of(info: ModelInfo) -> Models:
    """Return the names that `model` may have, that of the default profile first."""
    created = int(datetime.fromisoformat(info.created).timestamp())
    default = default_name(info.profiles)
    names = sorted(info.profiles, key=lambda name: name != default)
    return Models(data=[Model(id=PREFIX + name, created=created) for name in names])


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the caller's name of its request; one that is too long for an id is none, as a part of it would join nothing."""
    found = next((headers[name] for name in REQUEST_HEADERS if headers.get(name)), None)
    return found if found is not None and len(found) <= MAX_REQUEST_ID else None


def _count(attached: object) -> int:
    """Return how many things a value is: of a list or an object its entries, of anything else but nothing one."""
    return len(attached) if isinstance(attached, list | dict) else int(bool(attached))


def _named(model: str, profiles: Mapping[str, object]) -> tuple[str | None, str | None]:
    """Return the profile and the target model that a name stands for; None of either where it tells nothing."""
    if not model.startswith(PREFIX):
        return (model if model in profiles else None), None
    profile, _, target = model.removeprefix(PREFIX).partition("/")
    if profile not in profiles:
        raise InvalidRequest(
            f"model names a profile that is not one of {', '.join(profiles)}; correct it, or send any name without {PREFIX}",
            field="model", limit=list(profiles),
        )  # fmt: skip
    return profile, target or None
