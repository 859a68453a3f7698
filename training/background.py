"""What is said of a prompt before the logs at hand speak: by its family, or by the bundle that a training starts from.

A background gives, of rows [n]: `gain` in points and how far below and above it the true mean may lie, `band` [n, 2]; `worth` (see
`training.heads`), `score_direct`, P(outcome) `outcomes` [n, 3], and the logarithms of extra tokens, `log_extra`, and of the quantiles
of thinking tokens, `log_thinking` [n, q], both of a model that needs what others need. Trees read `read` [n, width] of it.

A bundle that a training starts from (Kuzborskij and Orabona 2013, "Stability and hypothesis transfer learning") speaks by its own
graph, which becomes part of the new one: its calibrated gain with its band, by the rules of `contract.policy.calibrated_gain`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper

from contract.bundle import QUANTILES, Bundle, Manifest
from training.evidence import Rows
from training.graph import Graph
from training.prior import LIKELY, Z95, Prior, token_offsets

SAYS = {
    "gain": 1,
    "band": 2,
    "worth": 1,
    "score_direct": 1,
    "outcomes": 3,
    "log_extra": 1,
    "log_thinking": len(QUANTILES),
}
"""What a background says, and how many columns that is."""

WIDE = {"band", "outcomes", "log_thinking", "read", "cosines"}
"""What of it is several columns of a row, even where these are one."""

BASE, OURS = "base/", "of_base/"
"""Prefixes of the nodes of the graph that a training starts from, and of what is computed from its outputs."""

READ_STEP = 2.0**-10
"""What trees read of a bundle is rounded to: its last bit differs between graphs, which is enough to cross a threshold between two
rows of which it says the same."""

Array = NDArray[Any]


class Background(Protocol):
    """What speaks where the logs at hand do not."""

    @property
    def width(self) -> int:
        """Columns of it that trees read."""

    def of(self, rows: Rows, target: Array, p_family: Array) -> dict[str, Array]:
        """Return SAYS, `read`, and what else `add_to` names, of rows for target models [n, 3]; one column without its axis."""

    def add_to(self, g: Graph) -> dict[str, str]:
        """Add the nodes of the same, columns [n, k]; return their names."""


@dataclass(frozen=True)
class Families:
    """The mean of the families' values under P(family)."""

    prior: Prior
    width: int = 0

    def of(self, rows: Rows, target: Array, p_family: Array) -> dict[str, Array]:
        """Return what the families of rows say; of `rows` and `target` nothing is read."""
        tokens = p_family @ self.prior.log_tokens
        gain = p_family @ self.prior.gain
        return {
            "gain": gain,
            "band": self.prior.band(p_family),
            "worth": gain / np.exp(tokens - np.mean(self.prior.log_tokens)),
            "score_direct": p_family @ self.prior.score_direct,
            "outcomes": p_family @ self.prior.outcomes,
            "log_extra": tokens,
            "log_thinking": tokens[:, None] + token_offsets(QUANTILES),
            "read": np.zeros((len(p_family), 0), np.float32),
        }

    def add_to(self, g: Graph) -> dict[str, str]:
        """Add the same to a graph that has p_family."""
        prior = self.prior
        gain, tokens = g.of_family(prior.gain[:, None], "gain"), g.of_family(prior.log_tokens[:, None], "log_tokens")
        beyond = g.node("Sub", [tokens, g.constant("usual_log_tokens", np.mean(prior.log_tokens))], "log_spent")
        return {
            "gain": gain,
            "band": self._add_band(g, gain),
            "worth": g.node("Div", [gain, g.node("Exp", [beyond], "prior_spent")], "worth_prior"),
            "score_direct": g.of_family(prior.score_direct[:, None], "score_direct"),
            "outcomes": g.of_family(prior.outcomes, "outcome"),
            "log_extra": tokens,
            "log_thinking": g.node(
                "Add", [tokens, g.constant("token_offsets", token_offsets(QUANTILES))], "prior_quantiles"
            ),
        }

    def _add_band(self, g: Graph, gain: str) -> str:
        """Add how far below and above the gain of the families the true mean may lie; see `training.prior.Prior.band`."""
        likely = g.node("Pow", ["p_family", g.constant("likely_power", float(LIKELY))], "p_likely")
        one = g.constant("family_axis", [1], np.int64)
        mean = g.node("MatMul", [likely, g.constant("likely_gain", self.prior.gain[:, None])], "likely_sum")
        mean = g.node("Div", [mean, g.node("ReduceSum", [likely, one], "likely_mass", keepdims=1)], "likely_mean")
        step = g.node("Sub", [mean, gain], "likely_step")
        squared = g.node("Mul", ["p_family", "p_family"], "p_family_squared")
        variance = g.constant("family_variance", Z95**2 * self.prior.variance[:, None])
        own, sides = g.node("MatMul", [squared, variance], "prior_variance"), []
        for name, way in (("below", g.node("Neg", [step], "likely_fall")), ("above", step)):
            far = g.node("Relu", [way], f"prior_{name}_step")
            both = g.node("Add", [own, g.node("Mul", [far, far], f"prior_{name}_squared")], f"prior_{name}_both")
            sides.append(g.node("Sqrt", [both], f"prior_{name}"))
        return g.node("Concat", sides, "family_band", axis=1)


