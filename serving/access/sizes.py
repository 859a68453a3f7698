"""How large a request may be, beyond its bytes: messages, characters, tools, and requests of a batch."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from contract.errors import InvalidRequest
from contract.settings import Limits
from serving.schemas import BatchRequest, PredictRequest


def refuse_large_batch(batch: BatchRequest, limits: Limits) -> None:
    """Pass a batch of no more requests than the limit; each of them is looked at by itself.

    Raises:
        InvalidRequest: it has more; `too_large`.
    """
    _refuse(len(batch.requests), limits.batch, "requests", "requests", "send them in several batches")


def refuse_large(request: PredictRequest, limits: Limits) -> None:
    """Pass what is within the limits.

    Raises:
        InvalidRequest: a limit is passed, the first of them; `too_large`, with its field and the limit.
    """
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
