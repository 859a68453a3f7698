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
from training.clusters import Cover
from training.evidence import Rows
from training.graph import Graph
from training.heads import DEAREST, LEAST_PROBABILITY, VERDICTS, Heads
from training.prior import LIKELY, Z95, Prior, token_offsets
from training.scripts import ASCII, CJK, MOST_CJK, Scripts

LARGEST_DIFFERENCE = 1e-5
"""Largest |difference| of a probability or score, on at least `SHARE_EQUAL` of the rows; tokens relative."""
SHARE_EQUAL = 0.999

Array = NDArray[Any]


def graph_of(heads: Heads) -> onnx.ModelProto:
    """Return the one graph of all heads: (embeddings [n, 2 d], features and words [n, f + w], target [n, 3]) -> the outputs of `Heads.predict`."""
    g, prior = Graph(), heads.prior
    heads.inputs.add_to(g)
    trees = {name: g.tree(estimator, name, heads.inputs.width) for name, estimator in heads.trees.items()}
    g.mixing_weight(heads.linear["from_logs"], "logs", _share_of_logs(g, heads.cover))
    g.mixing_weight(heads.linear["tokens_from_logs"], "tokens")
    gain_prior = g.of_family(prior.gain[:, None], "gain")
    g.flat(gain_prior, "gain_prior")
    _add_prior_band(g, prior, gain_prior)
    g.flat("logs_weight", "from_logs")
    direct = g.of_family(prior.score_direct[:, None], "score_direct")
    g.flat(g.mix(trees["score_direct"], direct, "logs", "score_direct_mixed"), "score_direct")
    _add_tokens(g, heads, trees)
    _add_averages(g, heads, trees, gain_prior)
    _add_probabilities(g, heads, trees["outcome"])
    family = g.node("ReduceMax", ["near_family"], "nearest_family", axes=[1], keepdims=1)
    near = g.node("Max", ["near_logged", family], "near_column")
    g.flat(near, "near")
    logit = g.linear(g.node("Concat", ["u", near], "u_near", axis=1), heads.linear["familiar"], "familiar_logit")
    read = g.node("Mul", [g.node("Sigmoid", [logit], "familiar_text"), _holds(g, heads.scripts)], "familiar_column")
    g.flat(read, "familiar")
    columns = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in SCALARS]
    widths = {"thinking_quantiles": len(QUANTILES), "p_family": len(heads.tasks), "cosines": len(heads.cover.centres)}
    widths["prior_band"] = 2
    widths |= {f"p_{name}": len(VERDICTS) for name in heads.scaling}
    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", w]) for name, w in widths.items()]
    return g.model(heads.inputs.dimension, [*columns, *wide])


def _add_prior_band(g: Graph, prior: Prior, gain: str) -> None:
    """Add how far below and above the gain of the families the true mean may lie; see `Prior.band`."""
    likely = g.node("Pow", ["p_family", g.constant("likely_power", float(LIKELY))], "p_likely")
    one = g.constant("family_axis", [1], np.int64)
    mean = g.node("MatMul", [likely, g.constant("likely_gain", prior.gain[:, None])], "likely_sum")
    mean = g.node("Div", [mean, g.node("ReduceSum", [likely, one], "likely_mass", keepdims=1)], "likely_mean")
    step = g.node("Sub", [mean, gain], "likely_step")
    squared = g.node("Mul", ["p_family", "p_family"], "p_family_squared")
    own = g.node("MatMul", [squared, g.constant("family_variance", Z95**2 * prior.variance[:, None])], "prior_variance")
    sides = {}
    for name, way in (("below", g.node("Neg", [step], "likely_fall")), ("above", step)):
        far = g.node("Relu", [way], f"prior_{name}_step")
        both = g.node("Add", [own, g.node("Mul", [far, far], f"prior_{name}_squared")], f"prior_{name}_both")
        sides[name] = g.node("Sqrt", [both], f"prior_{name}")
    g.node("Concat", [*sides.values()], "prior_band", axis=1)


def _share_of_logs(g: Graph, cover: Cover) -> str:
    g.node("MatMul", ["ask", g.constant("logged_centres", cover.centres.T)], "cosines")
    near = g.node("ReduceMax", ["cosines"], "near_logged", axes=[1], keepdims=1)
    beyond = g.node("Sub", [near, g.constant("cover_middle", cover.middle)], "near_beyond")
    return g.node(
        "Sigmoid", [g.node("Div", [beyond, g.constant("cover_width", cover.width)], "cover_logit")], "cover_share"
    )


def _holds(g: Graph, scripts: Scripts) -> str:
    """Add 1 for a prompt of a script that the evidence holds, else 0, [n, 1]; see `Scripts.holds`."""
    shares = {}
    for name, column in (("cjk", CJK), ("ascii", ASCII)):
        ends = [
            g.constant(f"{name}_{end}", [at], np.int64)
            for end, at in (("start", column), ("end", column + 1), ("axis", 1))
        ]
        shares[name] = g.node("Slice", ["features", *ends], f"{name}_share")
    other = g.node("Less", [shares["cjk"], g.constant("cjk_bound", MOST_CJK)], "is_no_cjk")
    ascii_ = g.node("Greater", [shares["ascii"], g.constant("least_ascii", scripts.least_ascii)], "is_ascii")
    readable = g.node("Or", [ascii_, g.node("Not", [other], "is_cjk")], "is_readable")
    covered = g.node("Less", [shares["cjk"], g.constant("most_cjk", scripts.most_cjk)], "is_covered")
    return g.node("Cast", [g.node("And", [covered, readable], "is_held")], "script_held", to=TensorProto.FLOAT)


