"""Do predictions mean what they say: P(use) against its frequency, predicted net_benefit against what was realised."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import t as student

from contract.profiles import Profile
from contract.records import Verdict
from training.metrics import Interval, equal_mass, expected_calibration_error, held, resampled
from training.report.outcomes import realised_net_benefit

BINS = 15
"""Bins of P(use), of equal mass."""

TENTHS = 10

LEAST_PROMPTS = 20
"""Prompts of a verdict in a tenth under which it is not judged."""

LEAST_VARIANCE = 0.01
"""Of one prompt's net_benefit, in points squared: of some prompts of which none gained, the next may."""

Array = NDArray[Any]


def reliability(table: pd.DataFrame, profile: Profile) -> dict[str, Any]:
    """Return the reliability of P(use) and of predicted net_benefit in a profile, for a table of predictions beside outcomes.

    p_use: `ece` over `BINS` of equal mass (`measured_ece`), and for each bin n, mean prediction, share labelled `use` (realised net_benefit over the margin) and its 95 % interval.
    net_benefit: see `tenths`.
    """
    realised = realised_net_benefit(table, profile)
    groups, p_use = table.group.to_numpy(str), table.p_use.to_numpy(float)
    happened = (realised > profile.margin).astype(float)
    bins = [
        {
            "n": len(rows), "predicted": float(p_use[rows].mean()), "realised": float(happened[rows].mean()),
            "interval": clustered(happened[rows], groups[rows]),
        }
        for rows in equal_mass(p_use, BINS)
    ]  # fmt: skip
    ece = measured_ece(p_use, happened, groups)
    predicted, verdict = table.net_benefit.to_numpy(float), table.verdict.to_numpy(str)
    return {"p_use": {"ece": ece, "bins": bins}, "net_benefit": tenths(predicted, realised, verdict, groups)}


def measured_ece(probability: Array, happened: Array, groups: Array) -> dict[str, Any]:
    """Return the calibration error over BINS and its 95 % bootstrap interval over prompts.

    Noise only adds to gaps: the value lies above the true error, and resamples above the value. The basic bootstrap interval (Davison and
    Hinkley 1997, "Bootstrap methods and their application", section 5.2.1) takes that off; it is widened to hold the value, to 0 at least.
    """

    def of(rows: Array) -> float:
        return expected_calibration_error(probability[rows], happened[rows], BINS)

    value, again = of(np.arange(len(groups))), resampled(of, groups)
    known = held(value, again)
    if known["interval"]:
        low, high = known["interval"]
        known["interval"] = max(2 * value - high, 0.0), max(2 * value - low, value)
    return known


def tenths(predicted: Array, realised: Array, verdict: Array, groups: Array) -> dict[str, Any]:
    """Return realised against predicted net_benefit by tenths of the prediction, and which verdicts are on the wrong side.

    Each interval is at 1 - 5 % / 10 (Bonferroni over the tenths). A verdict is on the wrong side in a tenth where the interval
    of the mean realised net_benefit of its pairs there lies wholly below 0 for `use`, or wholly above 0 for `avoid`; of fewer
    than `LEAST_PROMPTS` prompts it is not judged.

    Args:
        predicted: expected net_benefit, points [n].
        realised: realised net_benefit, points [n].
        verdict: the verdicts [n].
        groups: the prompt of each row [n].
    """
    parts, wrong, judged = [], [], 0
    for i, rows in enumerate(equal_mass(predicted, TENTHS), 1):
        mix = {str(v): int((verdict[rows] == v).sum()) for v in Verdict}
        parts.append(
            {
                "tenth": i, "n": len(rows), "predicted": float(predicted[rows].mean()),
                "realised": float(realised[rows].mean()),
                "interval": clustered(realised[rows], groups[rows], comparisons=TENTHS), "verdicts": mix,
            }
        )  # fmt: skip
        for side, against in ((Verdict.USE, -1.0), (Verdict.AVOID, 1.0)):
            own = rows[verdict[rows] == side]
            if len(np.unique(groups[own])) < LEAST_PROMPTS:
                continue
            judged += 1
            bounds = clustered(realised[own], groups[own], comparisons=TENTHS)
            if bounds is not None and min(against * bounds[0], against * bounds[1]) > 0:
                mean = float(realised[own].mean())
                wrong.append({"tenth": i, "verdict": str(side), "n": len(own), "realised": mean, "interval": bounds})
    return {"tenths": parts, "judged": judged, "wrong_side": wrong}


def clustered(values: Array, groups: Array, *, comparisons: int = 1) -> Interval | None:
    """Return the interval of the mean of values [n] at 1 - 5 % / comparisons; None of fewer than two prompts.

    Student's t of the linearised mean with prompts as clusters (Cameron and Miller 2015, "A practitioner's guide to
    cluster-robust inference"), in closed form: a bootstrap of some hundred resamples has no such tails. The variance of a
    prompt's mean is taken as `LEAST_VARIANCE` at least.
    """
    _, code = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    prompts = int(code.max()) + 1 if len(code) else 0
    if prompts < 2:
        return None
    mean = float(values.mean())
    sums = np.bincount(code, weights=values - mean)
    squared = prompts / (prompts - 1) * float((sums**2).sum()) / len(values) ** 2
    error = np.sqrt(max(squared, LEAST_VARIANCE / prompts))
    half = float(student.ppf(1 - 0.025 / comparisons, prompts - 1) * error)
    return mean - half, mean + half
