"""Champion and challengers on the same decisions: what is planted is found, and what is alike is called alike."""

import numpy as np
import pandas as pd
import pytest

from audit.challengers import VERDICTS, challengers
from audit.config import AuditConfig
from audit.estimates import explored, paired
from audit.evidence import join
from audit.modelled import modelled

CONFIG = AuditConfig(resamples=50)


def compared(record):
    evidence = join(record, CONFIG)
    made = challengers(record, evidence, [paired(evidence), explored(evidence, CONFIG)], modelled(evidence))
    return made, *(pd.DataFrame(made["tables"][name]["rows"]) for name in ("compared", "verdicts"))


@pytest.fixture(scope="module")
def judged(planted, read_rows):
    """What is true, the arms of three challengers, and the record: one mends the planted slice, one is wrong elsewhere, one is the same."""
    slices = (planted.Slice({"task": "task_03"}, "overthinking", 0.3),)
    true = planted.truth(12_000, slices, seed=9)
    decided, outcomes, bundles = planted.rows(true, rate=0.5, shadow=0.1, seed=9)
    policy = true.policy_reasoning.to_numpy(bool)
    mends = policy & (true.task != "task_03").to_numpy(bool)
    arms = {"mends": mends, "errs": np.where(true.task != "task_03", ~policy, policy), "same": policy}
    rng = np.random.default_rng(1)
    beside = rng.random(len(true)) < 0.8  # the rest was dropped
    words = {name: np.where(arm, "use", "avoid") for name, arm in arms.items()}
    words["mends"] = np.where(mends != policy, "maybe", words["mends"])
    decided["shadow"] = [
        {name: {"verdict": words[name][i], "arm": "reasoning" if arms[name][i] else "direct"} for name in arms} if beside[i] else None
        for i in range(len(true))
    ]  # fmt: skip
    return true, arms, words, beside, read_rows(decided, outcomes, bundles)


def test_each_is_valued_by_what_is_true(judged):
    true, arms, _, beside, record = judged
    _, rows, _ = compared(record)
    net, policy = true.net_benefit.to_numpy()[beside], arms["same"][beside]
    for name, arm in arms.items():
        worth, change = (arm[beside] * net).mean(), ((arm[beside].astype(float) - policy) * net).mean()
        for kind in ("explored", "observed_pairs"):
            row = rows[(rows.challenger == name) & (rows.evidence == kind)].iloc[0]
            for column, truth in (
                ("champion", (policy * net).mean()),
                ("challenger_worth", worth),
                ("difference", change),
            ):
                half = (row[f"{column}_upper"] - row[f"{column}_lower"]) / 2
                # of so many intervals some miss by a little: three standard errors
                assert abs(row[column] - truth) <= 1.5 * half, (name, kind, column)
            assert row.n < beside.sum() == row.decisions
    difference = rows[rows.evidence == "explored"].set_index("challenger")
    assert difference.difference_lower["mends"] > 0
    assert difference.difference_upper["errs"] < 0
    assert difference.loc["same", ["difference", "difference_lower", "difference_upper"]].tolist() == [0, 0, 0]


def test_the_cross_table_counts_what_both_said(judged):
    _, arms, words, beside, record = judged
    made, rows, crossed = compared(record)
    assert made["figures"]["judged_by_both"]["value"] == beside.sum()
    champion = np.where(arms["same"], "use", "avoid")[beside]
    for name in arms:
        own = crossed[crossed.challenger == name].set_index("champion_verdict")
        for verdict in VERDICTS:
            assert own.loc[verdict, list(VERDICTS)].tolist() == [
                ((champion == verdict) & (words[name][beside] == other)).sum() for other in VERDICTS
            ]
        row = rows[rows.challenger == name].iloc[0]
        assert row.verdicts_differ == (champion != words[name][beside]).mean()
        assert row.arms_differ == (arms["same"] != arms[name])[beside].mean()
        assert row.verdicts_differ_lower <= row.verdicts_differ <= row.verdicts_differ_upper


def test_without_evidence_a_difference_is_unknown_and_without_challengers_there_is_none(put, record):
    put(
        ({"shadow": {"b": {"verdict": "avoid", "arm": "direct"}}}, []),
        ({"p_reasoning": 1.0, "shadow": {"b": {"verdict": "use", "arm": "reasoning"}}}, [{"score": 1.0}]),
        ({}, []),
    )
    made, rows, _ = compared(record())
    assert made["figures"]["judged_by_both"]["value"] == 2
    explored_ = rows[rows.evidence == "explored"].iloc[0]
    assert explored_[["champion", "challenger_worth", "difference"]].isna().all()
    assert (explored_.n, explored_.decisions, explored_.verdicts_differ) == (0, 2, 0.5)
    alone = record(until=record().decisions.time.min())
    assert compared(alone)[0]["tables"]["compared"]["rows"] == []
