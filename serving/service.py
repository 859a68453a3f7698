"""The BentoML service: thin, the answers come from `serving.router`."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import bentoml
from starlette.responses import JSONResponse

from contract.bundle import in_use
from contract.errors import ThinkworthError
from contract.scorer import Scorer
from serving.boundary import Boundary
from serving.router import Router
from serving.schemas import Answer, BatchAnswer, BatchRequest, ModelInfo, PredictRequest


@bentoml.service(
    name="thinkworth",
    traffic={"timeout": 30},
    logging={"access": {"enabled": False}},  # an access line costs a third of a request, and may hold a query
)
class Thinkworth:
    """Is thinking worth its tokens on this prompt? use, maybe or avoid, and a thinking budget."""

    def __init__(self) -> None:
        self.router = Router(Scorer.load(in_use()))
        self.pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="score")
        self.router.answer(PredictRequest(prompt="What is 1 + 1?"))  # warm: the first call of a graph is its slowest

    @bentoml.api(route="/predict")  # type: ignore[untyped-decorator]
    async def predict(self, request: PredictRequest, /) -> Answer:
        """Say whether thinking is worth its tokens on one prompt, and how much of it to allow."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, self.router.answer, request)
        except ThinkworthError as error:
            return JSONResponse(error.body(), status_code=error.status)  # type: ignore[return-value]

    @bentoml.api(route="/predict_batch")  # type: ignore[untyped-decorator]
    async def predict_batch(self, batch: BatchRequest, /) -> BatchAnswer:
        """Answer several requests, in order; each as /predict would."""
        loop = asyncio.get_running_loop()
        try:
            answers = await asyncio.gather(
                *(loop.run_in_executor(self.pool, self.router.answer_nth, i, r) for i, r in enumerate(batch.requests))
            )
        except ThinkworthError as error:
            return JSONResponse(error.body(), status_code=error.status)  # type: ignore[return-value]
        return BatchAnswer(answers=answers)

    @bentoml.api(route="/model")  # type: ignore[untyped-decorator]
    def model(self) -> ModelInfo:
        """Describe the served bundle: revision, metrics, training data digest, profiles."""
        return self.router.info()


Thinkworth.add_asgi_middleware(Boundary)  # type: ignore[attr-defined]
