"""Figures of a training run, drawn without a display."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from contract.calibration import Calibration, Curve
from contract.scorer import Scorer
from training.evidence import Rows
from training.report.answers import predictions
from training.report.figures import MARGINS
from training.report.outcomes import realised_extra_tokens


def gain_calibration(curves: Mapping[str, Curve]) -> Figure:
    """Draw realised against predicted gain with its local 95 % band, a panel for each curve."""
    figure = Figure(figsize=(5.5 * len(curves), 4.5))
    panels = figure.subplots(
        1, len(curves), squeeze=False, gridspec_kw=MARGINS | {"top": 0.9, "left": 0.08, "wspace": 0.2}
    )[0]
    for axes, (name, curve) in zip(panels, curves.items(), strict=True):
        axes.fill_between(curve.x, curve.lower, curve.upper, alpha=0.25, label="95 % band of the local mean")
        axes.plot(curve.x, curve.y, marker="o", label="realised")
        axes.plot(curve.x, curve.x, linestyle=":", color="grey", label="predicted")
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set(xlabel=f"gain predicted by {name} (points)", ylabel="realised gain (points)")
        axes.legend()
    figure.suptitle("Calibration of gain")
    return figure


def cost_quality(
    worth: NDArray[Any], gain: NDArray[Any], extra_tokens: NDArray[Any], score_direct: NDArray[Any], title: str
) -> Figure:
    """Draw the score against the share of extra tokens spent when prompts think in descending worth."""
    figure = Figure(figsize=(6, 4.5))
    axes = figure.subplots(gridspec_kw=MARGINS | {"top": 0.92})
    for name, key in (("ours", worth), ("oracle", gain / np.maximum(extra_tokens, 1.0))):
        order = np.argsort(-key, kind="stable")
        spent = np.r_[0, np.cumsum(extra_tokens[order])] / extra_tokens.sum()
        axes.plot(spent, score_direct.mean() + np.r_[0, np.cumsum(gain[order])] / len(gain), label=name)
    axes.plot([0, 1], [score_direct.mean(), (score_direct + gain).mean()], linestyle=":", color="grey", label="random")
    axes.set(xlabel="share of the extra tokens spent", ylabel="mean score", title=title)
    axes.legend()
    return figure


def of_holdout(scorer: Scorer, rows: Rows, calibration: Calibration) -> dict[str, Figure]:
    """Return the figures of a training by name, on held-out pairs; of cost and quality there is none where no held-out prompt is logged."""
    drawn = {"gain_calibration": gain_calibration({"logs": calibration.gain_logs, "the prior": calibration.gain_prior})}
    if rows.table.empty:
        return drawn
    worth, extra = predictions(scorer, rows).worth.to_numpy(float), realised_extra_tokens(rows.table)
    gain, score = rows.table.gain.to_numpy(float), rows.table.score_direct.to_numpy(float)
    title = "Held-out prompts of the training sources"
    return {**drawn, "cost_quality": cost_quality(worth, gain, extra, score, title)}
