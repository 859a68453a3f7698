"""The one ONNX scorer: a prompt in, the heads' scores out; used by serving, by evaluation and by the offline command."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract import features
from contract.ablation import ablated
from contract.bundle import REMEDY, Bundle, Manifest, TargetModel
from contract.encoder import Encoder, open_graph
from contract.errors import BundleMismatch
from contract.locate import find
from contract.model_names import normalised
from contract.prompt import Prompt
from contract.records import Verdict
from contract.scores import Scores

TARGET_WIDTH = len(TargetModel.model_fields)
"""Statistics of a target model that the heads read."""


class GainHeads(NamedTuple):
    """What the heads say of the gain, uncalibrated: the arguments of `contract.policy.expected_gain`."""

    from_logs: float
    gain_logs: float
    gain_prior: float


class Scored(NamedTuple):
    """The scores of a prompt, whether its text was cut to the encoder's window, and whether logs hold its target model."""

    scores: Scores
    truncated: bool
    model_known: bool
    inputs: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
    """Embedding [2 d], features and words [f + w] and statistics of the target model [3], for `contract.explain`."""
    cosines: NDArray[np.float32]
    """To the centroids of the manifest's neighbourhoods, [c]."""
    gains: tuple[GainHeads, ...]
    """Of the prompt, and of it without each group of features in turn, [1 + g], for `contract.explain`."""


class Scorer:
    """A loaded bundle: encoder and heads, safe to call from several threads; a prompt never depends on its neighbours.

    Raises:
        BundleMismatch: the bundle was trained on another encoder or another list of features, or its heads cannot be
            opened or run, or lack an output.
    """

    def __init__(self, bundle: Bundle, *, encoder: Encoder | None = None) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.encoder = encoder or Encoder(find("models/encoder"))
        _check_encoder(bundle, self.encoder)
        _check_features(bundle)
        self._heads = open_graph(bundle.heads, remedy=REMEDY)
        self._usual = np.array(bundle.manifest.usual_features, dtype=np.float32)
        self._outputs = [output.name for output in self._heads.get_outputs()]
        self._check_outputs()

    @classmethod
    def load(cls, folder: Path) -> "Scorer":
        """Open and verify the bundle in a folder."""
        return cls(Bundle(folder))

    def score(self, prompt: Prompt, model: str | None = None, *, encoded: Callable[[], None] | None = None) -> Scored:
        """Score one prompt for a target model: tokenise, embed its ask and its whole, compute features, run the heads.

        Args:
            prompt: the prompt.
            model: the target model.
            encoded: called when the encoder is done, for those who time it.
        """
        ask = self.encoder.encode(prompt.ask)
        whole = ask if prompt.whole == prompt.ask else self.encoder.encode(prompt.whole)
        if encoded:
            encoded()
        embeddings = np.concatenate([ask.vector, whole.vector])
        return self._heads_of(embeddings, features.vector(prompt), model, whole.truncated)

    def score_again(self, scored: Scored, model: str | None = None) -> Scored:
        """Return what these heads say of a prompt that a bundle with the same encoder has scored: nothing is embedded anew."""
        return self._heads_of(scored.inputs[0], scored.inputs[1], model, scored.truncated)

    def score_many(self, prompts: Sequence[Prompt], threads: int = 2) -> list[Scored]:
        """Score prompts from a pool of threads: the same values as `score`, in order."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.score, prompts))

    def run(
        self, embeddings: NDArray[np.float32], vectors: NDArray[np.float32], targets: NDArray[np.float32]
    ) -> dict[str, NDArray[Any]]:
        """Run the heads on embeddings [n, 2 d] (ask, whole), features and words [n, f + w] and statistics of target models [n, 3]."""
        inputs = {"embeddings": embeddings, "features": vectors, "target": targets}
        return dict(zip(self._outputs, self._heads.run(self._outputs, inputs), strict=True))

    def _heads_of(
        self, embeddings: NDArray[np.float32], vector: NDArray[np.float32], model: str | None, truncated: bool
    ) -> Scored:
        inputs = embeddings, vector, self.targets([model])[0]
        vectors = ablated(vector, self._usual)
        n = len(vectors)
        rows = self.run(np.repeat(embeddings[None], n, axis=0), vectors, np.repeat(inputs[2][None], n, axis=0))
        gains = tuple(map(GainHeads, *(rows[name].tolist() for name in GainHeads._fields)))
        return Scored(self.unpack(rows, 0), truncated, self.knows(model), inputs, rows["cosines"][0].copy(), gains)

    def knows(self, model: str | None) -> bool:
        """Return whether logs hold a model, whatever its name's provider, date and case."""
        return model is not None and normalised(model) in self.manifest.models

    def targets(self, models: Sequence[object]) -> NDArray[np.float32]:
        """Return what logs say of target models by name, [n, 3]; of an unknown one, or of none, what they say of the population."""
        return target_rows(models, self.manifest.models, self.manifest.population)

    def unpack(self, row: dict[str, NDArray[Any]], i: int) -> Scores:
        """Return row `i` of the heads' outputs as `Scores`."""
        manifest = self.manifest
        return Scores(
            gain_logs=float(row["gain_logs"][i]),
            gain_prior=float(row["gain_prior"][i]),
            prior_band=(float(row["prior_band"][i, 0]), float(row["prior_band"][i, 1])),
            from_logs=float(row["from_logs"][i]),
            worth=float(row["worth"][i]),
            score_direct=float(row["score_direct"][i]),
            extra_tokens=float(row["extra_tokens"][i]),
            thinking_quantiles=tuple(map(float, row["thinking_quantiles"][i])),
            levels=manifest.quantiles,
            probabilities={name: tuple(map(float, row[f"p_{name}"][i])) for name in manifest.profiles},  # type: ignore[misc]
            familiar=float(row["familiar"][i]),
            near=float(row["near"][i]),
            sure=float(np.max(row["p_family"][i])),
            task=manifest.tasks[int(np.argmax(row["p_family"][i]))],
        )

    def _check_outputs(self) -> None:
        """Run one row of zeros: every output is there, as wide as the manifest says."""
        path, manifest = self.bundle.heads, self.manifest
        embeddings = np.zeros((1, 2 * manifest.encoder.dimension), np.float32)
        vectors = np.zeros((1, len(manifest.feature_names) + features.WORDS), np.float32)
        try:
            row = self.run(embeddings, vectors, np.zeros((1, TARGET_WIDTH), np.float32))
        except Exception as error:  # onnxruntime's own errors share no other base
            what = f"{path}: onnxruntime cannot run it on {embeddings.shape[1]} + {vectors.shape[1]} + {TARGET_WIDTH} inputs"
            raise BundleMismatch(f"{what} ({type(error).__name__}); {REMEDY}", field=path.name) from error
        for name, shape in _shapes(manifest).items():
            if name not in row:
                raise BundleMismatch(f"{path} has no output {name}; {REMEDY}", field=path.name)
            if (found := np.shape(row[name])) != shape:
                what = f"{path}: output {name} has shape {found}, expected {shape}"
                raise BundleMismatch(f"{what}; {REMEDY}", field=path.name)


