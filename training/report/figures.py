"""The report's figures, drawn from the report alone and without a display; white ground, so that they read in a dark page too."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.metrics import ranged, shown
from training.report.curves import hull
from training.report.orders import OURS

COLOURS = {
    OURS: "#0072B2",
    "task mean": "#D55E00",
    "prompt length": "#CC79A7",
    "oracle": "#009E73",
    "random": "#707070",
}
"""Colours that people with colour blindness tell apart (Okabe and Ito 2008); each line has a style of its own, too."""

STYLES = {OURS: "-", "task mean": "--", "prompt length": "-.", "oracle": (0, (1, 1)), "random": ":"}
VERDICT_COLOURS = {"use": "#0072B2", "maybe": "#999999", "avoid": "#D55E00"}
SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "thinkworth", "svg.fonttype": "path", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.alpha": 0.25, "legend.framealpha": 0.85, "legend.edgecolor": "white",
}  # fmt: skip


MARGINS = {"left": 0.14, "right": 0.98, "top": 0.97, "bottom": 0.14}
"""Of a figure 6 inches wide, fixed: a layout that measures its texts draws every figure twice and takes three times as long."""


class Drawn(NamedTuple):
    """A figure, and what it shows in words for whoever does not see it."""

    figure: Figure
    alt: str


def figures(report: Mapping[str, Any]) -> dict[str, Drawn]:
    """Return the figures of a report of `training.evaluate` by name; without a pair there is none."""
    if not report["sources"]:
        return {}
    with mpl.rc_context(SETTINGS):
        told = report["reliability"]
        return {
            "cost_quality": cost_quality(report["pooled"]["efficiency"]),
            "reliability_p_use": p_use(told["p_use"]),
            "reliability_net_benefit": net_benefit(told["net_benefit"]["tenths"]),
            "risk_coverage": risk_coverage(report["risk_coverage"]),
        }


def of_sources(report: Mapping[str, Any]) -> dict[str, Drawn]:
    """Return the figure of cost against quality of each source."""
    with mpl.rc_context(SETTINGS):
        return {name: cost_quality(source["efficiency"]) for name, source in report["sources"].items()}


def cost_quality(efficiency: Mapping[str, Any]) -> Drawn:
    """Draw the mean score against extra tokens as more prompts think, in each order; and the frontier of ours."""
    figure, axes = _axes("extra tokens a prompt", "mean score")
    for name, colour in COLOURS.items():
        points = efficiency[name]["curve"]
        axes.plot(points["tokens"], points["score"], color=colour, linestyle=STYLES[name], label=name, linewidth=1.8)
    own = efficiency[OURS]["curve"]
    x, y = hull(np.array(own["tokens"]), np.array(own["score"]))
    axes.plot(x, y, color=COLOURS[OURS], linewidth=6, alpha=0.2, label="frontier of ours")
    axes.legend()
    most = own["tokens"][-1]
    half = "; ".join(
        f"{name} {np.interp(most / 2, points['tokens'], points['score']):.3f}"
        for name, points in ((name, efficiency[name]["curve"]) for name in COLOURS)
    )
    alt = (
        f"Mean score against extra tokens a prompt: from {own['score'][0]:.3f} where none thinks to {own['score'][-1]:.3f} at "
        f"{most:,.0f} tokens where all think. At half of those tokens: {half}."
    )
    return Drawn(figure, alt)


def p_use(told: Mapping[str, Any]) -> Drawn:
    """Draw how often a pair's label is `use` against P(use), by bins of equal mass, with 95 % intervals."""
    figure, axes = _axes("predicted P(use), mean of the bin", "share of pairs labelled use")
    axes.plot([0, 1], [0, 1], color="#707070", linestyle=":", label="what was predicted")
    _points(axes, told["bins"], COLOURS[OURS], "realised, 95 % interval")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="upper left")
    gaps = [b["realised"] - b["predicted"] for b in told["bins"]]
    alt = (
        f"Reliability of P(use) in {len(gaps)} bins: realised minus predicted from {min(gaps):+.3f} to {max(gaps):+.3f}; "
        f"calibration error {ranged(**told['ece'])}."
    )
    return Drawn(figure, alt)


