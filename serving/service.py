"""The BentoML service: its workers, its life, OpenAPI and clients. Over HTTP `serving.boundary` hands requests to `serving.answering`."""

from functools import cache

import bentoml
from sqlalchemy import Engine

from contract.settings import load_settings
from contract.store.opening import open_store
from serving.access.door import Door
from serving.access.heads import limit_heads
from serving.access.middleware import AtTheDoor
from serving.access.starting import refuse_open_start
from serving.answering import Answering
from serving.boundary import PAGE, Boundary
from serving.gateways import portkey
from serving.metrics import metrics_of_process
from serving.observing.gauges import looked_at
from serving.observing.middleware import Observed
from serving.observing.observer import Observer
from serving.openapi import document
from serving.orphans import end_with_parent
from serving.page.app import audit_app
from serving.routes import Call
from serving.schemas import (
    Answer,
    BatchAnswer,
    BatchRequest,
    ModelInfo,
    OutcomesAnswer,
    OutcomesRequest,
    PredictRequest,
    Reloaded,
    ReloadRequest,
)  # fmt: skip
from serving.swap.holder import shared_folder
from serving.systemone.schemas import Models, SystemOneAnswer, SystemOneRequest


@bentoml.service(
    name="thinkworth",
    traffic={"timeout": 30},  # of last resort: every request has a deadline before it, see serving.routes
    logging={"access": {"enabled": False}},  # an access line costs a third of a request, and may hold a query
    metrics={"enabled": False},  # a label of theirs is any path that is asked for; ours are in serving.metrics
    tracing={"excluded_urls": ".*"},  # their span holds the query, and costs 0.4 ms also where none is sent
)
class Thinkworth:
    """Is thinking worth its tokens on this prompt? use, maybe or avoid, and a thinking budget."""

    def __init__(self) -> None:
        settings, observer, door = load_settings(), _observer(), _door()  # wrong keys end the start
        limit_heads()
        # None: no worker of `serve`, but alone in a process, as under a test client
        of_many = bentoml.server_context.worker_index is not None
        if of_many:
            end_with_parent()
        folder = shared_folder(settings) if of_many else None
        self.answering = Answering(settings, door, metrics_of_process(), lambda: document(Thinkworth), folder)
        observer.watch(lambda: looked_at(self.answering.admission, self.answering.router, self.answering.recorder))

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod
    def refuse_open() -> None:
        """End `bentoml serve`, before it has workers, where anybody could use what it would serve."""
        refuse_open_start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Write what waits."""
        self.answering.close()
        _door().close()
        _observer().close()

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, and how much of it to allow."""
        return await self.answering.answer(request, Call())

    @bentoml.api(route="/predict_batch")  # type: ignore[untyped-decorator]
    async def predict_batch(self, batch: BatchRequest, /) -> BatchAnswer:
        """Answer several requests, in order; each as /predict would."""
        return await self.answering.answer_batch(batch, Call())

    @bentoml.api(route="/outcomes")  # type: ignore[untyped-decorator]
    async def outcomes(self, request: OutcomesRequest, /) -> OutcomesAnswer:
        """Take what came of decisions: the arm that was used, its score, tokens, time and cost. One outcome, or a list of them."""
        return await self.answering.take_outcomes(request, Call())

    @bentoml.api(route="/model")  # type: ignore[untyped-decorator]
    async def model(self) -> ModelInfo:
        """Describe the served bundle: revision, metrics, training data digest, profiles."""
        return await self.answering.describe(None, Call())

    @bentoml.api(route="/admin/reload")  # type: ignore[untyped-decorator]
    async def reload(self, request: ReloadRequest, /) -> Reloaded:
        """Serve what the setting `bundle` names now: answers once every worker does, or once all keep what they had."""
        return await self.answering.swap(request, Call())

    @bentoml.api(route="/v1/systemone")  # type: ignore[untyped-decorator]
    async def systemone(self, body: SystemOneRequest, /) -> SystemOneAnswer:
        """Answer a gateway's typed questions: is thinking worth its tokens on the prompt that it is about to send?"""
        return (await self.answering.answer_systemone(body, Call())).body  # type: ignore[return-value]

    @bentoml.api(route="/v1/models")  # type: ignore[untyped-decorator]
    async def models(self) -> Models:
        """List what System One's `model` may be: one name a profile."""
        return await self.answering.list_models(None, Call())

    @bentoml.api(route="/gateways/portkey")  # type: ignore[untyped-decorator]
    async def before_request(self, webhook: portkey.PortkeyWebhook, /) -> portkey.PortkeyReply:
        """Portkey's webhook guardrail before a request: it is given back with thinking set, and always let pass."""
        return await self.answering.answer_portkey(webhook.model_dump_json().encode(), Call())


@cache
def _observer() -> Observer:
    """Return what observes the requests of this process."""
    return Observer(load_settings(), metrics_of_process())


def _answering() -> Answering | None:
    """Return what answers in this process, once it is there."""
    return getattr(bentoml.get_current_service(), "answering", None)


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
Thinkworth.add_asgi_middleware(Boundary, service=_answering, door=_door)  # type: ignore[attr-defined]
