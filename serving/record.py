"""What is kept of a decision: the row of the store, and of its prompt only what the operator turned on."""

import hmac
import importlib
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from sys import getsizeof
from threading import Lock

import numpy as np
from cachetools import LRUCache

from contract.bundle import Manifest
from contract.errors import InvalidInput
from contract.prompt import Prompt
from contract.settings import Settings
from contract.store.outcomes import new_id
from contract.store.records import Record
from serving.language import language_of
from serving.router import Decided
from serving.schemas import Outcome, PredictRequest
from serving.secret import secret_key
from serving.waiting import Later

LANGUAGES = 4096
"""Prompts whose language is remembered."""

HELD_BYTES = 16_384
"""What a decision is taken to hold until it is recorded, beside its prompt: its answer, what the heads said, what they read."""

WITHOUT_TEXTS = {"prompt": None, "messages": None, "tools": None}
"""Of a request that is to be recorded: its texts are read off the prompt, and images and schemas would be held for nothing."""

logger = logging.getLogger("thinkworth")


class Keeper:
    """Turns decisions into records for the store.

    Raises:
        InvalidInput: the digest key cannot be read or made, or the redaction hook cannot be imported.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._key = digest_key(settings.digest_key)
        self._redact = redaction_hook(settings.redact) if settings.redact else None
        self._languages: LRUCache[str, str | None] = LRUCache(LANGUAGES)
        self._lock = Lock()
        language_of("warm")  # the first call reads the model

    def language(self, prompt: Prompt) -> str | None:
        """Return the language of a prompt's ask, remembered by the prompt's digest."""
        with self._lock:
            if prompt.digest in self._languages:
                return self._languages[prompt.digest]
        found = language_of(prompt.ask)
        with self._lock:
            self._languages[prompt.digest] = found
        return found

    @property
    def redacts(self) -> bool:
        """Whether texts go through code of the operator's, which may take long."""
        return self._redact is not None and self.settings.store_prompts == "text"

    def later(self, pairs: Sequence[tuple[PredictRequest, Decided]]) -> Later:
        """Return what is recorded of the decisions of a request, made by the thread that writes it: that takes a millisecond each."""
        now = datetime.now(UTC)
        kept = [(request.model_copy(update=WITHOUT_TEXTS), decided) for request, decided in pairs]
        texts = sum(getsizeof(turn.text) for _, decided in pairs for turn in decided.prompt.turns)
        each = 1 + (self.settings.store_prompts != "off")
        return Later(
            lambda: [one for pair in kept for one in self.records(*pair, now)],
            each * len(pairs), HELD_BYTES * len(pairs) + texts,
        )  # fmt: skip

    def records(self, request: PredictRequest, decided: Decided, now: datetime | None = None) -> list[Record]:
        """Return what is recorded of a decision that was made at a time, now where none is given."""
        now = now or datetime.now(UTC)
        rows = [Record("decisions", self._decision(request, decided, now))]
        if self.settings.store_prompts != "off":
            rows += self._prompt(decided, now)
        return rows

    def _decision(self, request: PredictRequest, decided: Decided, now: datetime) -> dict[str, object]:
        answer, decision, prompt = decided.answer, decided.policy, decided.prompt
        lower, upper = decision.gain_band
        digest = hmac.new(self._key, prompt.digest.encode(), "sha256").hexdigest()
        return {
            "decision_id": answer.decision_id, "request_id": _plain(request.request_id),
            "conversation_id": _plain(request.conversation_id), "time": now, "revision": answer.revision,
            "profile": answer.profile, "model": _plain(request.model), "model_known": answer.model_known, "task": answer.task,
            "language": self.language(prompt), "verdict": answer.verdict, "arm": answer.arm, "policy_arm": decision.arm.value,
            "p_reasoning": answer.p_reasoning, "not_explored": decided.not_explored, "thinking_budget": answer.thinking_budget,
            "reasoning_budget": decision.reasoning_budget, "effort": answer.effort, "enforced": answer.enforced,
            "truncated": answer.truncated, "familiarity": answer.familiarity, "p_use": answer.probabilities.use,
            "p_maybe": answer.probabilities.maybe, "p_avoid": answer.probabilities.avoid,
            "expected_score_direct": decided.scored.scores.score_direct, "expected_gain": answer.expected.gain,
            "expected_gain_lower": lower, "expected_gain_upper": upper, "expected_extra_tokens": answer.expected.extra_tokens,
            "expected_net_benefit": answer.expected.net_benefit, "expected_cost_usd": answer.expected.cost_usd,
            "expected_latency_s": answer.expected.latency_s, "max_thinking_tokens": request.max_thinking_tokens,
            "max_latency_ms": request.max_latency_ms, "max_output_tokens": request.max_output_tokens,
            "cached_tokens": request.cached_tokens, "cache_charge": decided.charge.points, "prompt_characters": sum(len(turn.text) for turn in prompt.turns),
            "prompt_digest": digest, "reasons": answer.reasons,
        }  # fmt: skip

    def _prompt(self, decided: Decided, now: datetime) -> list[Record]:
        prompt, scored, redact = decided.prompt, decided.scored, self._redact
        row = {"decision_id": decided.answer.decision_id, "time": now, "tools": prompt.tools}
        if redact is None:
            row["inputs"] = np.concatenate([scored.inputs[0].ravel(), scored.inputs[1].ravel()]).astype("<f4").tobytes()
            row["encoder"] = decided.encoder[:40]
        if self.settings.store_prompts == "text":
            try:
                texts = [redact(turn.text) if redact else turn.text for turn in prompt.turns]
                row["turns"] = json.dumps([[t.role, str(text)] for t, text in zip(prompt.turns, texts, strict=True)])
            except Exception as error:  # the operator's code; what it could not clean is not kept
                logger.error("redact raised %s: this prompt is not kept", type(error).__name__)
                return []
        return [Record("prompts", row)]


def bundle_record(manifest: Manifest) -> Record:
    """Return what the store keeps of a bundle that is served: what an audit prices decisions by."""
    return Record("bundles", {
        "revision": manifest.revision, "time": datetime.now(UTC),
        "profiles": {name: profile.model_dump() for name, profile in manifest.profiles.items()},
        "unfamiliar_below": manifest.calibration.unfamiliar_below, "small_budget": manifest.calibration.small_budget,
        "data_digest": manifest.training.get("data_digest"),
    })  # fmt: skip


def outcome_record(outcome: Outcome) -> Record:
    """Return what is recorded of an outcome that the service was told."""
    return Record(
        "outcomes", {**outcome.model_dump(), "outcome_id": new_id(), "source": "service", "time": datetime.now(UTC)}
    )


def digest_key(path: Path) -> bytes:
    """Return the secret key of the prompts' digests; raises what `secret_key` does."""
    return secret_key(path, "digest_key_file")


def redaction_hook(name: str) -> Callable[[str], str]:
    """Return the function `module:function` that an operator wrote.

    Raises:
        InvalidInput: it cannot be imported.
    """
    module, _, function = name.partition(":")
    try:
        hook: Callable[[str], str] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        what = f"redact {name} cannot be imported ({type(error).__name__}); put its module on PYTHONPATH"
        raise InvalidInput(what, field="redact") from error
    return hook


def _plain(text: str | None) -> str | None:
    """Return a caller's name without NUL, which PostgreSQL does not store."""
    return text.replace("\x00", "") if text else text
