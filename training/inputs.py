"""What the heads read: a linear view of the evidence, and the reduced input of the trees with the taxonomy's families in it.

u = [ask, whole, clip((features - mean) / scale, ±CLIP) / sqrt(number of features)]     what linear heads read
near_family = cosine of the ask to the mean ask of each family
p_family = softmax([u, words of the ask] @ family)                                      which family a prompt belongs to
z = [PCA of the ask, PCA of the whole, features, near_family, target]                   what trees read
v = [u, target]                                                                         what networks read
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from numpy.typing import NDArray
from onnx import TensorProto, helper
from sklearn.decomposition import PCA

from contract.features import FEATURE_NAMES, WIDTH
from contract.scorer import TARGET_WIDTH
from training.config import TrainConfig
from training.evidence import Rows
from training.graph import Graph, Linear
from training.logistic import fit_logits

CLIP = 3.0
"""Standard deviations at which a feature is cut, so that a strange prompt cannot dominate a linear head."""

FAMILY_C = 100.0
"""Inverse regularisation of the family classifier; by cross-validated verdicts at nearly equal log loss, see docs/decisions/0006."""

MAJORITY = 0.5
"""P(family) above which a logged row may count for the family."""

REACH = 0.1
"""Share of the taxonomy's prompts that lie farther from the rest of their family than a logged row of it may."""

EVERYWHERE, NOWHERE = -1.0, 2.0
"""Reach where there is no taxonomy, and where no family has two prompts."""

TARGET_READ = 2
"""Statistics of the target model that trees and networks read; the last one scales tokens."""

UNKNOWN = "unknown"
"""The one family where there is no taxonomy."""

Array = NDArray[Any]