def _add_averages(g: Graph, heads: Heads, trees: Mapping[str, str], gain_prior: str) -> None:
    """Add gain_logs and worth, the members' means by their shares; see `Heads.members`."""
    usual = g.constant("usual_log_tokens", np.mean(heads.prior.log_tokens))
    spent = g.node("Exp", [g.node("Sub", ["log_tokens_of_family", usual], "log_spent")], "prior_spent")
    known = {"gain": gain_prior, "worth": g.node("Div", [gain_prior, spent], "worth_prior")}
    balance = g.node(
        "MatMul", [trees["outcome"], g.constant("gain_less_loss", [[1.0], [0.0], [-1.0]])], "outcome_balance"
    )
    linear = {
        name: g.node("Add", [prior, g.linear("u", heads.linear[name], f"{name}_correction")], f"{name}_linear")
        for name, prior in known.items()
    }
    network = g.network("v", heads.networks["worth"], "worth_network")
    members = {
        "gain": [trees["gain"], balance, linear["gain"], known["gain"]],
        "worth": [trees["worth"], network, linear["worth"], trees["gain"], balance, known["worth"]],
    }
    means = {}
    for name, columns in members.items():
        shares = g.constant(f"{name}_shares", heads.shares[name][:, None])
        means[name] = g.node("MatMul", [g.node("Concat", columns, f"{name}_members", axis=1), shares], f"{name}_mean")
    g.flat(means["gain"], "gain_logs")
    g.flat(g.mix(means["worth"], known["worth"], "logs", "worth_mixed"), "worth")


def _add_tokens(g: Graph, heads: Heads, trees: Mapping[str, str]) -> None:
    ends = [g.constant(f"scale_{name}", [value], np.int64) for name, value in (("start", 2), ("end", 3), ("axis", 1))]
    scale = g.node("Slice", ["target", *ends], "target_scale")
    prior = g.of_family(heads.prior.log_tokens[:, None], "log_tokens")
    mean = g.node(
        "Add", [trees["log_extra_tokens"], g.constant("log_smearing", np.log(heads.smearing))], "log_extra_mean"
    )
    extra = g.node("Add", [g.mix(mean, prior, "tokens", "extra_mean_mixed"), scale], "log_extra_scaled")
    g.flat(g.node("Exp", [extra], "extra_column"), "extra_tokens")
    spread = g.node("Add", [prior, g.constant("token_offsets", token_offsets(QUANTILES))], "prior_quantiles")
    logs = g.node(
        "Add", [trees["log_thinking"], g.constant("thinking_offsets", heads.thinking_offsets)], "log_thinking"
    )
    scaled = g.node("Add", [g.mix(logs, spread, "tokens", "log_thinking_mixed"), scale], "log_thinking_scaled")
    g.node("Exp", [scaled], "thinking_quantiles")


def _add_probabilities(g: Graph, heads: Heads, outcome: str) -> None:
    mixed = g.mix(outcome, g.of_family(heads.prior.outcomes, "outcome"), "logs", "outcome_mixed")
    ends = [g.constant("outcome_low", LEAST_PROBABILITY), g.constant("outcome_high", 1.0)]
    logs = g.node("Log", [g.node("Clip", [mixed, *ends], "outcome_clip")], "outcome_log")
    column = g.constant("column_shape", [-1, 1], np.int64)
    columns = {name: g.node("Reshape", [name, column], f"{name}_column") for name in ("gain_logs", "gain_prior")}
    gain = g.mix(columns["gain_logs"], columns["gain_prior"], "logs", "gain_mixed")
    dearest = [g.constant("price_low", 0.0), g.constant("price_high", DEAREST)]
    for name, scaling in heads.scaling.items():
        price = g.node(
            "Div", ["extra_column", g.constant(f"{name}_tokens_per_point", heads.prices[name])], f"{name}_price"
        )
        x = g.node("Concat", [logs, gain, g.node("Clip", [price, *dearest], f"{name}_clipped")], f"{name}_read", axis=1)
        g.node("Softmax", [g.linear(x, scaling, f"{name}_scaled")], f"p_{name}", axis=1)


def check_parity(scorer: Scorer, heads: Heads, rows: Rows) -> dict[str, Any]:
    """Compare the exported graph with the fitted heads on rows they have not seen: every output, and every verdict.

    Returns:
        By output, the largest difference and the share of rows that are equal; rows, and verdicts_compared over all profiles.

    Raises:
        ParityFailed: an output differs by more than `LARGEST_DIFFERENCE` on more than 0.1 % of the rows, or a verdict flips.
    """
    targets = scorer.targets(rows.table.model.tolist())
    exported, fitted = scorer.run(rows.embeddings, rows.features, targets), heads.predict(rows)
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
        calibration=calibration, models=heads.targets.known, population=heads.targets.population,
        usual_features=tuple(map(float, heads.usual_features)), neighbourhoods=heads.neighbourhoods, **known,
    )  # fmt: skip
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    Bundle(folder)  # what was written can be read
    return manifest