def net_benefit(parts: Sequence[Mapping[str, Any]]) -> Drawn:
    """Draw realised against predicted net_benefit by tenths, corrected intervals, above the mix of verdicts in each."""
    figure = Figure(figsize=(6, 5.4))
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), gridspec_kw=MARGINS | {"bottom": 0.1, "hspace": 0.5})
    ends = [min(p["predicted"] for p in parts), max(p["predicted"] for p in parts)]
    above.plot(ends, ends, color="#707070", linestyle=":", label="what was predicted")
    above.axhline(0, color="black", linewidth=0.8)
    _points(above, parts, COLOURS[OURS], "realised, 95 % interval corrected for 10")
    above.set(xlabel="predicted net_benefit, mean of the tenth (points)", ylabel="realised (points)")
    above.legend(loc="upper left")
    place, floor = np.array([p["tenth"] for p in parts]), np.zeros(len(parts))
    for verdict, colour in VERDICT_COLOURS.items():
        share = np.array([p["verdicts"][verdict] / p["n"] for p in parts])
        below.bar(place, share, bottom=floor, color=colour, label=verdict)
        floor = floor + share
    below.set(xlabel="tenth of predicted net_benefit", ylabel="verdicts", xticks=place, yticks=[0, 1])
    below.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.45))
    told = "; ".join(f"{p['tenth']}: {p['predicted']:+.3f} and {p['realised']:+.3f}" for p in parts)
    return Drawn(figure, f"Predicted and realised net_benefit by tenths, in points: {told}.")


def risk_coverage(told: Mapping[str, Any]) -> Drawn:
    """Draw the accuracy of verdicts and q as only the most familiar prompts are covered."""
    figure, axes = _axes("coverage: share of prompts, the most familiar first", "accuracy of use and avoid · q")
    points = told["points"]
    coverage = [p["coverage"] for p in points]
    for key, label, colour, style in (
        ("accuracy_differ", "accuracy of the verdicts where arms differ", COLOURS[OURS], "-o"),
        ("accuracy", "accuracy of all verdicts", COLOURS["prompt length"], ":^"), ("q", "q, mean within sources", COLOURS["task mean"], "--s"),
    ):  # fmt: skip
        values = [np.nan if p[key] is None else p[key] for p in points]
        axes.plot(coverage, values, style, color=colour, label=label, markersize=4)
    axes.set(xlim=(0, 1.02))
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]), top=max(1.0, axes.get_ylim()[1]))
    axes.legend()
    alt = "Accuracy of verdicts where arms differ by coverage: " + "; ".join(
        f"{p['coverage']:.0%} {shown(p['accuracy_differ'])}, q {shown(p['q'])}" for p in points
    )
    return Drawn(figure, f"{alt}. Area under the risk {shown(told['area']['value'])}.")


def data_uri(figure: Figure) -> str:
    """Return a figure as the address of an SVG that holds it: equal figures, equal bytes."""
    out = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(out, format="svg", metadata={"Date": None}, facecolor="white")
    return f"data:image/svg+xml;base64,{base64.b64encode(out.getvalue()).decode()}"


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6, 4.2))
    axes = figure.subplots(gridspec_kw=MARGINS)
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def _points(axes: Axes, parts: Sequence[Mapping[str, Any]], colour: str, label: str) -> None:
    x, y = np.array([p["predicted"] for p in parts]), np.array([p["realised"] for p in parts])
    bounds = [p["interval"] or (p["realised"], p["realised"]) for p in parts]
    low, high = np.array(bounds).T
    axes.errorbar(
        x, y, yerr=(y - low, high - y), fmt="o", color=colour, markersize=4, elinewidth=1, capsize=2, label=label
    )
