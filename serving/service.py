"""The BentoML service: thin, the answers come from `serving.router`, the record is kept by `serving.recorder`."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import bentoml
from sqlalchemy import Engine

from contract.bundle import in_use
from contract.encoder import cores
from contract.errors import RecordingOff
from contract.prompt import Prompt
from contract.scorer import Scorer
from contract.settings import load_settings
from contract.store.opening import open_store
from serving.admission import Admission
from serving.boundary import PAGE, Boundary
from serving.cache import Reading
from serving.gateways import portkey
from serving.metrics import Metrics
from serving.openapi import Document, document
from serving.page.app import audit_app
from serving.record import Keeper, bundle_record, outcome_record
from serving.recorder import Recorder
from serving.router import Decided, Router, place, prompt_of
from serving.routes import Call, Reply
from serving.schemas import (
    Answer,
    BatchAnswer,
    BatchRequest,
    ModelInfo,
    OutcomesAnswer,
    OutcomesRequest,
    OutcomeTold,
    PredictRequest,
)  # fmt: skip
from serving.systemone import protocol
from serving.systemone.schemas import Models, SystemOneAnswer, SystemOneRequest


@bentoml.service(
    name="thinkworth",
    traffic={"timeout": 30},  # of last resort: the queue of serving.admission ends long before
    logging={"access": {"enabled": False}},  # an access line costs a third of a request, and may hold a query
)
class Thinkworth:
    """Is thinking worth its tokens on this prompt? use, maybe or avoid, and a thinking budget."""

    def __init__(self) -> None:
        settings = load_settings()
        self.router = Router(
            Scorer.load(in_use(Path(settings.bundle) if settings.bundle else None)),
            exploration=settings.exploration,
            remembers=settings.remembered_prompts,
        )
        self.admission = Admission(cores(), settings.queue)
        self.router.read(Prompt.from_text("What is 1 + 1?"), None)  # warm: the first call of a graph is its slowest
        self.keeper = self.recorder = None
        if settings.durability != "off":
            self.metrics = Metrics()
            self.keeper, self.recorder = Keeper(settings), Recorder(settings, count=self.metrics.count)
            self.recorder.submit([bundle_record(self.router.manifest)])

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what waits."""
        self.admission.close()
        if self.recorder:
            self.recorder.close()

    # What HTTP reaches, through serving.boundary

    async def answer(self, request: PredictRequest, call: Call, router: Router | None = None) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, by another router than the served one where one is given."""
        asked = self._asked(request, router or self.router)
        reading = asked.known
        if reading is None:
            reading = await self.admission.run(self._reader(asked), call.deadline)
        decided = self._decided(asked, reading)
        if self.recorder and self.keeper:
            await self.recorder.record(self.keeper.records(request, decided))
        return decided.answer

    async def answer_batch(self, batch: BatchRequest, call: Call) -> BatchAnswer:
        """Answer several requests, in order; each as `answer` would."""
        asked = []
        for i, request in enumerate(batch.requests):
            with place(i):
                asked.append(self._asked(request, self.router))
        unread = [one for one in asked if one.known is None]
        read = iter(
            await self.admission.run_all([self._reader(one) for one in unread], call.deadline) if unread else ()
        )
        decided = [self._decided(one, one.known or next(read)) for one in asked]
        if self.recorder and self.keeper:
            pairs = zip(batch.requests, decided, strict=True)
            await self.recorder.record([record for pair in pairs for record in self.keeper.records(*pair)])
        return BatchAnswer(answers=[one.answer for one in decided])

    async def take_outcomes(self, request: OutcomesRequest, _: Call) -> OutcomesAnswer:
        """Take what came of decisions."""
        if self.recorder is None:
            raise RecordingOff("durability is off: nothing is recorded; set it to sync or async")
        told = await self.recorder.outcomes([outcome_record(outcome) for outcome in request.outcomes])
        if told is None:
            answers = [
                OutcomeTold(decision_id=outcome.decision_id, status="waiting", late=None, candidates=0)
                for outcome in request.outcomes
            ]
        else:
            answers = [OutcomeTold(**one._asdict()) for one in told]
        counts = Counter[str](answer.status for answer in answers)
        for status, n in counts.items():
            self.metrics.outcomes(status, n)
        return OutcomesAnswer(outcomes=answers, counts=counts)

    async def describe(self, _: None, __: Call) -> ModelInfo:
        """Describe the served bundle."""
        return self.router.info()

    async def answer_systemone(self, body: SystemOneRequest, call: Call) -> Reply:
        """Answer a gateway's questions about a prompt; it chooses the arm itself, so none is drawn."""
        router = self.router.unexplored()
        request = protocol.request_of(body, router.manifest.profiles, protocol.request_id_of(call.texts()))
        answer = await self.answer(request, call, router)
        read = len(router.scorer.encoder.window(prompt_of(request).whole)[0])
        return Reply(protocol.answer_of(body, answer, read), {protocol.DECISION_HEADER: answer.decision_id})

    async def list_models(self, _: None, __: Call) -> Models:
        """List what System One's `model` may be."""
        return protocol.models_of(self.router.info())

    async def document(self, _: None, __: Call) -> Document:
        """Describe the routes in OpenAPI."""
        return document(Thinkworth)

    async def answer_portkey(self, raw: bytes, call: Call) -> portkey.PortkeyReply:
        """Give Portkey back the request that it sent, with thinking set; whatever goes wrong, it goes on as it was."""
        headers = call.texts()
        webhook = portkey.read(raw, headers, protocol.request_id_of(headers))
        if webhook.request is None:
            return portkey.untouched(webhook.why or "nothing is asked")
        return portkey.reply(webhook, await self.answer(webhook.request, call))

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: which bundle answers, and how its record is doing."""
        recording = self.recorder.state() if self.recorder else {"durability": "off"}
        return {
            "ready": True,
            "revision": self.router.manifest.revision,
            "recording": recording,
            "queue": self.admission.state(),
        }

    # The same for OpenAPI and for BentoML's clients

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, and how much of it to allow."""
        return await self.answer(request, Call())

    @bentoml.api(route="/predict_batch")  # type: ignore[untyped-decorator]
    async def predict_batch(self, batch: BatchRequest, /) -> BatchAnswer:
        """Answer several requests, in order; each as /predict would."""
        return await self.answer_batch(batch, Call())

    @bentoml.api(route="/outcomes")  # type: ignore[untyped-decorator]
    async def outcomes(self, request: OutcomesRequest, /) -> OutcomesAnswer:
        """Take what came of decisions: the arm that was used, its score, tokens, time and cost. One outcome, or a list of them."""
        return await self.take_outcomes(request, Call())

    @bentoml.api(route="/model")  # type: ignore[untyped-decorator]
    async def model(self) -> ModelInfo:
        """Describe the served bundle: revision, metrics, training data digest, profiles."""
        return await self.describe(None, Call())

    @bentoml.api(route="/v1/systemone")  # type: ignore[untyped-decorator]
    async def systemone(self, body: SystemOneRequest, /) -> SystemOneAnswer:
        """Answer a gateway's typed questions: is thinking worth its tokens on the prompt that it is about to send?"""
        return (await self.answer_systemone(body, Call())).body  # type: ignore[return-value]

    @bentoml.api(route="/v1/models")  # type: ignore[untyped-decorator]
    async def models(self) -> Models:
        """List what System One's `model` may be: one name a profile."""
        return await self.list_models(None, Call())

    @bentoml.api(route="/gateways/portkey")  # type: ignore[untyped-decorator]
    async def before_request(self, webhook: portkey.PortkeyWebhook, /) -> portkey.PortkeyReply:
        """Portkey's webhook guardrail before a request: it is given back with thinking set, and always let pass."""
        return await self.answer_portkey(webhook.model_dump_json().encode(), Call())

    def _asked(self, request: PredictRequest, router: Router) -> "_Asked":
        """Return what can be said of a request before any graph is called.

        Raises:
            InvalidRequest: the prompt, the messages or the profile cannot be answered.
        """
        prompt = prompt_of(request)
        router.profile(request.profile)
        return _Asked(router, request, prompt, router.recall(prompt, request.model))

    def _reader(self, asked: "_Asked") -> Callable[[], Reading]:
        """Return the work of a thread."""

        def read() -> Reading:
            if self.keeper:
                self.keeper.language(asked.prompt)  # remembered there; its text is not looked at on the event loop
            return asked.router.read(asked.prompt, asked.request.model)

        return read

    def _decided(self, asked: "_Asked", reading: Reading) -> Decided:
        return asked.router.decide_on(asked.request, asked.prompt, reading)


class _Asked(NamedTuple):
    """A request and the router that answers it from start to end, though another takes its place meanwhile."""

    router: Router
    request: PredictRequest
    prompt: Prompt
    known: Reading | None


@cache
def _engine() -> Engine:
    """Return what the page reads the store through, also where nothing is recorded any more."""
    return open_store(load_settings().store_address)


Thinkworth.mount_asgi_app(audit_app(_engine), path=PAGE)  # type: ignore[attr-defined]
Thinkworth.add_asgi_middleware(Boundary, service=bentoml.get_current_service)  # type: ignore[attr-defined]