def target_rows(
    models: Sequence[object], known: Mapping[str, TargetModel], population: TargetModel
) -> NDArray[np.float32]:
    """Return the statistics of models by name, float32 [n, 3]; the population's for an unknown one, and where there is no name."""
    found = [known.get(normalised(model), population) if isinstance(model, str) else population for model in models]
    return np.array([[m.direct, m.gain, m.log_tokens] for m in found], dtype=np.float32).reshape(-1, TARGET_WIDTH)


SCALARS = ("gain_logs", "gain_prior", "from_logs", "worth", "score_direct", "extra_tokens", "familiar", "near")
"""Outputs of one number a prompt."""


def _shapes(manifest: Manifest) -> dict[str, tuple[int, ...]]:
    """Return the shape, on one row, of every output that `Scorer.unpack` reads."""
    levels = len(manifest.quantiles)
    shapes: dict[str, tuple[int, ...]] = {name: (1,) for name in SCALARS}
    shapes |= {"prior_band": (1, 2), "outcomes": (1, len(Verdict))}
    shapes |= {"thinking_quantiles": (1, levels), "p_family": (1, len(manifest.tasks))}
    shapes |= {"cosines": (1, max(len(manifest.neighbourhoods), 1))}
    return shapes | {f"p_{name}": (1, len(Verdict)) for name in manifest.profiles}


def _check_encoder(bundle: Bundle, encoder: Encoder) -> None:
    wanted = bundle.manifest.encoder
    if (wanted.sha256, wanted.max_tokens) != (encoder.sha256, encoder.max_tokens):
        raise BundleMismatch(
            f"{bundle.folder} was trained on encoder {wanted.name} {wanted.sha256[:12]}.. (window {wanted.max_tokens}); "
            f"models/encoder is {encoder.name} {encoder.sha256[:12]}.. (window {encoder.max_tokens}); train again or restore it"
        )


def _check_features(bundle: Bundle) -> None:
    theirs, ours = bundle.manifest.feature_names, features.FEATURE_NAMES
    if theirs != ours:
        i = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours)))
        their_name, our_name = (names[i] if i < len(names) else "none" for names in (theirs, ours))
        raise BundleMismatch(
            f"{bundle.folder}: its features are not those of this thinkworth: {len(theirs)} against {len(ours)}, and the "
            f"first to differ is {their_name} against {our_name}; train it again"
        )
