"""One try of one ask, through LiteLLM: the final answer with what it cost, or why there is none.

Answers are streamed, so that a hang shows as a silence and long thinking does not run into a timeout. LiteLLM fills in
what a stream lacks: a usage that it counts itself, 0 for a count that is null, a total that is its own sum, and the finish
reason "stop". They are told from the reported ones here.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from training.collect.libraries import litellm
from training.collect.prices import Prices
from training.collect.spending import counted, known
from training.importers.call import Usage
from training.importers.tokens import named_inputs

AGAIN = (408, 409, 429)
LONGEST_WAIT_S = 600
"""A server that asks to be left alone for longer is not waited for."""

_REASONS: Mapping[str, tuple[type[BaseException], ...]] = {
    "no byte in time": (httpx.TimeoutException, TimeoutError),
    "malformed body": (json.JSONDecodeError,),
    "connection lost": (httpx.TransportError, ConnectionError),
    "cut stream": (StopAsyncIteration,),
}
"""What a try failed of where the server gave no status, and the exceptions that say so."""

_THOUGHT = re.compile(r"<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL)
_ENDS = re.compile(r"</think(?:ing)?>")
_BEGINS = re.compile(r"<think(?:ing)?>")
_HELLO = {"role": "user", "content": "Hello"}
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: the part that is for the user, whether thinking was seen beside it, and what was recorded of the call.

    Attributes:
        usage: None where the server reported none.
        finish_reason, request_id: None where they are no texts.
        latency_s: seconds from request to last token.
    """

    answer: str
    thought: bool
    usage: Usage | None
    finish_reason: str | None
    request_id: str | None
    started: datetime
    latency_s: float


class Failed(Exception):
    """A try that gave no answer.

    Attributes:
        reason: why, in words to be counted; never a prompt, an answer or a key.
        detail: the server's own words, for the journal.
        again: whether another try may succeed.
        wait_s: how long the server asks to wait.
        usage: what the try reported before it failed.
        billed: whether it may have cost something, reported or not.
    """

    def __init__(
        self, reason: str, detail: str = "", *, again: bool, wait_s: float | None = None, usage: Usage | None = None,
        billed: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(reason)
        self.reason, self.detail, self.again = reason, detail, again
        self.wait_s, self.usage, self.billed = wait_s, usage, billed


class Provider:
    """A model behind LiteLLM or at an OpenAI-compatible address.

    Args:
        model: its name there.
        base_url: the address; None leaves it to LiteLLM, by the model's name.
        key: the API key; None leaves it to LiteLLM's own environment variables, or sends none to the address.
        timeout_s: seconds without a byte after which a try has failed.
        prices: what its tokens cost.
    """

    def __init__(self, model: str, *, base_url: str | None, key: str | None, timeout_s: float, prices: Prices) -> None:
        self.prices = prices
        self._key = key
        self._fixed: dict[str, Any] = {
            "model": f"openai/{model}" if base_url else model,
            "stream": True, "stream_options": {"include_usage": True},
            "timeout": timeout_s, "num_retries": 0, "max_retries": 0,
        }  # fmt: skip
        self._at_address = base_url is not None
        if base_url:  # without a key of its own LiteLLM would send OPENAI_API_KEY there, whoever listens
            self._fixed |= {"api_base": base_url, "api_key": key or "none"}
        elif key:
            self._fixed["api_key"] = key

    async def warm_up(self) -> None:
        """Have LiteLLM import what it needs, by an answer that it makes up: half a second that no latency is to hold."""
        with suppress(Exception):
            async for _ in await litellm().acompletion(**self._fixed, messages=[_HELLO], mock_response="Hello"):
                pass

    async def ask(
        self, messages: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any], max_output_tokens: int | None
    ) -> Reply:
        """Return the model's answer.

        Raises:
            Failed: there is none, or not all of one.
        """
        request = {**self._fixed, "messages": [dict(message) for message in messages]}
        request |= {"extra_body": dict(parameters)} if self._at_address else parameters
        if max_output_tokens is not None:
            request["max_tokens"] = max_output_tokens
        started, clock, stream = datetime.now(UTC), time.monotonic(), None
        texts: list[str] = []
        thoughts, last, request_id = False, None, None
        try:
            stream = await litellm().acompletion(**request)
            async for chunk in stream:
                delta = chunk.choices[0].delta if chunk.choices else None
                texts.append(getattr(delta, "content", None) or "")
                thoughts |= bool(getattr(delta, "reasoning_content", None))
                last = getattr(chunk, "usage", None) or last
                request_id = chunk.id
            answer, thought = final_answer("".join(texts))
        except Exception as error:  # what LiteLLM lets out is not only its own
            usage = self._usage(stream, None, said=thoughts or any(texts))
            raise _failed(error, usage, self._key) from error
        finish = getattr(stream, "received_finish_reason", None) or getattr(stream, "intermittent_finish_reason", None)
        usage = self._usage(stream, last if finish is not None else None, said=thoughts or any(texts))
        if finish is None:
            raise Failed("no answer in the body", again=True, usage=usage)
        return Reply(
            answer=answer, thought=thought or thoughts, usage=usage, started=started, latency_s=time.monotonic() - clock,
            finish_reason=known("finish_reason", _clean(finish)), request_id=known("request_id", _clean(request_id)),
        )  # fmt: skip

    def _usage(self, stream: Any, last: Any, *, said: bool) -> Usage | None:
        """Return what the server reported: LiteLLM's sum at the end, or where a stream broke off its latest word."""
        reported = [usage for chunk in getattr(stream, "chunks", ()) if (usage := getattr(chunk, "usage", None))]
        if not reported:
            return None
        usage = last or reported[-1]
        thinking = getattr(usage.completion_tokens_details, "reasoning_tokens", None)
        if not any(getattr(one.completion_tokens_details, "reasoning_tokens", None) is not None for one in reported):
            thinking = None  # counted by LiteLLM from the thinking that it saw
        told = Usage(
            output_tokens=usage.completion_tokens, thinking_tokens=thinking, input_tokens=usage.prompt_tokens,
            cached_tokens=getattr(usage.prompt_tokens_details, "cached_tokens", None),
        )  # fmt: skip
        inputs = list(named_inputs(usage.model_dump()).values())
        counts = counted(told, reported[-1].total_tokens, inputs=inputs, said=said)
        output, given = counts.output_tokens, counts.input_tokens
        if output is not None and given is not None:  # LiteLLM's prices are of its usage
            usage = usage.model_copy(update={"completion_tokens": output, "total_tokens": given + output})
        return replace(counts, cost_usd=self.prices.of(given, output, usage))


