"""What other thresholds would have done with the same decisions: each profile of the bundle, and the own profile at other prices.

The verdict is that of the recorded band of the gain at another price (`contract.policy.verdict_of`); an unfamiliar prompt stays `maybe`.
What is approximated: the band is under the caps that the decision had, so a profile with a looser cap on thinking is given the recorded
gain and tokens; `maybe` thinks where its profile lets it and thinking could be had, though the policy also asks whether a small budget can
pay. `reproduced` says how often the same approximation gives the arm that the policy did take in the own profile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from audit.estimates import Contrast
from audit.evidence import Evidence, usd_per_token
from audit.figures import MODELLED, RECORDED, figure, section, table
from audit.modelled import Modelled
from audit.reading import Record
from audit.totals import mean_over_all
from contract.profiles import Profile

Array = NDArray[Any]

GRID = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Factors on the own profile's tokens_per_point."""


def what_if(record: Record, evidence: Evidence, contrasts: Sequence[Contrast], expected: Modelled) -> dict[str, Any]:
    """Return the section on other thresholds: of each, the verdicts, the share thinking, and what changes, by each kind of evidence."""
    decided = evidence.table
    usd = usd_per_token(decided)
    kinds = [_Kind(c.evidence, c.gain, c.extra_tokens, c.net_benefit, c.arm_counts) for c in contrasts]
    gain = expected.score_reasoning - expected.score_direct
    kinds.append(_Kind(MODELLED, gain, expected.extra_tokens, expected.net_benefit, None))
    rows, now = [], decided.policy_reasoning.to_numpy(float)
    for scenario in _scenarios(record):
        verdict, thinks = _decided(record, decided, scenario)
        known = verdict != ""
        change = thinks - now
        told = {
            "scenario": scenario.title, "decisions": int(known.sum()), **{f"share_{word}": _share(verdict, known, word) for word in ("use", "maybe", "avoid")},
            "share_reasoning": float(thinks[known].mean()) if known.any() else None,
            "share_reasoning_now": float(now[known].mean()) if known.any() else None,
            "changed": float((change[known] != 0).mean()) if known.any() else None,
        }  # fmt: skip
        rows += [{**told, "evidence": kind.evidence, **_changes(decided, known, change, kind, usd)} for kind in kinds]
    _, own = _decided(record, decided, Scenario())
    known = np.isfinite(decided.tokens_per_point.to_numpy(float))
    same = float((own == now)[known].mean()) if known.any() else None
    return section(
        "What if", "Verdicts that other profiles and prices would have had on the same decisions, and what would change per decision against "
        "the policy as it was, without its exploration: score in points, output tokens, dollars, and net_benefit at each decision's own prices. "
        "n counts the decisions with the evidence that would change; unknown where a verdict that would change has none. Caps and small budgets "
        "are approximated; arms reproduced says how often the same approximation gives the arm that the policy did take.",
        figures={"reproduced": figure(same, n=int(known.sum()), evidence=RECORDED, unit="share")},
        tables={"scenarios": table("Other profiles and prices", rows)},
    )  # fmt: skip


@dataclass(frozen=True)
class Scenario:
    """Other thresholds: a profile for all decisions, or None for each decision's own, and a factor on its tokens_per_point."""

    profile: str | None = None
    factor: float = 1.0

    @property
    def title(self) -> str:
        """What it is, in words."""
        return f"profile {self.profile}" if self.profile else f"own profile, tokens_per_point x {self.factor:g}"

    def of(self, profiles: Mapping[str, Profile], own: str) -> Profile | None:
        """Return the profile that it gives a decision with `own`; None where the bundle has none of the name."""
        found = profiles.get(self.profile or own)
        return found and found.model_copy(update={"tokens_per_point": found.tokens_per_point * self.factor})


def _scenarios(record: Record) -> list[Scenario]:
    names = sorted({name for profiles in record.profiles.values() for name in profiles})
    return [Scenario(profile=name) for name in names] + [Scenario(factor=factor) for factor in GRID]


def _decided(record: Record, decided: pd.DataFrame, scenario: Scenario) -> tuple[Array, Array]:
    """Return the verdict of each decision, empty where its profile is not recorded, and 1 where it would think."""
    verdict, thinks = np.full(len(decided), "", dtype=object), np.zeros(len(decided))
    for keys, at in decided.groupby(["revision", "profile"], observed=True).indices.items():
        revision, own = cast("tuple[str, str]", keys)
        profiles = record.profiles.get(revision, {})
        profile = scenario.of(profiles, own) if own in profiles else None
        if profile is None:
            continue
        part = decided.iloc[at]
        price = part.expected_extra_tokens / profile.tokens_per_point
        price = price + part.cache_charge.fillna(0.0) * part.tokens_per_point / profile.tokens_per_point
        if profile.seconds_per_point is not None:
            price = price + part.expected_latency_s.fillna(0.0) / profile.seconds_per_point
        word = verdicts(part.expected_gain_lower - price, part.expected_gain - price, part.expected_gain_upper - price)
        word = np.where(part.familiarity < record.unfamiliar_below[revision], "maybe", word)
        possible = (part.reasoning_budget > 0).to_numpy(bool)
        maybe = (word == "maybe") & (profile.maybe_arm != "direct")
        verdict[at], thinks[at] = word, possible & ((word == "use") | maybe)
    return verdict, thinks


def verdicts(lower: Any, net_benefit: Any, upper: Any) -> Array:
    """Return `contract.policy.verdict_of` of arrays."""
    use = (np.asarray(lower) > 0) & (np.asarray(net_benefit) > 0)
    avoid = (np.asarray(upper) < 0) & (np.asarray(net_benefit) < 0)
    return np.where(use, "use", np.where(avoid, "avoid", "maybe"))


def _share(verdict: Array, known: Array, word: str) -> float | None:
    return float((verdict[known] == word).mean()) if known.any() else None


@dataclass(frozen=True)
class _Kind:
    """One kind of evidence on what thinking is worth, decision by decision; arm_counts as a `Contrast` has them, if it is one."""

    evidence: str
    gain: Array
    extra_tokens: Array
    net_benefit: Array
    arm_counts: Array | None


def _changes(decided: pd.DataFrame, known: Array, change: Array, kind: _Kind, usd: Array) -> dict[str, Any]:
    """Return the mean change of score, tokens, dollars and net_benefit over the known decisions with its bounds, and of how many.

    Each verdict and arm is estimated from its own evidence on decisions that change; null where one of these has none.
    """
    out: dict[str, Any] = {}
    arms = None if kind.arm_counts is None else kind.arm_counts[known]
    worth = {
        "score": kind.gain,
        "output_tokens": kind.extra_tokens,
        "usd": kind.extra_tokens * usd,
        "net_benefit": kind.net_benefit,
    }
    for name, values in worth.items():
        changed = (change * values)[known]
        value, interval, n = mean_over_all(changed, decided[known], zero=change[known] == 0, arm_counts=arms)
        lower, upper = interval or (None, None)
        out |= {f"{name}_change": value, f"{name}_lower": lower, f"{name}_upper": upper}
        if name == "score":
            out["n"] = n
    return out
