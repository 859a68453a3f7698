"""The BentoML service: thin, the answers come from `serving.router`, the record is kept by `serving.recorder`."""

import asyncio
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import bentoml
from sqlalchemy import Engine
from starlette.responses import JSONResponse

from contract.bundle import in_use
from contract.errors import RecordingOff, ThinkworthError
from contract.records import Arm
from contract.scorer import Scorer
from contract.settings import load_settings
from contract.store.opening import open_store
from contract.store.records import Record
from serving.boundary import PAGE, Boundary
from serving.conversations import Conversations
from serving.metrics import Metrics
from serving.page.app import audit_app
from serving.record import Keeper, bundle_record, outcome_record
from serving.recorder import Recorder
from serving.router import Router, place
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


@bentoml.service(
    name="thinkworth",
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},  # an access line costs a third of a request, and may hold a query
)
class Thinkworth:
    """Is thinking worth its tokens on this prompt? use, maybe or avoid, and a thinking budget."""

    def __init__(self) -> None:
        settings = load_settings()
        self.conversations = Conversations(settings.conversations, settings.conversation_ttl_s)
        self.router = Router(
            Scorer.load(in_use(Path(settings.bundle) if settings.bundle else None)),
            exploration=settings.exploration,
            conversations=self.conversations,
        )
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="score")
        self.router.answer(PredictRequest(prompt="What is 1 + 1?"))  # warm: the first call of a graph is its slowest
        self.keeper = self.recorder = None
        if settings.durability != "off":
            self.metrics = Metrics()
            self.keeper, self.recorder = Keeper(settings), Recorder(settings, count=self.metrics.count)
            self.recorder.submit([bundle_record(self.router.manifest)])

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what waits."""
        if self.recorder:
            self.recorder.close()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, and how much of it to allow."""
        try:
            answer, records = await asyncio.get_running_loop().run_in_executor(self.pool, self._decide, request)
        except ThinkworthError as error:
            return _refused(error)  # type: ignore[no-any-return]
        if self.recorder:
            await self.recorder.record(records)
        return answer

    @bentoml.api(route="/predict_batch")  # type: ignore[untyped-decorator]
    async def predict_batch(self, batch: BatchRequest, /) -> BatchAnswer:
        """Answer several requests, in order; each as /predict would."""
        loop = asyncio.get_running_loop()
        try:
            decided = await asyncio.gather(
                *(loop.run_in_executor(self.pool, self._decide, request, i) for i, request in enumerate(batch.requests))
            )
        except ThinkworthError as error:
            return _refused(error)  # type: ignore[no-any-return]
        if self.recorder:
            await self.recorder.record([record for _, records in decided for record in records])
        return BatchAnswer(answers=[answer for answer, _ in decided])

    @bentoml.api(route="/outcomes")  # type: ignore[untyped-decorator]
    async def outcomes(self, request: OutcomesRequest, /) -> OutcomesAnswer:
        """Take what came of decisions: the arm that was used, its score, tokens, time and cost. One outcome, or a list of them."""
        for one in request.outcomes:
            if one.overridden:
                self.conversations.overridden(Arm(one.arm), decision_id=one.decision_id, request_id=one.request_id)
        if self.recorder is None:
            return _refused(RecordingOff("durability is off: nothing is recorded; set it to sync or async"))  # type: ignore[no-any-return]
        try:
            told = await self.recorder.outcomes([outcome_record(outcome) for outcome in request.outcomes])
        except ThinkworthError as error:
            return _refused(error)  # type: ignore[no-any-return]
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

    @bentoml.api(route="/model")  # type: ignore[untyped-decorator]
    def model(self) -> ModelInfo:
        """Describe the served bundle: revision, metrics, training data digest, profiles."""
        return self.router.info()

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: which bundle answers, and how its record is doing."""
        recording = self.recorder.state() if self.recorder else {"durability": "off"}
        return {"ready": True, "revision": self.router.manifest.revision, "recording": recording}

    def _decide(self, request: PredictRequest, index: int | None = None) -> tuple[Answer, list[Record]]:
        """Answer one request; an error names its place in a batch."""
        if index is not None:
            with place(index):
                return self._decide(request)
        decided = self.router.decide(request)
        return decided.answer, self.keeper.records(request, decided) if self.keeper else []


def _refused(error: ThinkworthError) -> Any:
    return JSONResponse(error.body(), status_code=error.status)


def _state() -> dict[str, Any]:
    """Return the state of the service of this process."""
    service = bentoml.get_current_service()
    return service.state() if service is not None else {"ready": True}


@cache
def _engine() -> Engine:
    """Return what the page reads the store through, also where nothing is recorded any more."""
    return open_store(load_settings().store_address)


Thinkworth.mount_asgi_app(audit_app(_engine), path=PAGE)  # type: ignore[attr-defined]
Thinkworth.add_asgi_middleware(Boundary, state=_state)  # type: ignore[attr-defined]
