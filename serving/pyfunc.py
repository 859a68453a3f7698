"""The service's answers as a model of MLflow: its `loader_module`, which loads the folder that `contract.frames` describes.

THINKWORTH_MODELS and THINKWORTH_DIALECTS add the operator's rows on models to the shipped ones, as for the service. MLflow is not
imported, and neither is pandas: a frame is made by the class of the caller's.
"""

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from contract.bundle import Bundle
from contract.controls import load_controls
from contract.encoder import Encoder
from contract.errors import InvalidRequest
from contract.frames import ANSWERS, BUNDLE, CAPS, CONTROLS, ENCODER, FAMILIES, TEXTS
from contract.model_families import load_model_families
from contract.scorer import Scorer
from serving.asked import place
from serving.parsing import parse
from serving.router import Router
from serving.schemas import Answer, PredictRequest


class FrameModel:
    """Answers frames: one row a request."""

    def __init__(self, router: Router) -> None:
        self.router = router

    def predict(self, frame: Any) -> Any:
        """Return the service's answers to the rows of a frame, a column for each of `contract.frames.ANSWERS`, with the frame's index.

        Raises:
            InvalidRequest: a row cannot be answered; all are refused, as a batch of the service is, and `field` names the row.
        """
        rows = _rows(frame)
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            answers = list(pool.map(self._answer, range(len(rows)), rows))
        told = [_told(answer) for answer in answers]
        return type(frame)({name: [row[name] for row in told] for name in ANSWERS}, index=frame.index)

    def _answer(self, index: int, row: Mapping[str, Any]) -> Answer:
        with place(index):
            return self.router.answer(parse(PredictRequest, json.dumps(_request(row)).encode()))


def _load_pyfunc(path: str) -> FrameModel:
    """Return the model in a folder: what MLflow calls."""
    folder = Path(path)
    scorer = Scorer(Bundle(folder / BUNDLE), encoder=Encoder(folder / ENCODER))
    families, controls = (path if path.is_file() else None for path in (folder / FAMILIES, folder / CONTROLS))
    return FrameModel(Router(scorer, load_model_families(shipped=families), controls=load_controls(shipped=controls)))


def _rows(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame without what is absent.

    Raises:
        InvalidRequest: a column is not known.
    """
    known = (*TEXTS, *CAPS)
    if unknown := [str(name) for name in frame.columns if name not in known]:
        what = f"unknown column; known ones: {', '.join(known)}"
        raise InvalidRequest(what, type="unknown_key", field=unknown[0][:60], limit=list(known))
    columns = {name: (frame[name].tolist(), frame[name].isna().tolist()) for name in frame.columns}
    return [
        {name: values[i] for name, (values, absent) in columns.items() if not absent[i]}
        for i in range(len(frame.index))
    ]


def _request(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row as the body of a request: messages read, and whole numbers whole, which a column with gaps holds as 8000.0."""
    body = dict(row)
    for name in CAPS:
        if isinstance(body.get(name), float) and body[name].is_integer():
            body[name] = int(body[name])
    if isinstance(body.get("messages"), str):
        try:
            body["messages"] = json.loads(body["messages"])
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                "messages is no JSON; send the list as JSON text", type="invalid_json", field="messages"
            ) from error
    return body


def _told(answer: Answer) -> dict[str, Any]:
    told = answer.model_dump()
    flat = {**told, **told["expected"], **{f"p_{name}": p for name, p in told["probabilities"].items()}}
    return {name: flat[name] for name in ANSWERS} | {"reasons": "\n".join(answer.reasons)}
