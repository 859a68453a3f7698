"""How much of what is planted an audit finds, how often it finds what is not there, and whether its intervals hold the truth, as JSON.

    python benchmarks/audit_recovery.py [--repetitions 50] [--decisions 100000] [--finders lattice tree sliceline]

The generator (tests/audit/planted.py) shares no code with the audit. In half of the repetitions nothing is planted, and in a third of
the (task, model) thinking neither gains nor loses, where a test has its full size; the others have three slices of one to three
conditions each where the policy loses .15 points a decision. A planted slice is found where a slice called misrouted has at least .8 of
the decisions of both in common; a slice called misrouted is false where the true mean net_benefit says that the policy was right.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write
from scipy.stats import binomtest
from sklearn.tree import DecisionTreeRegressor

import audit.slices
from audit.config import AuditConfig
from audit.estimates import explored, paired
from audit.evidence import join
from audit.figures import EXPLORED, PAIRS
from audit.modelled import modelled
from audit.reading import FLAGS, NUMBERS, VALUES, WORDS, Record
from audit.search import COLUMNS, Found, matching, search
from contract.locate import ROOT
from contract.profiles import Profile

sys.path.insert(0, str(ROOT / "tests" / "audit"))
import planted

SETTINGS: dict[str, dict[str, Any]] = {
    "explored, 20 % drawn": {"rate": 0.2, "shadow": 0.0},
    "explored, 10 % drawn": {"rate": 0.1, "shadow": 0.0},
    "explored, all drawn": {"rate": 1.0, "shadow": 0.0},
    "pairs, 10 % shadowed": {"rate": 0.0, "shadow": 0.1},
    "pairs, 20 % shadowed": {"rate": 0.0, "shadow": 0.2},
}
ALIKE = 0.8


def record_of(decided: pd.DataFrame, outcomes: pd.DataFrame, bundles: list[dict[str, Any]]) -> Record:
    """Return the rows as `audit.reading` would have read them from a store."""
    table = decided.reindex(columns=["decision_id", "time", *WORDS, *FLAGS, *NUMBERS])
    table = table.astype(dict.fromkeys(WORDS, "category") | dict.fromkeys(NUMBERS, float))
    table["reasoning"], table["policy_reasoning"] = decided.arm == "reasoning", decided.policy_arm == "reasoning"
    table["prompt"] = pd.util.hash_array(decided.prompt_digest.to_numpy(object))
    table["day"] = pd.Categorical(pd.to_datetime(table.time).dt.strftime("%Y-%m-%d"))
    attempts = outcomes.reindex(columns=["attempt", *VALUES, "finish_reason"]).astype(dict.fromkeys(VALUES, float))
    attempts["finish_reason"] = pd.Categorical(attempts.finish_reason)
    attempts["row"] = pd.Index(decided.decision_id).get_indexer(outcomes.decision_id)
    attempts["reasoning"] = outcomes.arm == "reasoning"
    profiles = {b["revision"]: {n: Profile(**p) for n, p in b["profiles"].items()} for b in bundles}
    of = {b["revision"]: b for b in bundles}
    counts = dict.fromkeys(("outcomes", "contradictory", "late", "waiting", "lost"), 0)
    return Record(
        table, attempts, profiles, {r: b["unfamiliar_below"] for r, b in of.items()}, {r: b["small_budget"] for r, b in of.items()},
        counts, pd.DataFrame({"row": [], "mark": []}),
    )  # fmt: skip


def plants(seed: int) -> tuple[planted.Slice, ...]:
    """Return three slices to plant, of tasks of their own."""
    rng = np.random.default_rng((seed, 11))
    out = []
    for task, kind in zip(rng.choice(planted.TASKS, 3, replace=False), ("overthinking", "underthinking", "overthinking"), strict=True):
        others = [("model", "small"), ("profile", "balanced"), ("revision", str(rng.choice(["r1", "r2"])))]
        chosen = rng.permutation(len(others))[: rng.integers(0, 2)]
        out.append(planted.Slice({"task": str(task), **dict(others[i] for i in chosen)}, kind))
    return tuple(out)


def tree(table: pd.DataFrame, contrast: Any, side: int, half: Any, config: AuditConfig) -> list[Found]:
    """Return the leaves of a shallow tree on the loss whose mean is two standard errors above 0, the largest first."""
    def coded(part: pd.DataFrame) -> Any:
        return np.hstack([pd.get_dummies(part[name]).to_numpy(float) for name in COLUMNS])

    loss = side * contrast.net_benefit[half]
    if len(loss) < 2 * config.least_decisions:
        return []
    fitted = DecisionTreeRegressor(max_depth=5, min_samples_leaf=max(config.least_decisions, len(loss) // 100), random_state=0)
    leaf, own = fitted.fit(coded(table[half]), loss).apply(coded(table)), fitted.apply(coded(table[half]))
    found = []
    for number in np.unique(own):
        values = loss[own == number]
        found.append((values.mean() / values.std() * np.sqrt(len(values)), leaf == number))
    ordered = sorted((one for one in found if one[0] > 2), key=lambda one: -one[0])[: config.candidates]
    return [Found({"task": f"leaf {id(rows)}"}, rows, rows) for _, rows in ordered]


def sliceline(table: pd.DataFrame, contrast: Any, side: int, half: Any, config: AuditConfig) -> list[Found]:
    """Return SliceLine's slices on the loss, moved to be above 0 as its bounds need."""
    from sliceline.slicefinder import Slicefinder

    loss = side * contrast.net_benefit[half]
    if len(loss) < 2 * config.least_decisions:
        return []
    finder = Slicefinder(alpha=0.95, k=config.candidates, max_l=config.conditions, min_sup=max(config.least_decisions, len(loss) // 100), verbose=False)
    codes = pd.DataFrame({name: table[name].cat.codes.to_numpy(int) + 2 for name in COLUMNS})
    finder.fit(codes[half].to_numpy(), loss - loss.min())
    found, taken = [], np.zeros(len(table), bool)
    for slice_ in finder.top_slices_[: config.candidates]:
        where = {n: table[n].cat.categories[int(v) - 2] for n, v in zip(COLUMNS, slice_, strict=True) if v is not None and v > 1}
        rows = matching(table, where)
        found.append(Found(where, rows, rows & ~taken))
        taken |= rows
    return found


FINDERS: dict[str, Callable[..., list[Found]]] = {"lattice": search, "tree": tree, "sliceline": sliceline}


def repetition(n: int, setting: dict[str, Any], finders: list[str], seed: int, *, nothing: bool) -> list[dict[str, Any]]:
    """Return what each finder makes of one planted store."""
    slices = () if nothing else plants(seed)
    true = planted.truth(n, slices, seed=seed)
    config = AuditConfig(seed=seed)
    evidence = join(record_of(*planted.rows(true, seed=seed, **setting)), config)
    expected = modelled(evidence)
    contrasts = [paired(evidence), explored(evidence, config)]
    out = []
    for name in finders:
        audit.slices.search = FINDERS[name]
        calls = []
        audit.slices.search = lambda *a, name=name, calls=calls: calls.append(FINDERS[name](*a)) or calls[-1]
        table = audit.slices.slices(evidence, contrasts, expected, config)
        out.append({"finder": name, "nothing": nothing, **judged(table, true, slices, calls)})
    return out


def judged(table: pd.DataFrame, true: pd.DataFrame, slices: tuple[planted.Slice, ...], calls: list[list[Found]]) -> dict[str, Any]:
    """Return planted slices found, slices called misrouted and false ones among them, and intervals that hold the truth."""
    named = true.assign(band=np.select([true.familiarity < 0.3, true.familiarity < 0.6, true.familiarity < 0.8], ["unfamiliar", "low", "middle"], "high"))
    named["day"] = [time.strftime("%Y-%m-%d") for time in named.time]
    of_search = iter([found for call in calls for found in call])
    by_title = {found_title(found.where): found.rows for found in of_search}
    columns = {"familiarity": "band"}
    hit = {how: [False] * len(slices) for how in ("dimension", "search")}
    called = false = false_search = intervals = held = 0
    for row in table.itertuples():
        where = {c: getattr(row, c) for c in ("task", "model", "profile", "language", "familiarity", "revision", "day") if isinstance(getattr(row, c), str)}
        rows = by_title.get(found_title({columns.get(k, k): v for k, v in where.items()})) if row.found == "search" else None
        rows = matching(named, {columns.get(k, k): v for k, v in where.items()}) if rows is None else rows
        rows = rows & (named.policy_reasoning == (row.kind == "overthinking")).to_numpy(bool)
        side = -1 if row.kind == "overthinking" else 1
        if row.found == "dimension" and row.evidence in (PAIRS, EXPLORED):
            intervals += 1
            held += row.net_benefit_lower <= true.net_benefit[rows].mean() <= row.net_benefit_upper
        if not row.misrouted:
            continue
        called += 1
        wrong = side * true.mean_net_benefit[rows].mean() <= 1e-9
        false += wrong
        false_search += wrong and row.found == "search"
        for i, one in enumerate(slices):
            own = one.rows(true)
            if one.kind == row.kind and (own & rows).sum() >= ALIKE * (own | rows).sum():
                hit[row.found][i] = True
    both = np.array(hit["dimension"], bool) | np.array(hit["search"], bool)
    return {
        "planted": len(slices), "found": int(both.sum()), "by_search": int(sum(hit["search"])), "called": called, "false": int(false),
        "false_by_search": int(false_search), "intervals": intervals, "held": int(held),
    }  # fmt: skip


def found_title(where: dict[str, Any]) -> str:
    return str(sorted(where.items()))


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Return recall, repetitions with a false slice, and coverage, each with its exact 95 % interval."""
    def share(k: int, n: int) -> dict[str, Any]:
        if not n:
            return {"share": None, "interval": None, "n": 0}
        exact = binomtest(int(k), int(n)).proportion_ci(0.95)
        return {"share": k / n, "interval": [exact.low, exact.high], "n": int(n)}

    null = rows[rows.nothing]
    return {
        "recall": share(rows.found.sum(), rows.planted.sum()), "recall_of_the_search_alone": share(rows.by_search.sum(), rows.planted.sum()),
        "repetitions_with_a_false_slice": share((rows.false > 0).sum(), len(rows)),
        "of_those_with_nothing_planted": share((null.false > 0).sum(), len(null)),
        "with_a_false_slice_of_the_search": share((rows.false_by_search > 0).sum(), len(rows)),
        "slices_called": int(rows.called.sum()), "false_slices": int(rows.false.sum()),
        "interval_coverage": share(rows.held.sum(), rows.intervals.sum()),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=50)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--finders", nargs="+", default=["lattice", "tree", "sliceline"], choices=list(FINDERS))
    parser.add_argument("--out", type=Path, default=RESULTS / "audit_recovery.json")
    options, before = parser.parse_args(), provenance()
    figure: dict[str, Any] = {**before, "repetitions": options.repetitions, "decisions": options.decisions, "loss_points": 0.15, "settings": {}}
    for name, setting in SETTINGS.items():
        rows = []
        for seed in range(options.repetitions):
            rows += repetition(options.decisions, setting, options.finders, seed, nothing=seed % 2 == 0)
        table = pd.DataFrame(rows)
        figure["settings"][name] = {finder: summary(table[table.finder == finder]) for finder in options.finders}
        print(name, figure["settings"][name], flush=True)
    write(figure, options.out)


if __name__ == "__main__":
    main()
