"""Real pairs with one arm hidden by a known chance: the policy is wrong in some tasks, and the audit says in which."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.config import AuditConfig
from audit.estimates import explored, mean_of, paired
from audit.evidence import join
from audit.modelled import modelled
from audit.slices import slices

LOG = Path(__file__).parents[3] / "shared" / "data" / "bbh.parquet"
CONFIG = AuditConfig()

pytestmark = [pytest.mark.data, pytest.mark.skipif(not LOG.is_file(), reason="../shared/data is absent")]


def test_tasks_where_the_policy_is_wrong_are_found_with_one_arm_hidden(planted, read_rows):
    pairs = planted.logged_pairs(pd.read_parquet(LOG))
    true, rows = planted.hidden(pairs, wrong=0.6, p=0.5, seed=1)
    evidence = join(read_rows(*rows), CONFIG)
    assert not evidence.pairs.any()
    draws = explored(evidence, CONFIG)
    _, interval, _ = mean_of(draws.net_benefit, evidence.table)
    assert interval[0] < true.net_benefit.mean() < interval[1]

    table = slices(evidence, [paired(evidence), draws], modelled(evidence), CONFIG)
    called = table[table.misrouted]
    losing = true[true.planted].groupby("task").net_benefit.mean().abs()
    large = set(losing[losing >= 0.25].index)
    assert len(large) >= 4
    assert large <= set(called.task.dropna())
    for _, row in called.iterrows():
        own = np.array(true.policy_reasoning == (row.kind == "overthinking"))
        for name in ("task", "model"):
            if isinstance(row[name], str):
                own &= (true[name] == row[name]).to_numpy(bool)
        side = -1 if row.kind == "overthinking" else 1
        assert side * np.mean(true.net_benefit[own]) > 0, row.title
