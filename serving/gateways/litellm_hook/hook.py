"""The callback itself: LiteLLM calls it before a request, before each attempt at a deployment, and when an answer is there."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

from .aside import Aside
from .asking import max_output_tokens, request_of
from .breaker import Breaker
from .deployments import Deployments
from .guarded import Guarded
from .outbox import Outbox
from .pending import Pending, Pendings
from .refusals import Refusals
from .settings import settings_of
from .telling import metadata_of, outcome_of
from .thinking import parameters_of, said
from .wire import Predictor, Service

CALL_TYPES = ("acompletion", "completion")
"""Chat completions. Other routes take thinking in other words, and are left as they are."""

HEADERS = ("decision_id", "verdict", "arm")

logger = logging.getLogger("thinkworth.litellm")


class ThinkworthHook(CustomLogger):  # type: ignore[misc]  # LiteLLM has no types
    """Asks thinkworth before each chat completion, sets the thinking that it answers, and tells it what came of that.

    Whatever thinkworth does, the request goes on: without an answer it goes on as the caller sent it. LiteLLM looks for
    `async_pre_call_hook` in the class of the instance itself: a subclass must define it, and call this one.

    Attributes:
        settings: see `HookSettings`.
        counts: what happened since the start, by word: `answered`, `away` (asked, no usable answer), `skipped` (the breaker was open),
            `declined`, `overridden` (answers for which the parameters of the caller or of the deployment's config stayed), `unable` (the deployment would refuse what was set, by itself or
            beside the caller's other parameters), `failures` of providers, `outcomes_told`, `outcomes_dropped`, `outcomes_declined`,
            `posts_failed`, `cached`, `undecidable` and `disconnected` (nothing told), `errors` (a bug of ours, passed over).
    """

    def __init__(self, *, predictor: Predictor | None = None, **settings: Any) -> None:
        """Take settings by the names of `HookSettings`, and what to ask instead of a service over HTTP, if anything.

        Raises:
            ValueError: a setting is unknown or cannot be meant.
        """
        super().__init__()
        self.settings = s = settings_of(settings)
        self.counts: Counter[str] = Counter()
        self._service = Service(s.url, api_key=s.api_key, timeout_s=s.timeout_s)
        asked = predictor or self._service
        self.breaker = Breaker(failures=s.breaker_failures, cooldown_s=s.breaker_cooldown_s)
        self._aside = Aside()
        self._guarded = Guarded(asked, self.breaker, self.counts, aside=self._aside, timeout_s=s.timeout_s)
        self.outbox = Outbox(
            asked.outcomes, limit=s.max_waiting, linger_s=s.linger_s, pause_s=max(s.breaker_cooldown_s, 0.1), timeout_s=s.tell_timeout_s,
            counts=self.counts, aside=self._aside,
        )  # fmt: skip
        self._deployments, self._refusals, self._pendings = Deployments(s.models), Refusals(), Pendings()

    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: str
    ) -> dict[str, Any]:
        """Return the request with the decision in its metadata; each attempt is told it where its deployment is known."""
        try:
            only = self.settings.only
            if call_type in CALL_TYPES and (only is None or data.get("model") in only):
                return await self._decided(data)
        except Exception as error:
            self._met(error)
        return data

    async def async_pre_call_deployment_hook(self, kwargs: dict[str, Any], call_type: Any) -> dict[str, Any] | None:
        """Return the attempt with the thinking of the decision, as far as its deployment takes that; None: as it is."""
        try:
            pending = self._pendings.of(kwargs)
            fitted, left_out = pending.fitted(kwargs, self._refusals) if pending else (None, False)
        except Exception as error:
            self._met(error)
            return None
        self.counts["unable"] += left_out
        return fitted

    async def async_log_success_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Tell what came of a decision, later and beside the traffic."""
        try:
            log = kwargs.get("standard_logging_object")
            pending = self._pendings.of(kwargs, last=True) if isinstance(log, Mapping) else None
            if pending is not None:
                self._tell(pending, log, response_obj, metadata_of(kwargs))
        except Exception as error:
            self._met(error)

    async def async_log_failure_event(self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any) -> None:
        """Note a failure. Nothing is told: no answer came, so there is neither a score nor a count of tokens to learn from."""
        try:
            self.counts["failures"] += 1
            pending = self._pendings.of(kwargs)
            if pending is None or pending.key is None or getattr(kwargs.get("exception"), "status_code", None) != 400:
                return
            if self._refusals.refused(pending.key):
                logger.warning("%s refused requests with %s: it is not set for a while", *pending.key)
        except Exception as error:
            self._met(error)

    async def async_post_call_response_headers_hook(
        self, data: dict[str, Any], user_api_key_dict: Any, response: Any, request_headers: Any = None,
        litellm_call_info: Any = None,
    ) -> dict[str, str] | None:  # fmt: skip
        """Return headers that name the decision."""
        try:
            marks = metadata_of(data).get("thinkworth") if self.settings.response_headers else None
            if isinstance(marks, Mapping) and all(name in marks for name in HEADERS):
                return {f"x-thinkworth-{name.replace('_', '-')}": str(marks[name]) for name in HEADERS}
        except Exception as error:
            self._met(error)
        return None

    async def close(self, seconds: float = 5.0) -> None:
        """Post what waits, so long at most, and close connections; for programs that end."""
        await self.outbox.drained(seconds)
        if self._aside.running:
            await self._aside.run(self._service.close(), seconds)
        self._aside.close()

    async def _decided(self, data: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(data.get("metadata"), dict):
            data["metadata"] = {}
        metadata = data["metadata"]  # written into, never replaced: the proxy holds it too
        _forget_forged(metadata)
        model = self._deployments.model_of(str(data.get("model") or ""))
        body = request_of(data, model=model, settings=self.settings)
        decision = await self._guarded.decision(body) if body is not None else None
        if decision is None:
            return data
        override = self.settings.override_caller
        put = parameters_of(decision, say=self.settings.say, max_output_tokens=max_output_tokens(data))
        metadata["thinkworth"] = marks = decision.marks()
        spend = metadata.get("spend_logs_metadata") or {}
        if isinstance(spend, dict):  # all else of metadata that LiteLLM does not know is not written to the spend log
            metadata["spend_logs_metadata"] = {**spend, "thinkworth": marks}
        name = str(data.get("model") or "")
        self._pendings.add(Pending(decision, put, said(data), name=name, model=model, override=override))
        return data

    def _tell(self, pending: Pending, log: Mapping[str, Any], response: Any, metadata: Mapping[str, Any]) -> None:
        if pending.key is not None:
            self._refusals.answered(pending.key)
        self.counts["overridden"] += not pending.obeyed
        if not self.settings.tell:
            return
        if metadata.get("client_disconnected"):
            self.counts["disconnected"] += 1  # what the provider went on to bill is not known
            return
        outcome = outcome_of(
            log, response, decision_id=pending.decision.decision_id, arm=pending.decision.arm, meant=pending.meant()
        )
        if isinstance(outcome, str):
            self.counts[outcome] += 1
            return
        if not pending.obeyed or pending.clash or metadata.get("attempted_fallbacks"):
            outcome["overridden"] = True  # of a fallback: the decision was about another model
        self.outbox.put(outcome)

    def _met(self, error: Exception) -> None:
        """Note a bug of ours; the text of an exception may hold a prompt, so only its class is logged, and once."""
        self.counts["errors"] += 1
        if self.counts["errors"] == 1:
            logger.warning("%s in the hook: the request goes on. Later errors are only counted", type(error).__name__)


def _forget_forged(metadata: dict[str, Any]) -> None:
    """Drop what a caller wrote where decisions stand: an outcome would be told of another's."""
    metadata.pop("thinkworth", None)
    spend = metadata.get("spend_logs_metadata")
    if isinstance(spend, dict) and "thinkworth" in spend:
        metadata["spend_logs_metadata"] = {name: value for name, value in spend.items() if name != "thinkworth"}
