"""How large a request may be, beyond its bytes: messages, characters, tools, and requests of a batch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contract.errors import InvalidRequest
from contract.settings import Limits
from serving.router import place
from serving.schemas import BatchRequest, PredictRequest


def refuse_large(request: object, limits: Limits) -> None:
    """Pass what is within the limits; of other requests than those for a verdict, anything.

    Raises:
        InvalidRequest: a limit is passed, the first of them; `too_large`, with its field and the limit.
    """
    if isinstance(request, PredictRequest):
        _refuse_one(request, limits)
    elif isinstance(request, BatchRequest):
        _refuse(len(request.requests), limits.batch, "requests", "requests", "send them in several batches")
        for index, one in enumerate(request.requests):
            with place(index):
                _refuse_one(one, limits)


def _refuse_one(request: PredictRequest, limits: Limits) -> None:
    messages = request.messages or ()
    _refuse(len(messages), limits.messages, "messages", "messages", "send the last turns only")
    _refuse(len(request.tools or ()), limits.tools, "tools", "tools", "send those that the model may call here")
    if request.prompt is not None:
        _refuse(len(request.prompt), limits.characters, "prompt", "characters", "send the last part only")
    else:
        size = sum(map(len, _texts(messages)))
        _refuse(size, limits.characters, "messages", "characters", "send the last turns only")


def _refuse(n: int, limit: int, field: str, what: str, remedy: str) -> None:
    if n > limit:
        raise InvalidRequest(
            f"{field} has {n} {what}; limit {limit}; {remedy}", type="too_large", field=field, limit=limit
        )


def _texts(messages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the texts of messages, whether they are a string or parts of it."""
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            yield content
        elif isinstance(content, list):
            for part in content:
                text = part.get("text") if isinstance(part, dict) else part
                if isinstance(text, str):
                    yield text
