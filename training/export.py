"""Turns fitted heads into one ONNX graph, proves it equal to them, and writes the bundle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from contract.bundle import MANIFEST, QUANTILES, Bundle, Calibration, Manifest, sha256
from contract.errors import ParityFailed
from contract.features import FEATURE_NAMES
from contract.policy import decide
from contract.profiles import Profile
from contract.scorer import SCALARS, Scorer
from training.evidence import Rows
from training.graph import Graph
from training.heads import LEAST_PROBABILITY, VERDICTS, Heads
from training.prior import token_offsets

LARGEST_DIFFERENCE = 1e-5
"""Largest |difference| of a probability or score, on at least `SHARE_EQUAL` of the rows; tokens relative."""
SHARE_EQUAL = 0.999

Array = NDArray[Any]


def graph_of(heads: Heads) -> onnx.ModelProto:
    """Return the one graph of all heads: (embeddings [n, 2 d], features [n, f]) -> the outputs of `Heads.predict`."""
    g, prior = Graph(), heads.prior
    heads.inputs.add_to(g)
    trees = {name: g.tree(estimator, name, heads.inputs.width) for name, estimator in heads.trees.items()}
    g.mixing_weight(heads.linear["from_logs"], "logs")
    g.mixing_weight(heads.linear["tokens_from_logs"], "tokens")
    gain_prior = g.of_family(prior.gain[:, None], "gain")
    g.flat(g.node("Mean", [trees["gain"], gain_prior], "gain_mean"), "gain_logs")
    g.flat(gain_prior, "gain_prior")
    g.flat("logs_weight", "from_logs")
    for name in ("score_direct", "score_reasoning"):
        of_family = g.of_family(getattr(prior, name)[:, None], name)
        g.flat(g.mix(trees[name], of_family, "logs", f"{name}_mixed"), name)
    _add_tokens(g, heads, trees)
    for name, scaling in heads.scaling.items():
        mixed = g.mix(trees[f"label_{name}"], g.of_family(prior.labels[name], name), "logs", f"{name}_mixed")
        ends = [g.constant(f"{name}_low", LEAST_PROBABILITY), g.constant(f"{name}_high", 1.0)]
        logs = g.node("Log", [g.node("Clip", [mixed, *ends], f"{name}_clip")], f"{name}_log")
        g.node("Softmax", [g.linear(logs, scaling, f"{name}_scaled")], f"p_{name}", axis=1)
    near = g.node("MatMul", ["ask", g.constant("centroids", heads.centroids.T)], "near_all")
    g.node("ReduceMax", [near], "near", axes=[1], keepdims=1)
    logit = g.linear(g.node("Concat", ["u", "near"], "u_near", axis=1), heads.linear["familiar"], "familiar_logit")
    g.flat(g.node("Sigmoid", [logit], "familiar_column"), "familiar")
    columns = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in SCALARS]
    widths = {"extra_quantiles": len(QUANTILES), "thinking_quantiles": len(QUANTILES), "p_family": len(heads.tasks)}
    widths |= {f"p_{name}": len(VERDICTS) for name in heads.scaling}
    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", w]) for name, w in widths.items()]
    return g.model(heads.inputs.dimension, [*columns, *wide])


def _add_tokens(g: Graph, heads: Heads, trees: Mapping[str, str]) -> None:
    prior = g.of_family(heads.prior.log_tokens[:, None], "log_tokens")
    smearing = g.constant("log_smearing", np.log(heads.smearing))
    mean = g.node("Add", [trees["log_extra_tokens"], smearing], "log_extra_mean")
    g.flat(g.node("Exp", [g.mix(mean, prior, "tokens", "extra_mean_mixed")], "extra_mixed"), "extra_tokens")
    spread = g.node("Add", [prior, g.constant("token_offsets", token_offsets(QUANTILES))], "prior_quantiles")
    for kind in ("extra", "thinking"):
        logs = g.node("Concat", [trees[f"log_{kind}_{level}"] for level in QUANTILES], f"log_{kind}", axis=1)
        g.node("Exp", [g.mix(logs, spread, "tokens", f"log_{kind}_mixed")], f"{kind}_quantiles")


def check_parity(scorer: Scorer, heads: Heads, rows: Rows) -> dict[str, Any]:
    """Compare the exported graph with the fitted heads on rows they have not seen: every output, and every verdict.

    Returns:
        By output, the largest difference and the share of rows that are equal; rows, and verdicts_compared over all profiles.

    Raises:
        ParityFailed: an output differs by more than `LARGEST_DIFFERENCE` on more than 0.1 % of the rows, or a verdict flips.
    """
    exported, fitted = scorer.run(rows.embeddings, rows.features), heads.predict(rows)
    report: dict[str, Any] = {"rows": len(rows.table)}
    for name, wanted in fitted.items():
        scale = np.maximum(np.abs(wanted), 1.0)  # tokens run to thousands: relative there, absolute for points
        gap = np.abs(exported[name] - wanted) / scale
        gap = gap.max(axis=1) if gap.ndim == 2 else gap
        equal = float((gap <= LARGEST_DIFFERENCE).mean())
        report[name] = {"largest": float(gap.max()), "equal": equal}
        if equal < SHARE_EQUAL:
            raise ParityFailed(
                f"{name}: the graph equals the estimator on {equal:.2%} of {len(gap)} rows; {SHARE_EQUAL:.1%} are needed; no bundle was written"
            )
    report["verdicts_compared"] = 0
    for name, profile in scorer.manifest.profiles.items():
        for i in range(len(rows.table)):
            one, other = (
                decide(scorer.unpack(out, i), profile, scorer.manifest.calibration) for out in (exported, fitted)
            )
            report["verdicts_compared"] += 1
            if one.verdict is not other.verdict:
                raise ParityFailed(
                    f"profile {name}: a verdict flips from {other.verdict} to {one.verdict} in the export; no bundle was written"
                )
    return report


def write_graph(heads: Heads, path: Path) -> None:
    """Write the graph; the same heads give the same bytes."""
    path.write_bytes(graph_of(heads).SerializeToString(deterministic=True))


def write_manifest(
    folder: Path, *, heads: Heads, calibration: Calibration, profiles: Mapping[str, Profile], **known: Any
) -> Manifest:
    """Write manifest.json over the files that lie in the folder."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    manifest = Manifest(
        files=files, feature_names=FEATURE_NAMES, tasks=heads.tasks, quantiles=QUANTILES, profiles=dict(profiles),
        calibration=calibration, **known,
    )  # fmt: skip
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    Bundle(folder)  # what was written can be read
    return manifest