@dataclass(frozen=True)
class Inputs:
    """Fitted inputs of the heads, as nodes of the graph.

    Attributes:
        dimension: length of one view's embedding.
        centre: mean of each feature, [f].
        scale: what a centred feature is multiplied by, [f].
        family: logits of the families on (u, words); one column of zeros where there is no taxonomy.
        ask: principal components of the ask.
        whole: principal components of the whole.
        centroids: unit mean ask of each family, [t, d].
        reach: least cosine to a centroid at which a logged row may be of the family.
        tasks: names of the families, in the order of the columns of p_family and near_family.
    """

    dimension: int
    centre: Array
    scale: Array
    family: Linear
    ask: Linear
    whole: Linear
    centroids: Array
    reach: float
    tasks: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of z."""
        reduced = self.ask.weight.shape[1] + self.whole.weight.shape[1]
        return int(reduced + len(FEATURE_NAMES) + len(self.tasks) + TARGET_READ)

    def add_to(self, g: Graph) -> None:
        """Add the nodes from embeddings, features and target to `ask`, u, v, p_family and z."""
        d = self.dimension
        g.columns_of("embeddings", 0, d, "ask")
        g.columns_of("embeddings", d, 2 * d, "whole")
        g.columns_of("features", 0, len(FEATURE_NAMES), "named")
        g.columns_of("features", len(FEATURE_NAMES), WIDTH, "words")
        centred = g.node("Sub", ["named", g.constant("centre", self.centre)], "centred")
        scaled = g.node("Mul", [centred, g.constant("scale", self.scale)], "scaled")
        edge = CLIP / np.sqrt(len(FEATURE_NAMES))
        g.node("Clip", [scaled, g.constant("clip_low", -edge), g.constant("clip_high", edge)], "clipped")
        g.node("Concat", ["embeddings", "clipped"], "u", axis=1)
        g.node("Concat", ["u", "words"], "u_words", axis=1)
        g.node("Softmax", [g.linear("u_words", self.family, "family_logits")], "p_family", axis=1)
        g.linear("ask", self.ask, "ask_reduced")
        g.linear("whole", self.whole, "whole_reduced")
        g.node("MatMul", ["ask", g.constant("family_centroids", self.centroids.T)], "near_family")
        g.columns_of("target", 0, TARGET_READ, "target_points")
        g.node("Concat", ["u", "target_points"], "v", axis=1)
        g.node("Concat", ["ask_reduced", "whole_reduced", "named", "near_family", "target_points"], "z", axis=1)

    def of(self, rows: Rows, target: Array | None = None) -> dict[str, Array]:
        """Return ask, u, [u, words], v, p_family and z of rows for target models [n, 3] (zeros by default), float32, by the graph's own arithmetic.

        Numpy's products differ in the last bit, which is enough to cross a tree's threshold.
        """
        if target is None:
            target = np.zeros((len(rows.features), TARGET_WIDTH), np.float32)
        g = Graph()
        self.add_to(g)
        widths = {
            "ask": self.dimension,
            "u": 2 * self.dimension + len(FEATURE_NAMES),
            "u_words": 2 * self.dimension + WIDTH,
            "v": 2 * self.dimension + len(FEATURE_NAMES) + TARGET_READ,
            "p_family": len(self.tasks),
            "z": self.width,
        }
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", w]) for name, w in widths.items()]
        model = g.model(self.dimension, outputs).SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        values = session.run([*widths], {"embeddings": rows.embeddings, "features": rows.features, "target": target})
        return dict(zip(widths, values, strict=True))

    def members(self, x: Mapping[str, Array]) -> Array:
        """Return how far rows of inputs x count for each family, [n, t]: P(family), or 0 where that is too unsure.

        A row counts for a family that is likelier than all others together, and to which it is as near as the families' own
        prompts are: a hundred rows that may each be of a family tell nothing of it; they are of families that the taxonomy lacks.
        """
        sure = (x["p_family"] > MAJORITY) & (x["ask"] @ self.centroids.T >= self.reach)
        return np.where(sure, x["p_family"], 0.0)


def fit_inputs(pairs: Rows, taxonomy: Rows, config: TrainConfig) -> Inputs:
    """Fit the inputs: components on the pairs, the families on the taxonomy alone."""
    d = pairs.embeddings.shape[1] // 2
    known = taxonomy if len(taxonomy.table) else pairs
    f = len(FEATURE_NAMES)
    centre = known.features[:, :f].mean(axis=0)
    scale = 1 / (known.features[:, :f].std(axis=0) + 1e-3) / np.sqrt(f)
    ask, whole = (components(pairs.embeddings[:, part], config) for part in (slice(0, d), slice(d, 2 * d)))
    tasks = tuple(dict.fromkeys(taxonomy.table.task)) if len(taxonomy.table) else (UNKNOWN,)
    edge = CLIP / np.sqrt(f)
    clipped = np.clip((taxonomy.features[:, :f] - centre) * scale, -edge, edge)
    family = _family(np.hstack([taxonomy.embeddings, clipped, taxonomy.features[:, f:]]), taxonomy.table.task, tasks)
    means = known.table.task if len(tasks) > 1 else pd.Series(tasks[0], index=known.table.index)
    centroids = np.stack([known.embeddings[(means == task).to_numpy(bool), :d].mean(axis=0) for task in tasks])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    reach = _reach(taxonomy.embeddings[:, :d], taxonomy.table.task) if len(taxonomy.table) else EVERYWHERE
    return Inputs(d, centre, scale, family, ask, whole, centroids.astype(np.float32), reach, tasks)


def _reach(asks: Array, task: pd.Series) -> float:
    """Return the cosine that all but REACH of the prompts have to the mean ask of the others of their family."""
    near = []
    for own in task.unique():
        x = asks[(task == own).to_numpy(bool)]
        others = x.sum(axis=0) - x
        if len(x) > 1:
            near.append((x * others).sum(axis=1) / np.linalg.norm(others, axis=1))
    return float(np.quantile(np.concatenate(near), REACH)) if near else NOWHERE


def softmax(x: Array) -> Array:
    """Return the softmax of each row of x."""
    exponent = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def _family(x: Array, task: pd.Series, tasks: tuple[str, ...]) -> Linear:
    """Fit the logits of P(family | x), a multinomial logistic regression; a family without a prompt is out of the question."""
    order = task.map({name: i for i, name in enumerate(tasks)}).to_numpy(int)
    return fit_logits(x, order, len(tasks), FAMILY_C)


def components(x: Array, config: TrainConfig) -> Linear:
    """Return the map to the principal components of x."""
    pca = PCA(min(config.components, *x.shape), random_state=config.seed).fit(x)
    weight = pca.components_.T.astype(np.float32)
    return Linear(weight, (-pca.mean_ @ weight).astype(np.float32))
