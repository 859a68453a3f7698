"""Answers requests from a loaded bundle: pure, no HTTP, used by the service and by the offline command alike.

An answer takes two steps: a *reading*, which costs calls of the graphs and depends on prompt and target model alone, and a decision,
which is policy: microseconds. A service remembers readings and keeps the first step off its event loop.
"""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from random import SystemRandom
from typing import Any, NamedTuple

import uuid_utils

from contract.bundle import Neighbourhood
from contract.cache_charge import CacheCharge
from contract.caps import Caps
from contract.controls import Controls, load_controls
from contract.errors import InvalidRequest
from contract.explain import effects, neighbours
from contract.model_families import ModelFamilies, load_model_families
from contract.policy import Decision, decide
from contract.profiles import default_name
from contract.prompt import Prompt
from contract.records import Arm
from contract.scorer import Scored, Scorer
from contract.settings import Exploration
from serving.asked import Terms, prompt_of
from serving.cache import Reading, Readings, key_of
from serving.conversations import Conversations
from serving.dialects.requests import both_arms, carried_out, of_request
from serving.exploration import LeftOut, draw, left_out_because
from serving.schemas import Answer, Expected, ModelInfo, PredictRequest, Probabilities


class Decided(NamedTuple):
    """An answer and what is behind it.

    Attributes:
        answer: as it is sent.
        policy: the decision before exploration.
        prompt: of the request.
        scored: what the heads say of it.
        not_explored: why exploration left the request out; None where it did not, or where it is off.
        encoder: the SHA-256 of the encoder.
        charge: what thinking is charged for the provider's prompt cache.
        last_arm: of the conversation, before this turn; None: not known.
    """

    answer: Answer
    policy: Decision
    prompt: Prompt
    scored: Scored
    not_explored: LeftOut | None
    encoder: str
    charge: CacheCharge
    last_arm: Arm | None


