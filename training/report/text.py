"""The report as text for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from training.budget_targets import ATTEMPTS, LADDER
from training.metrics import ranged, shown, shown_interval
from training.report.orders import BASELINES
from training.report.sources import LEAST_PAIRS, telling

READ_OFF = {LADDER: "ladders of budgets", ATTEMPTS: "attempts that reached the best score"}
"""What needs were read off, in words."""


def headline(report: Mapping[str, Any]) -> str:
    """Return the report as a table of text for a terminal."""
    lines = [
        f"bundle {report['revision']}, profile {report['profile']}, {report['n']:,} pairs; intervals: 95 % bootstrap over prompts"
    ]
    if report.get("seen"):
        lines.append(
            f"NOT HELD OUT: the bundle was trained on {', '.join(report['seen'])}; what follows flatters it there"
        )
    for source, r in report["sources"].items():
        lines.append(f"\n{source}: n = {r['n']:,} pairs, {r['prompts']:,} prompts, mean gain {r['mean_gain']:+.3f}")
        lines.append(f"  q {ranged(**r['q'])}   AUC {ranged(**r['auc'])}   ECE of P(use) {ranged(**r['ece_p_use'])}")
        baselines = (f"{name} {shown(r['q_baselines'][name]['value'])}" for name in BASELINES)
        lines.append(f"  q of {', '.join(baselines)}")
        lines += _policies(r["policies"])
        lines += _behind_verdicts(r["verdicts"])
    for source, r in report["one_arm"].items():
        gained = ranged(r["mean_gain"], r["interval"], "+.3f")
        lines.append(f"\n{source}: {r['n']:,} prompts with one arm, doubly robust mean gain {gained}")
        lines += _behind_verdicts(r["verdicts"])
    if report["sources"]:
        lines += ["", *_over_all(report)]
    if report.get("budget"):
        lines += _budgets(report["budget"])
    if len(report["sources"]) > 1:
        lines += ["", *_macro(report)]
    return "\n".join(lines)


def _policies(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield f"  {'policy':<42}{'thinks':>8}{'score':>8}  {'interval':<16}{'extra tokens':>13}"
    for row in rows:
        yield (
            f"  {row['policy']:<42}{row['share']:>8.2f}{row['score']:>8.3f}  {shown_interval(row['score_interval']):<16}"
            f"{row['extra_tokens']:>13.1f}"
        )


def _behind_verdicts(verdicts: Mapping[str, Any]) -> list[str]:
    return [
        f"  verdict {verdict:<6} n = {row['n']:<7,}"
        + (f"mean gain {ranged(row['mean_gain'], row['interval'], '+.3f')}" if row["n"] else "none")
        for verdict, row in verdicts.items()
    ]


def _over_all(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is measured on all pairs at once."""
    own = report["pooled"]["efficiency"]["ours"]
    yield "all pairs:"
    yield (
        f"  APGR {ranged(**own['apgr'], spec='.3f')}   CPT(50 %) {shown(own['cpt_50']['value'], '.2f')}   "
        f"CPT(80 %) {shown(own['cpt_80']['value'], '.2f')}   AIQ {shown(own['aiq']['value'])}   "
        f"tokens saved at a loss <= 1 % {shown(own['tokens_saved']['value'], '.0%')}"
    )
    told = report["reliability"]["net_benefit"]
    wrong = ", ".join(
        f"{w['verdict']} in tenth {w['tenth']} ({ranged(w['realised'], w['interval'], '+.3f')})"
        for w in told["wrong_side"]
    )
    yield f"  verdicts on the wrong side, of {told['judged']} in tenths of predicted net_benefit: {wrong or 'none'}"
    risk = report["risk_coverage"]
    yield f"  {'coverage by familiarity':<26}{'pairs':>8}{'decided':>9}{'accuracy':>10}{'where arms differ':>19}{'q':>8}"
    for p in risk["points"]:
        yield (
            f"  {p['coverage']:<26.0%}{p['n']:>8,}{p['decided']:>9,}{shown(p['accuracy']):>10}"
            f"{shown(p['accuracy_differ']):>19}{shown(p['q']):>8}"
        )
    yield (
        f"  area under the risk {ranged(**risk['area'])}, of a random order {shown(risk['area_random']['value'])}; "
        f"gained {ranged(**risk['gained'], spec='+.3f')}"
    )
    sure = risk["confident"]
    yield (
        f"  use and avoid, n = {sure['n']:,}: net_benefit a prompt over always thinking {ranged(**sure['over_always'], spec='+.3f')}, "
        f"over never {ranged(**sure['over_never'], spec='+.3f')}"
    )


def _budgets(budget: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known of thinking budgets: pooled, by source, by task, and what the needs were read off."""
    yield f"  thinking budget: {_covered(budget['all'])}"
    for kind in ("source", "task"):
        for name, part in budget[kind]["parts"].items():
            yield f"    {kind} {name}: {_covered(part)}"
    flags = ", ".join(f"{flag} ({n:,})" for flag, n in budget["flags"].items())
    yield f"  flags accepted for the budget, attempts with each: {flags or 'none'}"


def _covered(part: Mapping[str, Any]) -> str:
    targets = ", ".join(f"{n:,} off {READ_OFF[name]}" for name, n in part["targets"].items())
    if part["coverage"] is None:
        return f"all {part['censored']:,} attempts were cut off, no coverage is known"
    return (
        f"{part['n']:,} attempts, coverage {ranged(**part['coverage'])}, mean {part['mean_budget']:,.0f} tokens "
        f"(constant of the same coverage {part['constant_budget']:,.0f}; saved {ranged(**part['saved'], spec='.2f')}); "
        f"{part['censored']:,} more were cut off; needs read {targets}"
    )


def _macro(report: Mapping[str, Any]) -> Iterator[str]:
    macro = report["macro"]
    for name, over in macro["over_baseline"].items():
        yield f"macro-mean of q, {name}: {shown(macro['q'][name]['value'])}; ours has {ranged(**over, spec='+.3f')} over it"
    own = ranged(**macro["q"]["q"]) if macro["q"] else shown(None)
    yield (
        f"macro-mean of q within sources{_of_how_many(report['sources'])} {own}; pooled {shown(report['pooled_q'])} "
        f"(source means alone {shown(report['pooled_q_of_source_means'])})"
    )


def _of_how_many(sources: Mapping[str, Any]) -> str:
    return f" of {LEAST_PAIRS} pairs or more" if len(telling(sources)) < len(sources) else ""
