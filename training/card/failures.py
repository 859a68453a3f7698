"""Where a bundle is known to fail on held-out prompts, as a part of its card."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from training.card.cells import cell
from training.metrics import ranged
from training.report.slices import LEAST_PAIRS, wrong_signs
from training.report.sources import telling

SELDOM = 0.05
"""Share of `use` under which a profile prices thinking out of nearly every prompt."""

OF_A_PROFILE = re.compile(r"ours(?:, (.+))? \(use thinks\)")
"""What a report calls the policy that follows `use`, in its own profile and in others."""


def known_failures(holdout: Mapping[str, Any]) -> Iterator[str]:
    """Yield the families whose net_benefit has the wrong sign, the sources in whose q nothing is to be seen, better baselines, profiles that hardly say `use`, and where else to look."""
    yield f"- {_families(holdout)}"
    yield f"- {_sources(holdout)}"
    yield f"- {_baselines(holdout)}"
    yield f"- {_profiles(holdout)}"
    yield "- `tests/behaviour/known_failures.yaml` in the repository lists the acceptance cases that the shipped bundle misses."


def _families(holdout: Mapping[str, Any]) -> str:
    slices = holdout.get("slices", {}).get("family")
    if slices is None:
        return "Families on held-out prompts: not in the report."
    judged, left_out = len(slices["parts"]), slices["pairs_left_out"]
    of = f"of {judged} with {LEAST_PAIRS} held-out pairs or more ({left_out:,} pairs are of smaller ones)"
    wrong = "; ".join(
        f"{cell(name)} (n = {f['n']:,}, predicted {f['predicted']:+.3f}, realised {ranged(**f['realised'], spec='+.3f')})"
        for name, f in wrong_signs(slices["parts"]).items()
    )
    return f"Families whose mean net_benefit has the wrong sign beyond its 95 % interval, not corrected, {of}: {wrong or 'none'}."


def _baselines(holdout: Mapping[str, Any]) -> str:
    over = holdout["macro"]["over_baseline"] if holdout["sources"] else {}
    told = {name: figure for name, figure in over.items() if figure["value"] is not None}
    better = "; ".join(
        f"{name} (ours has {ranged(**figure, spec='+.3f')} over it)"
        for name, figure in told.items()
        if figure["value"] <= 0
    )
    return f"Baselines of which the macro-mean of q is no less than ours, of {len(told)}: {better or 'none'}."


def _profiles(holdout: Mapping[str, Any]) -> str:
    shares = {
        found[1] or holdout["profile"]: policy["share"]
        for policy in holdout.get("policies", ())
        if (found := OF_A_PROFILE.fullmatch(policy["policy"]))
    }
    seldom = "; ".join(f"{cell(name)} ({share:.1%})" for name, share in shares.items() if share < SELDOM)
    return f"Profiles that say `use` of fewer than {SELDOM:.0%} of the held-out pairs, of {len(shares)}: {seldom or 'none'}."


def _sources(holdout: Mapping[str, Any]) -> str:
    known = telling(holdout["sources"])
    none = [
        f"{cell(source)} ({ranged(**report['q'])})"
        for source, report in known.items()
        if report["q"]["interval"] is not None and report["q"]["interval"][0] <= 0 <= report["q"]["interval"][1]
    ]
    undefined = [cell(source) for source, report in known.items() if report["q"]["interval"] is None]
    said = f"Sources whose q has an interval that includes 0, of {len(known)}: {'; '.join(none) or 'none'}."
    return said + (f" Without an interval: {'; '.join(undefined)}." if undefined else "")
