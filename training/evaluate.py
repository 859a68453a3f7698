"""Evaluates an exported bundle, never the model in memory, on logs it has not seen."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contract.errors import InvalidInput
from contract.policy import decide
from contract.profiles import Profile, default_name
from contract.records import Verdict
from contract.scorer import Scorer
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evidence import Rows, outcome_rows, unit_rows
from training.metrics import (
    auc,
    defined,
    expected_calibration_error,
    mean_interval,
    measured,
    policy_table,
    q,
    ranged,
    shown,
    shown_interval,
)
from training.pseudo_outcomes import pseudo_outcomes

Array = NDArray[Any]

LEAST_PAIRS = 100
"""Pairs under which a source's q and AUC hang on a handful of prompts, and so does their interval."""


def evaluate(scorer: Scorer, labelled: pd.DataFrame, cache: EmbeddingCache) -> dict[str, Any]:
    """Return the report of a bundle on labelled pairs, as JSON-ready values.

    Per source: n, q of three orders (expected gain, net_benefit, gain per token) with intervals, AUC of expected gain for
    gain > 0, calibration of P(use), verdict counts with their realised gain, and the policy table. Over sources: the
    macro-mean of q over those that tell something (`telling`), and the pooled q beside that of the source means, which it
    mostly measures. A figure that is undefined, such as the AUC where no pair gains, is None, and so is its interval.

    Prompts with one arm are judged by their doubly robust pseudo-outcomes, by means alone (`one_arm`): an order by realised
    gains, which q and AUC compare with, is not to be had from them.

    Raises:
        InvalidInput: nothing says what thinking gained.
    """
    config, units = TrainConfig(), unit_rows(labelled, cache)
    pseudo = pseudo_outcomes(units, np.ones(len(units.table), dtype=bool), config)
    rows = outcome_rows(units, pseudo.table, config)
    if rows.table.empty:
        raise InvalidInput(
            "no pair has a score in both arms, and no source and model has enough scored prompts of either: nothing to evaluate; "
            "collect both arms of some prompts", field="logs",
        )  # fmt: skip
    return evaluate_rows(scorer, rows)


def evaluate_rows(scorer: Scorer, rows: Rows) -> dict[str, Any]:
    """Return the report of a bundle on embedded pairs; see `evaluate`. Of no pair it has no source."""
    name = default_name(scorer.manifest.profiles)
    if rows.table.empty:
        figures = dict.fromkeys(("macro_q", "pooled_q", "pooled_q_of_source_means"))
        return {"revision": scorer.manifest.revision, "profile": name, "n": 0, "sources": {}, "one_arm": {}, **figures}
    table = pd.concat([rows.table.reset_index(drop=True), predictions(scorer, rows)], axis=1)
    one_arm = {str(source): _means(part) for source, part in table[table.modelled].groupby("source")}
    table = table[~table.modelled].reset_index(drop=True)
    sources = {
        str(source): source_report(part, scorer.manifest.profiles[name]) for source, part in table.groupby("source")
    }
    gain, extra = table.gain.to_numpy(float), realised_extra_tokens(table)
    means = table.groupby("source").gain.transform("mean").to_numpy(float)
    macro = [report["q"]["value"] for report in telling(sources).values() if report["q"]["value"] is not None]
    return {
        "revision": scorer.manifest.revision, "profile": name, "n": len(table), "sources": sources, "one_arm": one_arm,
        "macro_q": float(np.mean(macro)) if macro else None,
        "pooled_q": defined(q(table.worth.to_numpy(), gain, extra)),
        "pooled_q_of_source_means": defined(q(means, gain, extra)),
    }  # fmt: skip


