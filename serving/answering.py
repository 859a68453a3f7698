"""What answers the routes: routers of the served bundle, a queue before the cores, the record, challengers beside it."""

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from contract.bundle import Manifest
from contract.cores import cores
from contract.errors import RecordingOff
from contract.prompt import Prompt
from contract.records import Arm
from contract.settings import Settings
from serving.access.door import Door
from serving.access.sizes import refuse_large
from serving.admission import Admission
from serving.asked import place, prompt_of
from serving.cache import Reading
from serving.challengers import load_challengers
from serving.conversations import Conversations
from serving.gateways import portkey
from serving.metrics import EXPOSITION, Metrics, told
from serving.observing.trail import Seen, Trail
from serving.openapi import Document
from serving.record import Keeper, bundle_record, outcome_record
from serving.recorder import Recorder
from serving.router import Decided, Router
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
from serving.swap.holder import Served
from serving.systemone import protocol
from serving.systemone.schemas import Models, SystemOneRequest


class _Asked(NamedTuple):
    """A request and the router that answers it from start to end, though another takes its place meanwhile."""

    router: Router
    request: PredictRequest
    prompt: Prompt
    known: Reading | None


class Answering:
    """One method for each route of `serving.routes`: `async (request, call) -> BaseModel | Reply`; used from one event loop."""

    def __init__(
        self, settings: Settings, door: Door, metrics: Metrics, document: Callable[[], Document], folder: Path | None
    ) -> None:
        """Take what weighs requests, what counts, what describes the routes, and the folder that the workers share; None: this one is alone."""
        self.door, self.metrics, self._document = door, metrics, document
        self.admission = Admission(max(cores() // settings.workers, 1), settings.queue)
        self.conversations = Conversations(settings.conversations, settings.conversation_ttl_s)
        self.keeper = self.recorder = self.shadow = None
        if settings.durability != "off":
            self.keeper, self.recorder = Keeper(settings), Recorder(settings, count=metrics.count)
        self.served = Served(
            settings, announce=self._announce, count=metrics.swapped, conversations=self.conversations, folder=folder
        )
        if self.recorder and settings.shadow:
            challengers = load_challengers(settings.shadow, self.router)
            self.shadow = Shadow(challengers, self.recorder.submit, count=metrics.shadowed)

    @property
    def router(self) -> Router:
        """What answers now: a swap changes it between two requests, and each reads it once."""
        return self.served.router

    def close(self) -> None:
        """Write what waits."""
        self.served.close()
        self.admission.close()
        if self.shadow:
            self.shadow.close()
        if self.recorder:
            self.recorder.close()

    async def answer(self, request: PredictRequest, call: Call, router: Router | None = None) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, by another router than the served one where one is given."""
        return (await self._decide(request, call, router or self.router)).answer

    async def _decide(self, request: PredictRequest, call: Call, router: Router) -> Decided:
        trail = call.trail or Trail()
        asked = await call.aside(partial(self._asked, request, router))
        trail.note("asked")
        reading = asked.known
        if reading is None:
            reading = await self.admission.run(
                self._reader(asked, trail), call.deadline, call.gone, let_in=call.is_large
            )
        trail.note("resumed")
        decided = self._decided(asked, reading, trail)
        trail.note("decided")
        await self._record([(request, decided)], call, trail)
        return decided

    async def _record(self, pairs: list[tuple[PredictRequest, Decided]], call: Call, trail: Trail) -> None:
        if self.recorder and self.keeper:
            records = self.keeper.later(pairs)
            if self.keeper.redacts:  # an operator's code: what it takes, the answers wait for, and no queue behind them
                await self.admission.run(records.made, let_in=True, of_graphs=False)
            await self.recorder.record(records)
            trail.note("recorded")
        if self.shadow:
            for request, decided in pairs:
                self.shadow.offer(request, decided, call.size // len(pairs))

    async def answer_batch(self, batch: BatchRequest, call: Call) -> BatchAnswer:
        """Answer several requests, in order; each as `answer` would."""
        router, trail = self.router, call.trail or Trail()  # a batch is answered by one bundle
        asked = await call.aside(partial(self._all_asked, batch, router))
        unread = [one for one in asked if one.known is None]
        trail.parts = [Trail() for _ in unread]
        works = [self._reader(*pair) for pair in zip(unread, trail.parts, strict=True)]
        read = iter(await self.admission.run_all(works, call.deadline, call.gone) if works else ())
        trail.note("resumed")
        decided = []
        for each in asked:
            decided.append(self._decided(each, each.known or next(read), trail))
            await asyncio.sleep(0)  # others have their turn between: 256 decisions take tens of milliseconds
        trail.note("decided")
        await self._record(list(zip(batch.requests, decided, strict=True)), call, trail)
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
        return Reloaded(**await self.served.reloaded())

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

    async def document(self, _: None, __: Call) -> Document:
        """Describe the routes in OpenAPI."""
        return self._document()

    async def answer_portkey(self, raw: bytes, call: Call) -> portkey.PortkeyReply:
        """Give Portkey back the request that it sent, with thinking set; whatever goes wrong, it goes on as it was."""
        headers = call.texts()
        webhook = await call.aside(partial(portkey.read, raw, headers, protocol.request_id_of(headers)))
        if webhook.request is None:
            return portkey.untouched(webhook.why or "nothing is asked")
        router = self.router if webhook.obeys else self.router.unexplored()
        return portkey.reply(webhook, await self.answer(webhook.request, call, router))

    async def tell_metrics(self, _: None, __: Call) -> Reply:
        """Tell the metrics of all workers."""
        return Reply(await told(), {"Content-Type": EXPOSITION})

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: which bundle answers, and how its record is doing."""
        recording = self.recorder.state() if self.recorder else {"durability": "off"}
        state = {
            "ready": True,
            "revision": self.router.manifest.revision,
            "swap": self.served.state(),
            "recording": recording,
            "queue": self.admission.state(),
            "access": self.door.state(),
        }
        return state | ({"shadow": self.shadow.state()} if self.shadow else {})

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
        refuse_large(request, self.door.settings.limits)
        router.profile(request.profile)
        return _Asked(router, request, prompt, router.recall(prompt, request.model))

    def _all_asked(self, batch: BatchRequest, router: Router) -> list[_Asked]:
        asked = []
        for i, request in enumerate(batch.requests):
            with place(i):
                asked.append(self._asked(request, router))
        return asked

    def _reader(self, asked: "_Asked", trail: Trail) -> Callable[[], Reading]:
        """Return the work of a thread; `trail` notes its steps."""

        def read() -> Reading:
            trail.note("begun")
            reading = asked.router.read(asked.prompt, asked.request.model, lambda: trail.note("encoded"))
            trail.note("read")
            return reading

        return read

    def _decided(self, asked: "_Asked", reading: Reading, trail: Trail) -> Decided:
        decided = asked.router.decide_on(asked.request, asked.prompt, reading)
        trail.seen.append(Seen(asked.request, decided, asked.known is not None, asked.router))
        return decided