def final_answer(text: str) -> tuple[str, bool]:
    """Return a text without the thinking that some servers leave in it, and whether there was any.

    Thinking may lack its opening tag (chat templates write it into the prompt) or its closing one (it was cut off).
    """
    thoughts = _THOUGHT.findall(text)
    text = _THOUGHT.sub("", text)
    *before, text = _ENDS.split(text)
    text, *after = _BEGINS.split(text, maxsplit=1)
    return _clean(text.strip()), any(thought.strip() for thought in (*thoughts, *before, *after))


def _clean(text: Any) -> Any:
    """Return a text as UTF-8 can hold it: JSON may escape half of a character."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else text


def _failed(error: Exception, usage: Usage | None, key: str | None) -> Failed:
    """Return why a try failed: LiteLLM's own exception says little, what it was raised from says more."""
    chain = list(_chain(error))
    detail = without_secrets(str(error), key)[:500]
    refusal = next((e for e in chain if isinstance(e, httpx.HTTPStatusError)), None)
    status = refusal.response.status_code if refusal else getattr(error, "status_code", None)
    if refusal is None:
        for reason, kinds in _REASONS.items():
            if any(isinstance(e, kinds) for e in chain):
                return Failed(reason, detail, again=True, usage=usage)
        if hasattr(error, "generated_content"):
            return Failed("error in the stream", detail, again=True, usage=usage)
    reason = f"{status or 'error'} {type(error).__name__}"
    again = not isinstance(status, int) or status in AGAIN or status >= 500
    billed = refusal is None and (not isinstance(status, int) or status >= 500)
    wait_s = _retry_after(refusal.response.headers if refusal else getattr(error, "litellm_response_headers", None))
    if wait_s is not None and wait_s > LONGEST_WAIT_S:
        reason, again = f"{reason}, to be asked again after more than {LONGEST_WAIT_S} s", False
    return Failed(reason, detail, again=again, wait_s=wait_s, usage=usage, billed=billed)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it came from, nearest first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [getattr(one, "original_exception", None), one.__cause__, one.__context__]


def _retry_after(headers: Mapping[str, str] | None) -> float | None:
    """Return the seconds of a Retry-After header, which may be a number or a date."""
    given = (headers or {}).get("retry-after", "")
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def without_secrets(text: str, key: str | None = None) -> str:
    """Return a text without the key of the call and the values of the environment variables that hold keys."""
    secrets = [value for name, value in os.environ.items() if len(value) >= 8 and _SECRET.search(name)]
    for secret in sorted((*secrets, key or ""), key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text
