"""Turns fitted heads into one ONNX graph, proves it equal to them, and writes the bundle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from contract.bundle import MANIFEST, QUANTILES, SHARE_EQUAL, Bundle, Manifest, sha256
from contract.calibration import Calibration
from contract.errors import ParityFailed
from contract.features import FEATURE_NAMES
from contract.policy import decide
from contract.profiles import Profile
from contract.scorer import SCALARS, Scorer
from training.evidence import Rows
from training.extent import ASCII, ATTACHMENTS, CJK, LENGTH, MOST_CJK, Extent
from training.graph import Graph
from training.heads import DEAREST, LEAST_PROBABILITY, MEMBERS, VERDICTS, Heads

LARGEST_DIFFERENCE = 1e-5
"""Largest |difference| of a probability or score, on at least `SHARE_EQUAL` of the rows; tokens relative."""

Array = NDArray[Any]


def graph_of(heads: Heads) -> onnx.ModelProto:
    """Return the one graph of all heads: (embeddings [n, 2 d], features [n, f], target [n, 3]) -> the outputs of `Heads.predict`."""
    g = Graph()
    heads.inputs.add_to(g)
    known = heads.background.add_to(g)
    z = g.node("Concat", ["z", known["read"]], "z_read", axis=1) if "read" in known else "z"
    trees = {name: g.tree(estimator, name, z, heads.width) for name, estimator in heads.trees.items()}
    share = _share_of_logs(g, heads, known)
    g.mixing_weight(heads.linear["from_logs"], "logs", share)
    g.mixing_weight(heads.linear["tokens_from_logs"], "tokens", share if heads.base else None)
    g.flat(known["gain"], "gain_prior")
    g.node("Identity", [known["band"]], "prior_band")
    g.flat("logs_weight", "from_logs")
    g.flat(g.mix(trees["score_direct"], known["score_direct"], "logs", "score_direct_mixed"), "score_direct")
    _add_tokens(g, heads, trees, known)
    _add_averages(g, heads, trees, known)
    _add_probabilities(g, heads, trees["outcome"], known)
    _add_familiarity(g, heads, known, share)
    columns = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in SCALARS]
    widths = {
        "prior_band": 2, "outcomes": len(VERDICTS), "thinking_quantiles": len(QUANTILES), "p_family": len(heads.tasks),
        "cosines": max(len(heads.known_neighbourhoods), 1), **{f"p_{name}": len(VERDICTS) for name in heads.scaling},
    }  # fmt: skip
    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", w]) for name, w in widths.items()]
    return g.model(heads.inputs.dimension, [*columns, *wide])


def _share_of_logs(g: Graph, heads: Heads, known: Mapping[str, str]) -> str:
    cover = heads.cover
    own = g.node("MatMul", ["ask", g.constant("logged_centres", cover.centres.T)], "logged_cosines")
    theirs = [known["cosines"]] if heads.base and heads.base.manifest.neighbourhoods else []
    ours = [own] if heads.neighbourhoods or not theirs else []
    g.node("Concat", [*ours, *theirs], "cosines", axis=1)
    near = g.node("ReduceMax", [own], "near_logged", axes=[1], keepdims=1)
    beyond = g.node("Sub", [near, g.constant("cover_middle", cover.middle)], "near_beyond")
    return g.node(
        "Sigmoid", [g.node("Div", [beyond, g.constant("cover_width", cover.width)], "cover_logit")], "cover_share"
    )


def _add_familiarity(g: Graph, heads: Heads, known: Mapping[str, str], share: str) -> None:
    """Add near and familiar; see `Heads._familiar`."""
    family = g.node("ReduceMax", ["near_family"], "nearest_family", axes=[1], keepdims=1)
    own = g.node("Max", ["near_logged", family], "near_evidence")
    g.flat(g.node("Max", [own, known["near"]], "near_of_both") if "near" in known else own, "near")
    logit = g.linear(
        g.node("Concat", ["u_words", own], "u_words_near", axis=1), heads.linear["familiar"], "familiar_logit"
    )
    closed, held = (
        _holds(g, extent, name)
        for name, extent in (("closed", Extent(longest=heads.extent.longest)), ("held", heads.extent))
    )
    more = g.node("Mul", [g.node("Sub", [held, closed], "held_by_logs"), share], "held_within_reach")
    readable = g.node("Add", [closed, more], "readable")
    read = g.node("Mul", [g.node("Sigmoid", [logit], "familiar_text"), readable], "familiar_evidence")
    if "familiar" in known:
        before = known["familiar"]
        gained = g.node("Sub", [g.node("Max", [read, before], "familiar_of_both"), before], "familiar_gained")
        read = g.node("Add", [before, g.node("Mul", [gained, share], "familiar_within_reach")], "familiar_column")
    g.flat(read, "familiar")


def _holds(g: Graph, extent: Extent, name: str) -> str:
    """Add 1 for a prompt of a script, a length and attachments that an extent holds, else 0, [n, 1]; see `Extent.holds`."""
    shares = {
        what: g.columns_of("features", column, column + 1, f"{name}_{what}_share")
        for what, column in (("cjk", CJK), ("ascii", ASCII), ("length", LENGTH), ("attachments", ATTACHMENTS))
    }
    bounds = {
        "other": ("Less", shares["cjk"], MOST_CJK),
        "ascii": ("Greater", shares["ascii"], extent.least_ascii),
        "covered": ("Less", shares["cjk"], extent.most_cjk),
        "short": ("LessOrEqual", shares["length"], extent.longest),
        "beside": ("LessOrEqual", shares["attachments"], extent.attachments),
    }
    true = {
        what: g.node(kind, [value, g.constant(f"{name}_{what}_bound", bound)], f"{name}_is_{what}")
        for what, (kind, value, bound) in bounds.items()
    }
    readable = g.node("Or", [true["ascii"], g.node("Not", [true["other"]], f"{name}_is_cjk")], f"{name}_is_readable")
    both = g.node("And", [true["covered"], readable], f"{name}_is_of_script")
    within = g.node("And", [true["short"], true["beside"]], f"{name}_is_within")
    return g.node("Cast", [g.node("And", [both, within], f"{name}_is_held")], name, to=TensorProto.FLOAT)


def _add_averages(g: Graph, heads: Heads, trees: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Add gain_logs and worth, the members' means by their shares; see `Heads._members`."""
    balance = g.node(
        "MatMul", [trees["outcome"], g.constant("gain_less_loss", [[1.0], [0.0], [-1.0]])], "outcome_balance"
    )
    linear = {
        name: g.node("Add", [known[name], g.linear("u", heads.linear[name], f"{name}_correction")], f"{name}_linear")
        for name in MEMBERS
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


def _add_tokens(g: Graph, heads: Heads, trees: Mapping[str, str], known: Mapping[str, str]) -> None:
    scale = g.columns_of("target", 2, 3, "target_scale")
    mean = g.node(
        "Add", [trees["log_extra_tokens"], g.constant("log_smearing", np.log(heads.smearing))], "log_extra_mean"
    )
    extra = g.node("Add", [g.mix(mean, known["log_extra"], "tokens", "extra_mean_mixed"), scale], "log_extra_scaled")
    g.flat(g.node("Exp", [extra], "extra_column"), "extra_tokens")
    logs = g.node(
        "Add", [trees["log_thinking"], g.constant("thinking_offsets", heads.thinking_offsets)], "log_thinking"
    )
    thought = g.mix(logs, known["log_thinking"], "tokens", "log_thinking_mixed")
    g.node("Exp", [g.node("Add", [thought, scale], "log_thinking_scaled")], "thinking_quantiles")


def _add_probabilities(g: Graph, heads: Heads, outcome: str, known: Mapping[str, str]) -> None:
    g.mix(outcome, known["outcomes"], "logs", "outcomes")
    ends = [g.constant("outcome_low", LEAST_PROBABILITY), g.constant("outcome_high", 1.0)]
    logs = g.node("Log", [g.node("Clip", ["outcomes", *ends], "outcome_clip")], "outcome_log")
    gain = g.mix(g.column("gain_logs", "gain_logs_column"), known["gain"], "logs", "gain_mixed")
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
        usual_features=tuple(map(float, heads.usual_features)), neighbourhoods=heads.known_neighbourhoods, **known,
    )  # fmt: skip
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    Bundle(folder)  # what was written can be read
    return manifest
