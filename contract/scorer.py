"""The one ONNX scorer: a prompt in, the heads' scores out; used by serving, by evaluation and by the offline command."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contract import features
from contract.bundle import Bundle
from contract.encoder import Encoder
from contract.errors import BundleMismatch
from contract.locate import find
from contract.policy import Scores
from contract.prompt import Prompt


class Scored(NamedTuple):
    """The scores of a prompt, and whether its text was cut to the encoder's window."""

    scores: Scores
    truncated: bool


class Scorer:
    """A loaded bundle: encoder and heads, safe to call from several threads; a prompt never depends on its neighbours.

    Raises:
        BundleMismatch: the bundle was trained on another encoder or another list of features.
    """

    def __init__(self, bundle: Bundle, *, encoder: Encoder | None = None) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.encoder = encoder or Encoder(find("models/encoder"))
        _check_encoder(bundle, self.encoder)
        if self.manifest.feature_names != features.FEATURE_NAMES:
            raise BundleMismatch(f"{bundle.folder}: its features are not those of this thinkworth; train it again")
        self._heads = open_session(bundle.heads)
        self._outputs = [output.name for output in self._heads.get_outputs()]

    @classmethod
    def load(cls, folder: Path) -> "Scorer":
        """Open and verify the bundle in a folder."""
        return cls(Bundle(folder))

    def score(self, prompt: Prompt) -> Scored:
        """Score one prompt: tokenise, embed its ask and its whole, compute features, run the heads."""
        ask = self.encoder.encode(prompt.ask)
        whole = ask if prompt.whole == prompt.ask else self.encoder.encode(prompt.whole)
        row = self.run(np.concatenate([ask.vector, whole.vector])[None], features.compute(prompt)[None])
        return Scored(self.unpack(row, 0), whole.truncated)

    def score_many(self, prompts: Sequence[Prompt], threads: int = 2) -> list[Scored]:
        """Score prompts from a pool of threads: the same values as `score`, in order."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.score, prompts))

    def run(self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Run the heads on embeddings [n, 2 d] (ask, whole) and features [n, f]."""
        values = self._heads.run(self._outputs, {"embeddings": embeddings, "features": vectors})
        return dict(zip(self._outputs, values, strict=True))

    def unpack(self, row: dict[str, NDArray[Any]], i: int) -> Scores:
        """Return row `i` of the heads' outputs as `Scores`."""
        manifest = self.manifest
        return Scores(
            gain=float(row["gain"][i]),
            score_direct=float(row["score_direct"][i]),
            score_reasoning=float(row["score_reasoning"][i]),
            extra_tokens=float(row["extra_tokens"][i]),
            extra_quantiles=tuple(map(float, row["extra_quantiles"][i])),
            thinking_quantiles=tuple(map(float, row["thinking_quantiles"][i])),
            levels=manifest.quantiles,
            probabilities={name: tuple(map(float, row[f"p_{name}"][i])) for name in manifest.profiles},  # type: ignore[misc]
            familiar=float(row["familiar"][i]),
            task=manifest.tasks[int(np.argmax(row["task_similarity"][i]))],
        )


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Open a graph for one call at a time per thread: one intra-op thread, no spinning."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _check_encoder(bundle: Bundle, encoder: Encoder) -> None:
    wanted = bundle.manifest.encoder
    if (wanted.sha256, wanted.max_tokens) != (encoder.sha256, encoder.max_tokens):
        raise BundleMismatch(
            f"{bundle.folder} was trained on encoder {wanted.name} {wanted.sha256[:12]}.. (window {wanted.max_tokens}); "
            f"models/encoder is {encoder.name} {encoder.sha256[:12]}.. (window {encoder.max_tokens}); train again or restore it"
        )
