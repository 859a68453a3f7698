"""The BentoML service: thin, the answers come from `serving.router`, the record is kept by `serving.recorder`."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import bentoml
from sqlalchemy import Engine

from contract.bundle import Manifest
from contract.encoder import cores
from contract.errors import RecordingOff
from contract.prompt import Prompt
from contract.records import Arm
from contract.settings import load_settings
from contract.store.opening import open_store
from serving.access.door import Door
from serving.access.heads import limit_heads
from serving.access.middleware import AtTheDoor
from serving.access.sizes import refuse_large
from serving.access.starting import refuse_open_start
from serving.admission import Admission
from serving.boundary import PAGE, Boundary
from serving.cache import Reading
from serving.challengers import load_challengers
from serving.conversations import Conversations
from serving.gateways import portkey
from serving.metrics import EXPOSITION, exposition, metrics_of_process
from serving.observing.gauges import looked_at
from serving.observing.middleware import Observed
from serving.observing.observer import Observer
from serving.observing.trail import Seen, Trail
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
    Reloaded,
    ReloadRequest,
)  # fmt: skip
from serving.shadow import Shadow
from serving.swap.holder import Served, shared_folder
from serving.systemone import protocol
from serving.systemone.schemas import Models, SystemOneAnswer, SystemOneRequest


@bentoml.service(
    name="thinkworth",
    traffic={"timeout": 30},  # of last resort: the queue of serving.admission ends long before
    logging={"access": {"enabled": False}},  # an access line costs a third of a request, and may hold a query
    metrics={"enabled": False},  # a label of theirs is any path that is asked for; ours are in serving.metrics
    tracing={"excluded_urls": ".*"},  # their span holds the query, and costs 0.4 ms also where none is sent
)
class Thinkworth:
    """Is thinking worth its tokens on this prompt? use, maybe or avoid, and a thinking budget."""

    def __init__(self) -> None:
        settings = load_settings()
        observer, self.metrics = _observer(), metrics_of_process()
        self.admission = Admission(max(cores() // settings.workers, 1), settings.queue)
        self.conversations = Conversations(settings.conversations, settings.conversation_ttl_s)
        self.keeper = self.recorder = self.shadow = None
        if settings.durability != "off":
            self.keeper, self.recorder = Keeper(settings), Recorder(settings, count=self.metrics.count)
        _door()  # wrong keys end the start
        limit_heads()
        # None: no worker of `serve`, but alone in a process, as under a test client
        of_many = bentoml.server_context.worker_index is not None
        self.served = Served(
            settings, announce=self._announce, count=self.metrics.swapped, conversations=self.conversations,
            folder=shared_folder(settings) if of_many else None,
        )  # fmt: skip
        if self.recorder and settings.shadow:
            challengers = load_challengers(settings.shadow, self.router)
            self.shadow = Shadow(challengers, self.recorder.submit, count=self.metrics.shadowed)
        observer.watch(lambda: looked_at(self.admission, self.router, self.recorder))

    @property
    def router(self) -> Router:
        """What answers now: a swap changes it between two requests, and each reads it once."""
        return self.served.router

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def refuse_open() -> None:
        """End `bentoml serve`, before it has workers, where anybody could use what it would serve."""
        refuse_open_start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what waits."""
        self.served.close()
        _door().close()
        self.admission.close()
        if self.shadow:
            self.shadow.close()
        if self.recorder:
            self.recorder.close()
        _observer().close()

    # What HTTP reaches, through serving.boundary

    async def answer(self, request: PredictRequest, call: Call, router: Router | None = None) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, by another router than the served one where one is given."""
        return (await self._decide(request, call, router or self.router)).answer

    async def _decide(self, request: PredictRequest, call: Call, router: Router) -> Decided:
        asked, trail = await call.aside(partial(self._asked, request, router)), call.trail or Trail()
        trail.note("asked")
        reading = asked.known
        if reading is None:
            reading = await self.admission.run(self._reader(asked, trail), call.deadline)
        trail.note("resumed")
        decided = self._decided(asked, reading, trail)
        trail.note("decided")
        if self.recorder and self.keeper:
            await self.recorder.record(self.keeper.records(request, decided))
            trail.note("recorded")
        if self.shadow:
            self.shadow.offer(request, decided)
        return decided

    async def answer_batch(self, batch: BatchRequest, call: Call) -> BatchAnswer:
        """Answer several requests, in order; each as `answer` would."""
        router, trail = self.router, call.trail or Trail()  # a batch is answered by one bundle
        asked = await call.aside(partial(self._all_asked, batch, router))
        unread = [one for one in asked if one.known is None]
        trail.parts = [Trail() for _ in unread]
        works = [self._reader(*pair) for pair in zip(unread, trail.parts, strict=True)]
        read = iter(await self.admission.run_all(works, call.deadline) if works else ())
        trail.note("resumed")
        decided = []
        for each in asked:
            decided.append(self._decided(each, each.known or next(read), trail))
            await asyncio.sleep(0)  # others have their turn between: 256 decisions take tens of milliseconds
        trail.note("decided")
        if self.recorder and self.keeper:
            pairs = zip(batch.requests, decided, strict=True)
            await self.recorder.record([record for pair in pairs for record in self.keeper.records(*pair)])
            trail.note("recorded")
        if self.shadow:
            for request, one in zip(batch.requests, decided, strict=True):
                self.shadow.offer(request, one)
        return BatchAnswer(answers=[one.answer for one in decided])

    async def take_outcomes(self, request: OutcomesRequest, _: Call) -> OutcomesAnswer:
        """Take what came of decisions."""
        for one in request.outcomes:
            if one.overridden:
                self.conversations.overridden(Arm(one.arm), decision_id=one.decision_id, request_id=one.request_id)
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

    async def swap(self, _: ReloadRequest, __: Call) -> Reloaded:
        """Serve what the setting `bundle` names now."""
        return Reloaded(**await asyncio.to_thread(self.served.reload))

    async def answer_systemone(self, body: SystemOneRequest, call: Call) -> Reply:
        """Answer a gateway's questions about a prompt; it chooses the arm itself, so none is drawn."""
        router, named = self.router.unexplored(), protocol.request_id_of(call.texts())
        request = await call.aside(partial(protocol.request_of, body, router.manifest.profiles, named))
        decided = await self._decide(request, call, router)
        # in a thread: of a remembered prompt the whole is looked for anew
        read = await asyncio.to_thread(lambda: len(router.scorer.encoder.window(decided.prompt.whole)[0]))
        answer = decided.answer
        return Reply(protocol.answer_of(body, answer, read), {protocol.DECISION_HEADER: answer.decision_id})

    async def list_models(self, _: None, __: Call) -> Models:
        """List what System One's `model` may be."""
        return protocol.models_of(self.router.info())

    async def answer_portkey(self, raw: bytes, call: Call) -> portkey.PortkeyReply:
        """Give Portkey back the request that it sent, with thinking set; whatever goes wrong, it goes on as it was."""
        headers = call.texts()
        webhook = await call.aside(partial(portkey.read, raw, headers, protocol.request_id_of(headers)))
        if webhook.request is None:
            return portkey.untouched(webhook.why or "nothing is asked")
        return portkey.reply(webhook, await self.answer(webhook.request, call))

    async def tell_metrics(self, _: None, __: Call) -> Reply:
        """Tell the metrics of all workers."""
        return Reply(await asyncio.to_thread(exposition), {"Content-Type": EXPOSITION})

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: which bundle answers, and how its record is doing."""
        recording = self.recorder.state() if self.recorder else {"durability": "off"}
        state = {
            "ready": True,
            "revision": self.router.manifest.revision,
            "swap": self.served.state(),
            "recording": recording,
            "queue": self.admission.state(),
            "access": _door().state(),
        }
        return state | ({"shadow": self.shadow.state()} if self.shadow else {})

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

    @bentoml.api(route="/admin/reload")  # type: ignore[untyped-decorator]
    async def reload(self, request: ReloadRequest, /) -> Reloaded:
        """Serve what the setting `bundle` names now: answers once every worker does, or once all keep what they had."""
        return await self.swap(request, Call())

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

    def _announce(self, manifest: Manifest) -> None:
        """Record a bundle before its first decision."""
        if self.recorder:
            self.recorder.submit([bundle_record(manifest)])

    def _asked(self, request: PredictRequest, router: Router) -> "_Asked":
        """Return what can be said of a request before any graph is called.

        Raises:
            InvalidRequest: the prompt, the messages or the profile cannot be answered.
        """
        prompt = prompt_of(request)
        refuse_large(request, _door().settings.limits)
        router.profile(request.profile)
        return _Asked(router, request, prompt, router.recall(prompt, request.model))

    def _all_asked(self, batch: BatchRequest, router: Router) -> "list[_Asked]":
        asked = []
        for i, request in enumerate(batch.requests):
            with place(i):
                asked.append(self._asked(request, router))
        return asked

    def _reader(self, asked: "_Asked", trail: Trail) -> Callable[[], Reading]:
        """Return the work of a thread; `trail` notes its steps."""

        def read() -> Reading:
            trail.note("begun")
            if self.keeper:
                self.keeper.language(asked.prompt)  # remembered there; its text is not looked at on the event loop
            reading = asked.router.read(asked.prompt, asked.request.model, lambda: trail.note("encoded"))
            trail.note("read")
            return reading

        return read

    def _decided(self, asked: "_Asked", reading: Reading, trail: Trail) -> Decided:
        decided = asked.router.decide_on(asked.request, asked.prompt, reading)
        trail.seen.append(Seen(asked.request, decided, asked.known is not None, asked.router))
        return decided


class _Asked(NamedTuple):
    """A request and the router that answers it from start to end, though another takes its place meanwhile."""

    router: Router
    request: PredictRequest
    prompt: Prompt
    known: Reading | None


@cache
def _observer() -> Observer:
    """Return what observes the requests of this process."""
    return Observer(load_settings(), metrics_of_process())


@cache
def _engine() -> Engine:
    """Return what the page reads the store through, also where nothing is recorded any more."""
    return open_store(load_settings().store_address)


@cache
def _door() -> Door:
    """Return the door of this process."""
    settings = load_settings()
    return Door(settings, count=metrics_of_process().access if settings.wants_keys else None)


Thinkworth.mount_asgi_app(audit_app(_engine, door=_door), path=PAGE)  # type: ignore[attr-defined]
Thinkworth.add_asgi_middleware(Observed, observer=_observer)  # type: ignore[attr-defined]
Thinkworth.add_asgi_middleware(AtTheDoor, door=_door)  # type: ignore[attr-defined]
Thinkworth.add_asgi_middleware(Boundary, service=bentoml.get_current_service, door=_door)  # type: ignore[attr-defined]
