"""Portkey's webhook guardrail: it sends each request before the model gets it, and is sent it back with thinking set.

thinkworth guards nothing: its `verdict` is always true. Whatever goes wrong here, the request goes on as it was.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InvalidRequest, ThinkworthError
from serving.gateways.thinking import merged, refused_beside, sets_thinking
from serving.parsing import read_object
from serving.schemas import Answer, PredictRequest

PROFILE_HEADER, PROVIDER_HEADER = "x-thinkworth-profile", "x-portkey-provider"

BEFORE = "beforeRequestHook"
"""The event in which a request can still be changed."""

PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic", "azure-openai": "openai", "dashscope": "dashscope", "deepseek": "deepseek", "openai": "openai",
    "openrouter": "openrouter",
}  # fmt: skip
"""Portkey's providers whose chat body takes the parameters of a dialect of ours as they are, and that dialect."""

NOT_LET_IN = (401, 403, 404, 405)
"""Errors of the set-up, which Portkey's log should show; Portkey itself lets the request pass at these too."""

MOST_TOKENS = ("max_completion_tokens", "max_tokens", "max_output_tokens")


class Webhook(NamedTuple):
    """What Portkey sent.

    Attributes:
        json: the body that the model would get; None where it cannot be read or this is not the time to change it.
        request: what is asked of thinkworth; None where nothing is.
        why: what keeps the body as it is; None where nothing does yet.
        refuses: key of the body that keeps it as it is where thinking is to be switched on; None: there is none.
    """

    json: dict[str, Any] | None
    request: PredictRequest | None
    why: str | None
    refuses: str | None = None

    @property
    def obeys(self) -> bool:
        """Whether either arm can be put in: an arm is drawn at random only where it is the one that is used."""
        return self.why is None and self.refuses is None


class PortkeyWebhook(BaseModel):
    """What Portkey sends, for /docs.json; `read` takes anything."""

    model_config = ConfigDict(extra="allow", frozen=True)

    request: dict[str, Any] = Field(description="`json` is the body that the model would get")
    provider: str | None = None
    requestType: str | None = None  # Portkey's name
    metadata: dict[str, Any] | None = None
    eventType: str = BEFORE  # Portkey's name


class PortkeyReply(BaseModel):
    """What Portkey is answered; `transformedData` is left out where the request goes on as it was."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: bool = True
    data: dict[str, Any]
    transformedData: dict[str, Any] | None = None  # Portkey's name


def read(raw: bytes, headers: Mapping[str, str], request_id: str | None = None) -> Webhook:
    """Return what a webhook's body asks; it never raises."""
    try:
        return _read(read_object(raw), headers, request_id)
    except ThinkworthError as error:
        return Webhook(None, None, error.message)
    except ValidationError as error:
        return Webhook(None, None, f"the request cannot be asked about: {'.'.join(map(str, error.errors()[0]['loc']))}")


def reply(webhook: Webhook, answer: Answer) -> PortkeyReply:
    """Return the request with the parameters of the decision, or why it goes on as it was."""
    told = {
        name: getattr(answer, name)
        for name in ("decision_id", "verdict", "arm", "thinking_budget", "effort", "revision")
    }
    why = webhook.why or _not_put_in(answer, webhook.refuses)
    if why is not None or webhook.json is None or answer.params is None:
        return PortkeyReply(data={**told, "applied": False, "why": why})
    changed = {"request": {"json": merged(webhook.json, answer.params)}}
    return PortkeyReply(data={**told, "applied": True, "why": None}, transformedData=changed)


def untouched(why: str) -> PortkeyReply:
    """Return that a request goes on as it was, without a decision."""
    return PortkeyReply(data={"applied": False, "why": why})


def error_of(error: ThinkworthError) -> dict[str, Any]:
    """Return the body of an error: the request goes on as it was, but where the set-up is wrong, which is said."""
    return error.body() if error.status in NOT_LET_IN else untouched(error.message).model_dump()


def status_of(error: ThinkworthError) -> int:
    """Return the number of an error."""
    return error.status if error.status in NOT_LET_IN else 200


def _not_put_in(answer: Answer, refuses: str | None) -> str | None:
    if answer.params is None:
        return "no parameters are known for this provider and model"
    if answer.params and answer.arm == "reasoning" and refuses:
        return f"the provider refuses the request's {refuses} beside thinking"
    return None if answer.params else "the provider's default is what the decision asks for"


def _read(value: Mapping[str, Any], headers: Mapping[str, str], request_id: str | None) -> Webhook:
    body = value.get("request", {}).get("json") if isinstance(value.get("request"), dict) else None
    if value.get("eventType", BEFORE) != BEFORE:
        return Webhook(None, None, "this is not the hook before the request")
    if not isinstance(body, dict):
        raise InvalidRequest("request.json is no object")
    metadata = value.get("metadata")
    named = request_id or (metadata.get("request_id") if isinstance(metadata, dict) else None)
    provider = headers.get(PROVIDER_HEADER) or value.get("provider")
    dialect = "anthropic" if value.get("requestType") == "messages" else PROVIDERS.get(str(provider))
    model, most = body.get("model"), next((body[key] for key in MOST_TOKENS if _is_count(body.get(key))), None)
    request = PredictRequest.model_validate({
        **_prompt(body), "model": model if isinstance(model, str) and 0 < len(model) <= 200 else None, "provider": dialect,
        "profile": headers.get(PROFILE_HEADER), "tools": tools if isinstance(tools := body.get("tools"), list) else None, "max_output_tokens": most,
        "request_id": named if isinstance(named, str) and len(named) <= 200 else None,
    })  # fmt: skip
    return Webhook(body, request, _why_untouched(body, dialect), refused_beside(body, dialect))


def _why_untouched(body: Mapping[str, Any], dialect: str | None) -> str | None:
    if sets_thinking(body):
        return "the caller set thinking itself"
    return "the parameters of this provider are not known" if dialect is None else None


def _prompt(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prompt or the messages of a body, the system prompt of Anthropic's shape among these."""
    messages, system, prompt = body.get("messages"), body.get("system"), body.get("prompt")
    if messages is None:
        return {"prompt": prompt[0] if isinstance(prompt, list) and len(prompt) == 1 else prompt}
    return {
        "messages": [{"role": "system", "content": system}, *messages]
        if system and isinstance(messages, list)
        else messages
    }


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 1_000_000
