"""Turns fitted heads into one ONNX graph, proves it equal to them, and writes the bundle, whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from contract.bundle import MANIFEST, QUANTILES, Bundle, Calibration, Manifest, sha256
from contract.errors import ParityFailed
from contract.features import FEATURE_NAMES
from contract.policy import decide
from contract.profiles import Profile
from contract.scorer import Scorer, open_session
from training.graph import Graph
from training.heads import Heads

LARGEST_DIFFERENCE = 1e-5
"""Largest |difference| of a probability or score, on at least `SHARE_EQUAL` of the rows; tokens relative."""
SHARE_EQUAL = 0.999

Array = NDArray[Any]


def graph_of(heads: Heads) -> onnx.ModelProto:
    """Return the one graph of all heads: (embeddings [n, 2 d], features [n, f]) -> the outputs of `Heads.predict`."""
    g, d = Graph(), heads.reduction.dimension
    heads.reduction.add_to(g)
    width = heads.reduction.width
    flat = g.constant("flat", [-1], np.int64)
    tree = {name: g.tree(estimator, name, width) for name, estimator in heads.trees.items()}
    for name in ("score_direct", "score_reasoning"):
        g.node("Reshape", [tree[name], flat], name)
    both = g.node("Add", [tree["gain"], g.linear("z", heads.gain_linear, "gain_linear")], "gain_sum")
    g.node("Reshape", [g.node("Mul", [both, g.constant("half", 0.5)], "gain_mean"), flat], "gain")
    mean = g.node("Exp", [tree["log_extra_tokens"]], "extra_raw")
    g.node(
        "Reshape",
        [g.node("Mul", [mean, g.constant("smearing", heads.smearing)], "extra_smeared"), flat],
        "extra_tokens",
    )
    for kind in ("extra", "thinking"):
        logs = g.node("Concat", [tree[f"log_{kind}_{level}"] for level in QUANTILES], f"log_{kind}", axis=1)
        g.node("Exp", [logs], f"{kind}_quantiles")
    for name, scaling in heads.scaling.items():
        clipped = g.node(
            "Clip",
            [tree[f"label_{name}"], g.constant(f"{name}_low", 1e-6), g.constant(f"{name}_high", 1.0)],
            f"{name}_clip",
        )
        g.node(
            "Softmax",
            [g.linear(g.node("Log", [clipped], f"{name}_log"), scaling, f"{name}_scaled")],
            f"p_{name}",
            axis=1,
        )
    _add_similarities(g, heads, flat)
    shapes = {"gain": 1, "score_direct": 1, "score_reasoning": 1, "extra_tokens": 1, "familiar": 1}
    shapes |= {
        "extra_quantiles": len(QUANTILES),
        "thinking_quantiles": len(QUANTILES),
        "task_similarity": len(heads.tasks),
    }
    shapes |= {f"p_{name}": 3 for name in heads.scaling}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"] if w == 1 else ["n", w])
        for name, w in shapes.items()
    ]
    return g.model(d, outputs)


def _add_similarities(g: Graph, heads: Heads, flat: str) -> None:
    near = g.node("MatMul", ["ask", g.constant("centroids", heads.centroids.T)], "near_all")
    g.node("ReduceMax", [near], "near", axes=[1], keepdims=1)
    logit = g.linear(g.node("Concat", ["z", "near"], "z_near", axis=1), heads.familiar, "familiar_logit")
    g.node("Reshape", [g.node("Sigmoid", [logit], "familiar_column"), flat], "familiar")


def check_parity(path: Path, heads: Heads, embeddings: Array, features: Array) -> dict[str, Any]:
    """Compare the graph on disk with the fitted heads on rows they have not seen.

    Raises:
        ParityFailed: an output differs by more than `LARGEST_DIFFERENCE` on more than 0.1 % of the rows.
    """
    session = open_session(path)
    names = [output.name for output in session.get_outputs()]
    exported = dict(zip(names, session.run(names, {"embeddings": embeddings, "features": features}), strict=True))
    report: dict[str, Any] = {"rows": len(embeddings)}
    for name, wanted in heads.predict(embeddings, features).items():
        scale = np.maximum(np.abs(wanted), 1.0)  # tokens run to thousands: relative there, absolute for points
        gap = np.abs(exported[name] - wanted) / scale
        gap = gap.max(axis=1) if gap.ndim == 2 else gap
        equal = float((gap <= LARGEST_DIFFERENCE).mean())
        report[name] = {"largest": float(gap.max()), "equal": equal}
        if equal < SHARE_EQUAL:
            raise ParityFailed(
                f"{name}: the graph equals the estimator on {equal:.2%} of {len(gap)} rows; {SHARE_EQUAL:.1%} are needed; no bundle was written"
            )
    return report


def check_verdicts(scorer: Scorer, heads: Heads, embeddings: Array, features: Array) -> int:
    """Return the number of rows and profiles compared; every verdict of the graph is that of the fitted heads.

    Raises:
        ParityFailed: a verdict flips.
    """
    exported, fitted = scorer.run(embeddings, features), heads.predict(embeddings, features)
    compared = 0
    for name, profile in scorer.manifest.profiles.items():
        for i in range(len(embeddings)):
            one, other = (
                decide(scorer.unpack(rows, i), profile, scorer.manifest.calibration) for rows in (exported, fitted)
            )
            compared += 1
            if one.verdict is not other.verdict:
                raise ParityFailed(
                    f"profile {name}: a verdict flips from {other.verdict} to {one.verdict} in the export; no bundle was written"
                )
    return compared


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
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    Bundle(folder)  # what was written can be read
    return manifest


def put_in_place(temporary: Path, out: Path) -> None:
    """Move a finished bundle to `out`; an existing one is replaced and is there until then."""
    old = out.with_name(f".{out.name}.{uuid4().hex[:8]}.old")
    if out.exists():
        out.replace(old)
    temporary.replace(out)
    shutil.rmtree(old, ignore_errors=True)
