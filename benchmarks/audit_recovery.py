"""How much of what is planted an audit finds, how often it finds what is not there, and whether its intervals hold the truth, as JSON.

    python benchmarks/audit_recovery.py [--repetitions 50] [--decisions 100000] [--finders lattice tree sliceline]

The generator (tests/audit/planted.py) shares no code with the audit. In half of the repetitions nothing is planted, and in a third of
the (task, model) thinking neither gains nor loses, where a test has its full size; the others have three slices of one or two
conditions each where the policy loses .15 points a decision. The same on real pairs of ../shared/data, where it is there, with one arm
hidden by a known chance: the policy takes the better arm of each task and model, and the worse one in some of those with 250 pairs and
.15 points to lose. A planted slice is found where a slice called misrouted has at least .8 of
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
from audit.slices import DIMENSIONS, STORED_AS
from contract.locate import ROOT
from contract.profiles import Profile
from contract.progress import progress

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

REAL = ("zero_shot_cot", "tatqa", "thoughtsource", "bbh")
PATHS = [ROOT.parent / "shared" / "data" / f"{name}.parquet" for name in REAL]
CHANCES = (0.5, 0.2)
"""Of the arm that the policy does not take, in the real pairs."""

ALPHA_OF_SLICELINE = 0.99
"""Of .8, .95 and .99 the best on six planted stores, all arms drawn."""


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
        pd.DataFrame({"row": [], "challenger": [], "verdict": [], "reasoning": []}),
    )  # fmt: skip


def plants(seed: int) -> tuple[planted.Slice, ...]:
    """Return three slices to plant, of tasks of their own."""
    rng = np.random.default_rng((seed, 11))
    out = []
    for task, kind in zip(
        rng.choice(planted.TASKS, 3, replace=False), ("overthinking", "underthinking", "overthinking"), strict=True
    ):
        others = [("model", "small"), ("profile", "balanced"), ("revision", str(rng.choice(["r1", "r2"])))]
        chosen = rng.permutation(len(others))[: rng.integers(0, 2)]
        out.append(planted.Slice({"task": str(task), **dict(others[i] for i in chosen)}, kind))
    return tuple(out)


def tree(table: pd.DataFrame, contrast: Any, side: int, half: Any, config: AuditConfig) -> list[Found]:
    """Return the nodes of a shallow tree on the loss, inner ones too, whose mean is two standard errors above 0, each beside those before."""

    def coded(part: pd.DataFrame) -> Any:
        return np.hstack([pd.get_dummies(part[name]).to_numpy(float) for name in COLUMNS])

    loss = side * contrast.net_benefit[half]
    if len(loss) < 2 * config.least_decisions:
        return []
    leaf = max(config.least_decisions, len(loss) // 100)
    fitted = DecisionTreeRegressor(max_depth=6, min_samples_leaf=leaf, random_state=0).fit(coded(table[half]), loss)
    path, own = (
        fitted.decision_path(coded(table)).tocsc(),
        fitted.decision_path(coded(table[half])).toarray().astype(bool),
    )
    found, left, taken = [], np.ones(len(loss), bool), np.zeros(len(table), bool)
    while len(found) < config.candidates:
        statistic = np.full(own.shape[1], -np.inf)
        for number in range(1, own.shape[1]):
            values = loss[own[:, number] & left]
            if len(values) >= leaf:
                statistic[number] = values.mean() / values.std() * np.sqrt(len(values))
        best = int(statistic.argmax())
        if statistic[best] < 2:
            break
        rows = path[:, [best]].toarray()[:, 0].astype(bool)
        found.append(Found({"task": f"node {id(rows)}"}, rows, rows & ~taken))
        taken |= rows
        left &= ~own[:, best]
    return found


def sliceline(table: pd.DataFrame, contrast: Any, side: int, half: Any, config: AuditConfig) -> list[Found]:
    """Return SliceLine's slices on the loss, moved to be above 0 as its bounds need."""
    from sliceline.slicefinder import Slicefinder

    loss = side * contrast.net_benefit[half]
    if len(loss) < 2 * config.least_decisions:
        return []
    finder = Slicefinder(
        alpha=ALPHA_OF_SLICELINE,
        k=config.candidates,
        max_l=config.conditions,
        min_sup=max(config.least_decisions, len(loss) // 100),
        verbose=False,
    )
    codes = pd.DataFrame({name: table[name].cat.codes.to_numpy(int) + 2 for name in COLUMNS})
    finder.fit(codes[half].to_numpy(), loss - loss.min())
    found, taken = [], np.zeros(len(table), bool)
    for slice_ in finder.top_slices_[: config.candidates]:
        where = {
            n: table[n].cat.categories[int(v) - 2]
            for n, v in zip(COLUMNS, slice_, strict=True)
            if v is not None and v > 1
        }
        rows = matching(table, where)
        found.append(Found(where, rows, rows & ~taken))
        taken |= rows
    return found


FINDERS: dict[str, Callable[..., list[Found]]] = {"lattice": search, "tree": tree, "sliceline": sliceline}


Plant = tuple[Any, str]
"""Decisions of a planted slice, and its kind."""


def repetition(
    n: int, setting: dict[str, Any], finders: list[str], seed: int, *, nothing: bool
) -> list[dict[str, Any]]:
    """Return what each finder makes of one planted store."""
    slices = () if nothing else plants(seed)
    true = planted.truth(n, slices, seed=seed)
    record = record_of(*planted.rows(true, seed=seed, **setting))
    return [
        {"nothing": nothing, **one}
        for one in audited(record, true, [(slice_.rows(true), slice_.kind) for slice_ in slices], finders, seed)
    ]


def on_pairs(pairs: pd.DataFrame, p: float, finders: list[str], seed: int) -> list[dict[str, Any]]:
    """Return what each finder makes of real pairs with one arm hidden; in every second repetition the policy is right everywhere."""
    true, rows = planted.hidden(pairs, wrong=0.3 * (seed % 2), p=p, seed=seed)
    cell = true.groupby(["task", "model"], dropna=False).ngroup()
    own = [(cell == number).to_numpy(bool) for number in cell[true.planted].unique()]
    kinds = ["overthinking" if true.policy_reasoning[rows].iloc[0] else "underthinking" for rows in own]
    found = audited(
        record_of(*rows),
        true.assign(mean_net_benefit=true.net_benefit),
        list(zip(own, kinds, strict=True)),
        finders,
        seed,
    )
    return [{"nothing": not len(own), **one} for one in found]


def audited(
    record: Record, true: pd.DataFrame, plants: list[Plant], finders: list[str], seed: int
) -> list[dict[str, Any]]:
    """Return what each finder makes of a record with a known truth."""
    config = AuditConfig(seed=seed)
    evidence = join(record, config)
    expected, contrasts, out = modelled(evidence), [paired(evidence), explored(evidence, config)], []
    for name in finders:
        calls: list[list[Found]] = []

        def finding(*given: Any, name: str = name, calls: list[list[Found]] = calls) -> list[Found]:
            calls.append(FINDERS[name](*given))
            return calls[-1]

        audit.slices.search = finding
        table = audit.slices.slices(evidence, contrasts, expected, config)
        out.append({"finder": name, **judged(table, true, plants, calls)})
    return out


def judged(table: pd.DataFrame, true: pd.DataFrame, plants: list[Plant], calls: list[list[Found]]) -> dict[str, Any]:
    """Return planted slices found, slices called misrouted and false ones among them, and intervals that hold the truth."""
    bands = [true.familiarity < edge for edge in (0.3, 0.6, 0.8)]
    named = true.assign(
        band=np.select(bands, ["unfamiliar", "low", "middle"], "high"),
        day=[time.strftime("%Y-%m-%d") for time in true.time],
    )
    by_title = {found_title(found.where): found.rows for call in calls for found in call}
    hit = {how: np.zeros(len(plants), bool) for how in ("dimension", "search")}
    counts = dict.fromkeys(("called", "false", "false_by_search", "intervals", "held"), 0)
    for row in table.itertuples():
        where = {
            c: getattr(row, STORED_AS.get(c, c))
            for c in DIMENSIONS
            if isinstance(getattr(row, STORED_AS.get(c, c)), str)
        }
        rows = by_title[found_title(where)] if row.found == "search" else matching(named, where)
        rows = rows & (named.policy_reasoning == (row.kind == "overthinking")).to_numpy(bool)
        side = -1 if row.kind == "overthinking" else 1
        if row.found == "dimension" and row.evidence in (PAIRS, EXPLORED):
            counts["intervals"] += 1
            counts["held"] += int(row.net_benefit_lower <= true.net_benefit[rows].mean() <= row.net_benefit_upper)
        if not row.misrouted:
            continue
        wrong = bool(side * true.mean_net_benefit[rows].mean() <= 1e-9)
        counts["called"] += 1
        counts["false"] += wrong
        counts["false_by_search"] += wrong and row.found == "search"
        for i, (own, kind) in enumerate(plants):
            hit[row.found][i] |= kind == row.kind and (own & rows).sum() >= ALIKE * (own | rows).sum()
    found = hit["dimension"] | hit["search"]
    return {"planted": len(plants), "found": int(found.sum()), "by_search": int(hit["search"].sum()), **counts}


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
    parser.add_argument("--finders", nargs="+", default=["lattice"], choices=list(FINDERS))
    parser.add_argument("--out", type=Path, default=RESULTS / "audit_recovery.json")
    options, before = parser.parse_args(), provenance()
    command = f"python benchmarks/audit_recovery.py --repetitions {options.repetitions} --decisions {options.decisions}"
    command += f" --finders {' '.join(options.finders)}"
    figure: dict[str, Any] = {**before, "command": command, "loss_points": 0.15, "settings": {}, "real_pairs": {}}

    def measure(place: str, name: str, one: Callable[[int], list[dict[str, Any]]]) -> None:
        table = pd.DataFrame([row for seed in progress(range(options.repetitions), name) for row in one(seed)])
        figure[place][name] = {finder: summary(table[table.finder == finder]) for finder in options.finders}
        write(figure, options.out)

    if all(path.is_file() for path in PATHS):
        pairs = planted.logged_pairs(pd.concat([pd.read_parquet(path) for path in PATHS], ignore_index=True))
        for p in CHANCES:
            measure(
                "real_pairs",
                f"the other arm with probability {p}",
                lambda seed, p=p: on_pairs(pairs, p, options.finders, seed),
            )
    for name, setting in SETTINGS.items():
        measure(
            "settings",
            name,
            lambda seed, own=setting: repetition(options.decisions, own, options.finders, seed, nothing=seed % 2 == 0),
        )


if __name__ == "__main__":
    main()
