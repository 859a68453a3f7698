"""Answers requests from a loaded bundle: pure, no HTTP, used by the service and by the offline command alike."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uuid_utils
from pydantic import BaseModel, ValidationError

from contract.bundle import Neighbourhood
from contract.errors import InvalidRequest
from contract.explain import effects, neighbours
from contract.model_families import ModelFamilies, expressed, load_model_families
from contract.policy import Caps, decide
from contract.profiles import default_name
from contract.prompt import Prompt
from contract.records import Arm
from contract.scorer import Scorer
from contract.wording import no_constant
from serving.schemas import Answer, Expected, ModelInfo, PredictRequest, Probabilities

T = TypeVar("T", bound=BaseModel)

MAX_DEPTH = 64
"""Nesting of a JSON body; beyond it a body is refused before it is parsed."""


class Router:
    """Turns requests into answers; safe to call from several threads."""

    def __init__(self, scorer: Scorer, families: ModelFamilies | None = None) -> None:
        """Take a loaded bundle and what is known of models; the shipped and the operator's families where not given.

        Raises:
            InvalidInput: the file of families that THINKWORTH_MODELS names is wrong.
        """
        self.scorer = scorer
        self.families = families or load_model_families()
        self.manifest = scorer.manifest

    def answer(self, request: PredictRequest) -> Answer:
        """Answer one request; it never depends on what else is in flight.

        Raises:
            InvalidRequest: the prompt, the messages or the profile cannot be answered.
        """
        prompt, name = prompt_of(request), self._profile(request.profile)
        scored = self.scorer.score(prompt, request.model)
        family = self.families.of(request.model) if request.model else None
        caps = Caps(
            max_thinking_tokens=request.max_thinking_tokens,
            max_output_tokens=request.max_output_tokens,
            max_latency_s=None if request.max_latency_ms is None else request.max_latency_ms / 1000,
            tokens_per_second=family.output_tokens_per_second if family else None,
        )
        decision = decide(scored.scores, self.manifest.profiles[name], self.manifest.calibration, caps)
        decision, enforced = expressed(decision, family)
        use, maybe, avoid = scored.scores.probabilities[name]
        reasons = list(decision.reasons)
        if decision.familiarity >= self.manifest.calibration.unfamiliar_below:
            reasons += [effect.text() for effect in effects(self.scorer, *scored.inputs)]
        if prompt.attachments:
            reasons.append(f"not read, being no text: images, files or the like ({prompt.attachments})")
        if request.model is not None and not scored.model_known:
            reasons.append("no log is of this model: what is known of all models stands for it")
        return Answer(
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
            profile=name,
            reasons=reasons,
            arm=decision.arm.value,
            p_reasoning=float(decision.arm is Arm.REASONING),
            enforced=enforced,
            neighbours=list(map(_neighbour, neighbours(self.scorer, scored.cosines))) if request.explain else None,
            revision=self.manifest.revision,
        )

    def answer_nth(self, index: int, request: PredictRequest) -> Answer:
        """Answer one request of a batch, as `answer` does; an error names its place in the batch."""
        with place(index):
            return self.answer(request)

    def info(self) -> ModelInfo:
        """Describe the served bundle."""
        m = self.manifest
        return ModelInfo(
            revision=m.revision, created=m.created, format_version=m.format_version, encoder=m.encoder.model_dump(),
            profiles={name: profile.model_dump() for name, profile in m.profiles.items()}, metrics=m.metrics,
            training_data_digest=m.training.get("data_digest"), training=m.training, licences=m.licences, models=list(m.models),
            tasks=list(m.tasks),
        )  # fmt: skip

    def _profile(self, name: str | None) -> str:
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


@contextmanager
def place(index: int) -> Iterator[None]:
    """Put the place of a request of a batch before the field of its error, such as requests.2.prompt."""
    try:
        yield
    except InvalidRequest as error:
        error.field = ".".join(filter(None, ("requests", str(index), error.field)))
        raise


def prompt_of(request: PredictRequest) -> Prompt:
    """Return the prompt of a request.

    Raises:
        InvalidRequest: both or neither of prompt and messages, or one that holds no prompt.
    """
    if (request.prompt is None) == (request.messages is None):
        given = "neither" if request.prompt is None else "both"
        raise InvalidRequest(
            f"{given} of prompt and messages given; send one of them", type="prompt_or_messages", field="prompt"
        )
    tools = len(request.tools or ())
    if request.prompt is not None:
        return Prompt.from_text(request.prompt, tools=tools)
    return Prompt.from_messages(request.messages or (), tools=tools)


def parse(model: type[T], raw: bytes) -> T:
    """Return a request from a JSON body.

    Raises:
        InvalidRequest: not JSON, too deep, an unknown key, a wrong type or a number out of range; never with the input.
    """
    raw = well_formed(raw)
    if _depth(raw) > MAX_DEPTH:
        raise InvalidRequest(
            f"the body nests deeper than {MAX_DEPTH} levels; flatten it", type="too_deep", limit=MAX_DEPTH
        )
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=no_constant)  # of bytes it would guess UTF-16 too
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the body is not JSON in UTF-8; send a JSON object", type="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidRequest('the body is no JSON object; send {"prompt": ...}', type="invalid_json")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise from_validation(error, model) from None


def well_formed(raw: bytes) -> bytes:
    """Return a JSON body without a byte order mark, and with question marks for lone surrogates.

    They are no text, and stricter parsers refuse them.
    """
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return raw
    try:
        return json.dumps(json.loads(raw.decode("utf-8")), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return raw  # no JSON: the parser says so


def from_validation(error: ValidationError, model: type[BaseModel]) -> InvalidRequest:
    """Return the first broken rule in our shape; pydantic's own message would repeat the input."""
    first = error.errors(include_input=False, include_url=False)[0]
    kind, context = first["type"], first.get("ctx", {})
    field = ".".join(map(str, first["loc"])) or None
    if kind == "extra_forbidden":
        nested = PredictRequest if "requests" in first["loc"] else model
        known = list(nested.model_fields)
        parent = ".".join(map(str, first["loc"][:-1])) or None
        return InvalidRequest(
            f"unknown key; known ones: {', '.join(known)}",
            type="unknown_key",
            field=_short(field) or parent,
            limit=known,
        )
    limit: Any = next(
        (context[k] for k in ("ge", "le", "gt", "lt", "max_length", "min_length", "expected") if k in context), None
    )
    field = _short(field)
    if kind == "literal_error" and first["loc"][-1] == "provider":
        return InvalidRequest(f"provider is not one of {limit}", type="unknown_provider", field=field, limit=limit)
    names = {
        "greater_than_equal", "less_than_equal", "too_long", "too_short", "string_too_long", "string_too_short", "finite_number",
    }  # fmt: skip
    if kind in names:
        return InvalidRequest(f"{field}: {first['msg']}", type="out_of_range", field=field, limit=limit)
    if kind == "missing":
        return InvalidRequest(f"{field} is missing", type="missing_key", field=field)
    return InvalidRequest(f"{field}: {first['msg']}", type="wrong_type", field=field, limit=limit)


def _short(field: str | None) -> str | None:
    """A key may be a prompt in the wrong place: long ones are cut."""
    return field if field is None or len(field) <= 60 else f"{field[:20]}…"


def _depth(raw: bytes) -> int:
    """Return how deep brackets nest outside strings, stopping one past the limit."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            in_string = escaped or byte != 0x22
            escaped = not escaped and byte == 0x5C
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            deepest = max(deepest, depth)
            if deepest > MAX_DEPTH:
                break
        elif byte in (0x5D, 0x7D):
            depth -= 1
    return deepest