def seen_by(manifest: Manifest) -> dict[str, str]:
    """Return names by SHA-256 of the files that a bundle was trained on, and the bundle that it started from, and so on."""
    training = manifest.training
    before = (training.get("started_from") or {}).get("files", {})
    return {**before, **{digest: name for name, digest in training.get("files", {}).items()}}


def splits_of(manifest: Manifest) -> list[tuple[int, float]] | None:
    """Return seed and share of the holdout of a bundle's training, and of the trainings that it started from; None where one is not told."""
    config, start = manifest.training.get("config"), manifest.training.get("started_from")
    before = (start or {}).get("splits") if start else []
    if config is None or before is None:
        return None
    own = int(config["seed"]), float(config["holdout_share"])
    return [own, *((int(seed), float(share)) for seed, share in before)]


class Base:
    """A bundle that a training starts from; what it has seen, it must not be judged on.

    Args:
        bundle: of the encoder in use and of our features (`contract.scorer.Scorer` refuses others).
    """

    READ = ("gain", "worth", "score_direct", "outcomes", "log_extra", "from_logs")
    width = 8

    def __init__(self, bundle: Bundle) -> None:
        self.manifest: Manifest = bundle.manifest
        self._graph = compose.add_prefix(onnx.load(str(bundle.heads)), BASE, rename_inputs=False).graph
        g = Graph()
        self.names = self.add_to(g)
        widths = {
            **SAYS,
            "read": self.width,
            "near": 1,
            "familiar": 1,
            "cosines": max(len(self.manifest.neighbourhoods), 1),
        }
        wide = [
            helper.make_tensor_value_info(self.names[name], TensorProto.FLOAT, ["n", width])
            for name, width in widths.items()
        ]
        model = g.model(self.manifest.encoder.dimension, wide).SerializeToString()
        self._session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        self._asked = [*widths]

    @property
    def seed(self) -> int:
        """A seed that no training of it, nor of what it started from, has had."""
        return int.from_bytes(sha256(self.manifest.revision.encode()).digest()[:4])

    def told(self) -> dict[str, Any]:
        """Return what the manifest of a bundle says of the one that its training started from."""
        training = self.manifest.training
        before = (training.get("started_from") or {}).get("pairs", {})
        sources = dict.fromkeys([*before, *training["pairs"], *(training.get("logged") or {}).get("models", {})])
        pairs = {name: before.get(name, 0) + training["pairs"].get(name, 0) for name in sources}
        return {
            "revision": self.manifest.revision, "pairs": pairs, "files": seen_by(self.manifest), "licences": self.manifest.licences,
            "splits": splits_of(self.manifest),
        }  # fmt: skip

    def of(self, rows: Rows, target: Array, p_family: Array) -> dict[str, Array]:
        """Return what the bundle's own graph says of rows for target models; also `near`, `familiar` [n] and `cosines` [n, c], as the bundle's outputs."""
        inputs = {"embeddings": rows.embeddings, "features": rows.features, "target": target}
        values = self._session.run([self.names[name] for name in self._asked], inputs)
        said = dict(zip(self._asked, values, strict=True))
        return {name: v if name in WIDE else v[:, 0] for name, v in said.items()}

    def add_to(self, g: Graph) -> dict[str, str]:
        """Add the bundle's graph and what follows from it; also the names of `read`, `near`, `familiar` and `cosines`."""
        g.nodes.extend(self._graph.node)
        g.constants.extend(self._graph.initializer)
        column = {
            name: g.column(f"{BASE}{name}", f"{OURS}{name}_column")
            for name in ("gain_logs", "gain_prior", "from_logs", "worth", "score_direct", "extra_tokens", "familiar", "near")
        }  # fmt: skip
        scale = g.columns_of("target", 2, 3, f"{OURS}scale")
        out = self._calibrated(g, column)
        out |= {name: column[name] for name in ("worth", "score_direct", "familiar", "near")}
        out |= {"outcomes": f"{BASE}outcomes", "cosines": f"{BASE}cosines"}
        for name, tokens in (
            ("log_extra", column["extra_tokens"]),
            ("log_thinking", f"{BASE}thinking_quantiles"),
        ):
            out[name] = g.node("Sub", [g.node("Log", [tokens], f"{OURS}{name}_scaled"), scale], f"{OURS}{name}")
        known = {**out, "from_logs": column["from_logs"]}
        exact = g.node("Concat", [known[name] for name in self.READ], f"{OURS}exact", axis=1)
        step = g.constant(f"{OURS}step", 1 / READ_STEP)
        steps = g.node("Round", [g.node("Mul", [exact, step], f"{OURS}in_steps")], f"{OURS}rounded")
        out["read"] = g.node("Div", [steps, step], f"{OURS}read")
        return out

    def _calibrated(self, g: Graph, column: Mapping[str, str]) -> dict[str, str]:
        """Add the calibrated gain and its band, as `contract.policy.calibrated_gain` has them."""
        calibration = self.manifest.calibration
        rest = g.node("Sub", [g.constant(f"{OURS}all", 1.0), column["from_logs"]], f"{OURS}rest")
        gains, squares = [], []
        for name, weight in (("gain_logs", column["from_logs"]), ("gain_prior", rest)):
            curve, own = getattr(calibration, name), f"{OURS}{name}"
            at = {
                side: g.interp(column[name], curve.x, getattr(curve, side), f"{own}_{side}")
                for side in ("y", "lower", "upper")
            }
            gains.append(g.node("Mul", [weight, at["y"]], f"{own}_part"))
            sides = [
                g.node("Sub", [at["y"], at["lower"]], f"{own}_below"),
                g.node("Sub", [at["upper"], at["y"]], f"{own}_above"),
            ]
            half = g.node("Mul", [weight, g.node("Concat", sides, f"{own}_sides", axis=1)], f"{own}_half")
            squares.append(g.node("Mul", [half, half], f"{own}_square"))
        own = g.node("Mul", [rest, f"{BASE}prior_band"], f"{OURS}prior_band_part")
        squares.append(g.node("Mul", [own, own], f"{OURS}prior_band_square"))
        return {
            "gain": g.node("Add", gains, f"{OURS}gain"),
            "band": g.node("Sqrt", [g.node("Sum", squares, f"{OURS}band_squares")], f"{OURS}band"),
        }
