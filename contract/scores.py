"""What the heads say of one prompt, as `contract.policy` reads it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scores:
    """What the heads say of one prompt; gain and familiarity are not calibrated yet.

    Attributes:
        gain_logs: what logs say of the gain (score with thinking minus score without, in points).
        gain_prior: what is known of it before logs of its kind: by its family (the taxonomy's prior, moved by the family's logged
            pairs), or by the bundle that the training started from.
        prior_band: how far below and above `gain_prior` the true mean may lie (95 %), in points: what calibration, a mean over
            many prompts, does not see of a single one.
        from_logs: weight of the first against the second, in [0, 1].
        worth: what orders prompts that share a budget: gain for as many extra tokens as the target model spends on average.
        score_direct: predicted score without thinking.
        extra_tokens: expected extra output tokens of thinking.
        thinking_quantiles: quantiles of thinking tokens at `levels`.
        levels: the levels, increasing in (0, 1).
        probabilities: by profile, P(use), P(maybe), P(avoid).
        familiar: how likely it is of the evidence and no made-up text, uncalibrated, in [0, 1].
        near: cosine of its ask to the nearest centroid of the evidence.
        sure: P(family) of the likeliest family.
        task: the likeliest family of the taxonomy.
    """

    gain_logs: float
    gain_prior: float
    prior_band: tuple[float, float]
    from_logs: float
    worth: float
    score_direct: float
    extra_tokens: float
    thinking_quantiles: tuple[float, ...]
    levels: tuple[float, ...]
    probabilities: dict[str, tuple[float, float, float]]
    familiar: float
    near: float
    sure: float
    task: str