def telling(sources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reports of the sources of LEAST_PAIRS or more; of all where none has as many."""
    large = {name: report for name, report in sources.items() if report["n"] >= LEAST_PAIRS}
    return large or dict(sources)


def predictions(scorer: Scorer, rows: Rows) -> pd.DataFrame:
    """Return the bundle's answers in the default profile, one row each."""
    manifest = scorer.manifest
    name = default_name(manifest.profiles)
    out = scorer.run(rows.embeddings, rows.features)
    told = []
    for i in range(len(rows.table)):
        scores = scorer.unpack(out, i)
        decision = decide(scores, manifest.profiles[name], manifest.calibration)
        told.append(
            {
                "worth": decision.gain, "expected_extra_tokens": decision.extra_tokens,
                "net_benefit": decision.net_benefit, "verdict": str(decision.verdict), "familiarity": decision.familiarity,
                "p_use": scores.probabilities[name][0], "thinking_budget": decision.thinking_budget,
            }
        )  # fmt: skip
    return pd.DataFrame(told)


def source_report(table: pd.DataFrame, profile: Profile) -> dict[str, Any]:
    """Return the figures of one source, whose verdicts are those of `profile`; an undefined figure is None."""
    gain, extra, groups = table.gain.to_numpy(float), realised_extra_tokens(table), table.group.to_numpy(str)
    orders = {
        "q": table.worth.to_numpy(float),
        "q_net_benefit": table.net_benefit.to_numpy(float),
        "q_gain_per_token": table.worth.to_numpy(float) / np.maximum(table.expected_extra_tokens.to_numpy(float), 1.0),
    }
    report: dict[str, Any] = {"n": len(table), "prompts": len(set(groups)), "mean_gain": float(gain.mean())}
    for name, order in orders.items():
        report[name] = measured(_q_of(order, gain, extra), groups)
    worth = orders["q"]
    report["auc"] = measured(lambda r: auc(worth[r], gain[r]), groups)
    p_use, verdict = table.p_use.to_numpy(float), table.verdict.to_numpy(str)
    price = table.expected_extra_tokens.to_numpy(float) / profile.tokens_per_point
    report["ece_p_use"] = defined(expected_calibration_error(p_use, (gain - price > profile.margin).astype(float)))
    report["verdicts"] = {str(v): _verdict(gain, verdict == v, groups) for v in Verdict}
    report["familiarity"] = {
        "mean": float(table.familiarity.mean()),
        "below_half": float((table.familiarity < 0.5).mean()),
    }
    share = float((verdict == Verdict.USE).mean())
    arms = {
        "never": np.zeros(len(table)), "always": np.ones(len(table)), "ours (use thinks)": verdict == Verdict.USE,
        "ours (all but avoid think)": verdict != Verdict.AVOID, "random at the share of use": np.full(len(table), share),
        "random at the share of all but avoid": np.full(len(table), float((verdict != Verdict.AVOID).mean())),
        "oracle": gain > 0,
    }  # fmt: skip
    report["policies"] = policy_table(arms, table.score_direct.to_numpy(float), gain, extra, groups)
    return report


def realised_extra_tokens(table: pd.DataFrame) -> Array:
    """Return the realised extra tokens, at least 1; unknown ones are the median of their source (500 where none is)."""
    extra = table.extra_tokens.astype(float)
    return extra.fillna(extra.groupby(table.source).transform("median")).fillna(500.0).clip(lower=1.0).to_numpy(float)


def _q_of(worth: Array, gain: Array, extra: Array) -> Callable[[Array], float]:
    return lambda rows: q(worth[rows], gain[rows], extra[rows])


def _means(table: pd.DataFrame) -> dict[str, Any]:
    """Return the doubly robust mean gain of a source's prompts with one arm, in all and behind each verdict."""
    gain, groups, verdict = table.gain.to_numpy(float), table.group.to_numpy(str), table.verdict.to_numpy(str)
    every = np.ones(len(table), dtype=bool)
    return {
        **_verdict(gain, every, groups),
        "verdicts": {str(v): _verdict(gain, verdict == v, groups) for v in Verdict},
    }


def _verdict(gain: Array, mask: Array, groups: Array) -> dict[str, Any]:
    if not mask.any():
        return {"n": 0, "mean_gain": None, "interval": None}
    part = gain[mask]
    return {
        "n": int(mask.sum()),
        "mean_gain": float(part.mean()),
        "interval": mean_interval(part, groups[mask]),
    }


def headline(report: dict[str, Any]) -> str:
    """Return the report as a table of text for a terminal."""
    lines = [
        f"bundle {report['revision']}, profile {report['profile']}, {report['n']:,} pairs; intervals: 95 % bootstrap over prompts"
    ]
    for source, r in report["sources"].items():
        lines.append(f"\n{source}: n = {r['n']:,} pairs, {r['prompts']:,} prompts, mean gain {r['mean_gain']:+.3f}")
        lines.append(f"  q {ranged(**r['q'])}   AUC {ranged(**r['auc'])}   ECE of P(use) {shown(r['ece_p_use'])}")
        lines.append(f"  {'policy':<38}{'thinks':>8}{'score':>8}  {'interval':<16}{'extra tokens':>13}")
        for row in r["policies"]:
            lines.append(
                f"  {row['policy']:<38}{row['share']:>8.2f}{row['score']:>8.3f}  {shown_interval(row['score_interval']):<16}"
                f"{row['extra_tokens']:>13.1f}"
            )
        lines += _behind_verdicts(r["verdicts"])
    for source, r in report["one_arm"].items():
        gained = ranged(r["mean_gain"], r["interval"], "+.3f")
        lines.append(f"\n{source}: {r['n']:,} prompts with one arm, doubly robust mean gain {gained}")
        lines += _behind_verdicts(r["verdicts"])
    if len(report["sources"]) > 1:
        lines.append(
            f"\nmacro-mean of q within sources{_of_how_many(report['sources'])} {shown(report['macro_q'])}; pooled {shown(report['pooled_q'])} "
            f"(source means alone {shown(report['pooled_q_of_source_means'])})"
        )
    return "\n".join(lines)


def _behind_verdicts(verdicts: Mapping[str, Any]) -> list[str]:
    return [
        f"  verdict {verdict:<6} n = {row['n']:<7,}"
        + (f"mean gain {ranged(row['mean_gain'], row['interval'], '+.3f')}" if row["n"] else "none")
        for verdict, row in verdicts.items()
    ]


def _of_how_many(sources: Mapping[str, Any]) -> str:
    return f" of {LEAST_PAIRS} pairs or more" if len(telling(sources)) < len(sources) else ""