class Router:
    """Turns requests into answers; safe to call from several threads."""

    def __init__(
        self,
        scorer: Scorer,
        families: ModelFamilies | None = None,
        *,
        controls: Controls | None = None,
        exploration: Exploration | None = None,
        random: Callable[[], float] | None = None,
        conversations: Conversations | None = None,
        remembers: int = 0,
    ) -> None:
        """Take a loaded bundle and what is known of models; the shipped and the operator's families where not given.

        Args:
            scorer: of the bundle.
            families: of target models.
            controls: what models accept to steer their thinking; the shipped and the operator's where not given.
            exploration: shares of requests whose arm is drawn; none where not given.
            random: gives the uniform numbers in [0, 1) that they are drawn by; the system's where not given.
            conversations: remembers the arms of last turns; none are where not given.
            remembers: readings of prompts that are remembered.

        Raises:
            InvalidInput: the file of families that THINKWORTH_MODELS names, or that of the setting dialects, is wrong.
        """
        self.scorer = scorer
        self.exploration, self.random = exploration or Exploration(), random or SystemRandom().random
        self.families = families or load_model_families()
        self.controls = controls or load_controls()
        self.conversations = conversations or Conversations(0, 1.0)
        self.manifest = scorer.manifest
        self.readings = Readings(remembers)

    def answer(self, request: PredictRequest) -> Answer:
        """Answer one request; it never depends on what else is in flight.

        Raises:
            InvalidRequest: the prompt, the messages or the profile cannot be answered.
        """
        return self.decide(request).answer

    def decide(self, request: PredictRequest) -> Decided:
        """Answer one request, and tell what is behind the answer; raises what `answer` does."""
        prompt = prompt_of(request)
        return self.decide_on(request, prompt, self.read(prompt, request.model))

    def unexplored(self) -> "Router":
        """Return a router that answers the same and draws no arm: for callers who are told a verdict, and choose the arm themselves."""
        other = copy(self)
        other.exploration = Exploration()
        return other

    def recall(self, prompt: Prompt, model: str | None) -> Reading | None:
        """Return what is remembered of a prompt for a target model, None where it has to be read."""
        return self.readings.get(key_of(prompt, model))

    def read(self, prompt: Prompt, model: str | None, encoded: Callable[[], None] | None = None) -> Reading:
        """Return what the graphs say of a prompt for a target model, and remember it; `encoded` is called between encoder and heads."""
        scored = self.scorer.score(prompt, model, encoded=encoded)
        found = tuple(effects(self.manifest, scored.inputs[1], scored.gains))
        reading = Reading(scored._replace(gains=()), found, prompt.attachments)  # a sixth of what is remembered
        self.readings.put(key_of(prompt, model), reading)
        return reading

    def decide_on(self, request: PredictRequest, prompt: Prompt, reading: Reading) -> Decided:
        """Answer one request by the reading of its prompt, and tell what is behind the answer.

        Raises:
            InvalidRequest: the profile is unknown.
        """
        scored, last_arm = reading.scored, self.conversations.last_arm(request.conversation_id, request.model)
        terms = self._terms(request, prompt, last_arm)
        family, caps, charge = terms.family, terms.caps, terms.charge
        policy, enforced = self._carried_out(terms, scored, caps, charge)
        rate = self.exploration.of(policy.verdict.value)
        left_out = self._left_out(terms, policy, scored, caps, charge) if rate else None
        decision, p_reasoning, _ = draw(policy, rate, left_out, self.random)
        told = of_request(request, self.controls, terms.profile, caps, decision.arm, decision.thinking_budget)
        use, maybe, avoid = scored.scores.probabilities[terms.name]
        answer = Answer(
            decision_id=str(uuid_utils.uuid7()),
            request_id=request.request_id,
            verdict=decision.verdict.value,
            thinking_budget=decision.thinking_budget,
            effort=decision.effort,
            probabilities=Probabilities(use=use, maybe=maybe, avoid=avoid),
            expected=Expected(
                gain=decision.gain,
                extra_tokens=decision.extra_tokens,
                net_benefit=decision.net_benefit,
                cost_usd=family.cost_usd(decision.extra_tokens) if family else None,
                latency_s=family.latency_s(decision.extra_tokens) if family else None,
            ),
            task=scored.scores.task,
            familiarity=decision.familiarity,
            model_known=scored.model_known,
            truncated=scored.truncated,
            profile=terms.name,
            reasons=list(
                dict.fromkeys([*self._reasons(decision, reading, named=request.model is not None), *told.reasons])
            ),
            arm=decision.arm.value,
            p_reasoning=p_reasoning,
            params=told.params,
            enforced=enforced and told.enforced,
            neighbours=list(map(_neighbour, neighbours(self.manifest, scored.cosines))) if request.explain else None,
            revision=self.manifest.revision,
        )
        self.conversations.answered(
            request.conversation_id, request.model, decision.arm, decision_id=answer.decision_id, request_id=request.request_id
        )  # fmt: skip
        return Decided(answer, policy, prompt, scored, left_out, self.manifest.encoder.sha256, charge, last_arm)

    def judge(self, request: PredictRequest, prompt: Prompt, scored: Scored, last_arm: Arm | None) -> Decision:
        """Return what the policy says of a request, without exploration; nothing is remembered of it.

        Raises:
            InvalidRequest: the profile is unknown.
        """
        terms = self._terms(request, prompt, last_arm)
        return self._carried_out(terms, scored, terms.caps, terms.charge)[0]

    def _terms(self, request: PredictRequest, prompt: Prompt, last_arm: Arm | None) -> Terms:
        name = self.profile(request.profile)
        return Terms(
            request=request, prompt=prompt, name=name, profile=self.manifest.profiles[name],
            family=self.families.of(request.model) if request.model else None,
            accepts=self.controls.of(request.model, request.provider), last_arm=last_arm,
        )  # fmt: skip

    def _carried_out(self, terms: Terms, scored: Scored, caps: Caps, charge: CacheCharge) -> tuple[Decision, bool]:
        """Return what the policy says under caps, as the request's model can carry it out, and whether it can be enforced."""
        calibration = self.manifest.calibration
        decision = decide(scored.scores, terms.profile, calibration, caps, cache_charge=charge.points or 0.0)
        if charge.reason:
            decision = replace(decision, reasons=(*decision.reasons, charge.reason))
        return carried_out(terms.request, self.controls, terms.profile, caps, decision)

    def _reasons(self, decision: Decision, reading: Reading, *, named: bool) -> list[str]:
        """Return the decision's reasons, and what this prompt and, where one is named, its target model add to them."""
        reasons = list(decision.reasons)
        if decision.familiarity >= self.manifest.calibration.unfamiliar_below:
            reasons += [effect.text() for effect in reading.effects]
        if reading.attachments:
            reasons.append(f"not read, being no text: images, files or the like ({reading.attachments})")
        if named and not reading.scored.model_known:
            reasons.append("no log is of this model: what is known of all models stands for it")
        return reasons

    def _left_out(
        self, terms: Terms, policy: Decision, scored: Scored, caps: Caps, charge: CacheCharge
    ) -> LeftOut | None:
        """Return why the arm of a request is not drawn, None where it may be."""
        free, request = Caps(tokens_per_second=caps.tokens_per_second), terms.request
        without = policy if caps == free else self._carried_out(terms, scored, free, charge)[0]
        of_a_conversation = bool(request.conversation_id or request.cached_tokens)
        possible = both_arms(request, self.controls, terms.profile, caps, policy.reasoning_budget)
        return left_out_because(
            policy, without, terms.prompt, both_arms=possible, of_a_conversation=of_a_conversation,
            charged=bool(charge.points),
        )  # fmt: skip

    def info(self) -> ModelInfo:
        """Describe the served bundle."""
        m = self.manifest
        return ModelInfo(
            revision=m.revision, created=m.created, format_version=m.format_version, encoder=m.encoder.model_dump(),
            profiles={name: profile.model_dump() for name, profile in m.profiles.items()}, metrics=m.metrics,
            training_data_digest=m.training.get("data_digest"), training=m.training, licences=m.licences, models=list(m.models),
            tasks=list(m.tasks),
        )  # fmt: skip

    def profile(self, name: str | None) -> str:
        """Return the name of a request's profile, the default one where it names none.

        Raises:
            InvalidRequest: the bundle has no such profile.
        """
        name = name or default_name(self.manifest.profiles)
        if name not in self.manifest.profiles:
            known = list(self.manifest.profiles)
            raise InvalidRequest(
                f"profile is not one of {', '.join(known)}; leave it out for the default",
                type="unknown_profile",
                field="profile",
                limit=known,
            )
        return name


def _neighbour(found: tuple[Neighbourhood, float]) -> dict[str, Any]:
    neighbourhood, cosine = found
    return {**neighbourhood.model_dump(), "cosine": round(cosine, 3)}
