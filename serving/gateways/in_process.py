"""The service's answers without a server, for programs that have thinkworth installed: what an adapter asks instead of one."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from contract.bundle import in_use
from contract.errors import InvalidRequest
from contract.scorer import Scorer
from serving.gateways.litellm_hook.wire import Declined
from serving.parsing import parse
from serving.router import Router
from serving.schemas import PredictRequest


class InProcess:
    """Answers from a bundle, off the event loop; records nothing, so outcomes go nowhere."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="thinkworth")

    @classmethod
    def load(cls, bundle: Path | None = None) -> Self:
        """Return one of a bundle, warm; of the one in use where none is given.

        Raises:
            BundleMissing, BundleMismatch, BundleTooNew: there is no bundle that can be used.
        """
        router = Router(Scorer.load(in_use(bundle)))
        router.answer(PredictRequest(prompt="What is 1 + 1?"))  # the first call of a graph is its slowest
        return cls(router)

    async def predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return what `POST /predict` would.

        Raises:
            Declined: the request cannot be answered as it is.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, json.dumps(request).encode())

    async def outcomes(self, outcomes: Sequence[Mapping[str, Any]]) -> None:
        """Drop outcomes: there is no record of the decisions that they are of."""

    def _answer(self, body: bytes) -> dict[str, Any]:
        try:
            return self._router.answer(parse(PredictRequest, body)).model_dump()
        except InvalidRequest as error:
            raise Declined(error.type) from None
