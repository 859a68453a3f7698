"""Orders against what they are by hand: task means out of fold, shares of thinking with ties."""

import numpy as np
import pandas as pd
import pytest

from training.report.orders import BASELINES, baselines, our_orders, source_means, task_means, thinking_share


def test_a_task_mean_is_of_the_other_prompts():
    n = 200
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"source": "s", "task": "t", "group": [f"p{i}" for i in range(n)], "gain": rng.normal(size=n)})
    means = task_means(table)
    assert len(np.unique(means.round(12))) == 5  # one a fold
    assert np.corrcoef(means, table.gain)[0, 1] < 0  # each leaves its own gain out
    assert task_means(table.assign(gain=table.gain + 7)) == pytest.approx(means + 7)


def test_all_models_at_a_prompt_are_in_one_fold(told):
    table = told(400, models=4)
    means = task_means(table.assign(task="t"))
    assert all(len(set(part)) == 1 for _, part in pd.Series(means).groupby(table.group.to_numpy()))


def test_a_task_of_one_prompt_gets_the_mean_of_its_source_and_a_source_of_one_that_of_all(told):
    table = told(100).assign(task="t", gain=1.0)
    table.loc[0, ["task", "gain"]] = "rare", 0.0
    table.loc[1, ["source", "task", "gain"]] = "lone", "t", 0.0
    means = task_means(table)
    assert means[0] == 1.0
    assert 0.95 < means[1] <= 1.0


def test_a_task_that_is_missing_is_one_of_its_own(told):
    table = told(200).assign(task=[None if i % 2 else "t" for i in range(200)], gain=[float(i % 2) for i in range(200)])
    assert task_means(table) == pytest.approx(table.gain.to_numpy())


def test_task_means_of_no_row_are_none(told):
    assert len(task_means(told(0))) == 0


def test_source_means_tell_sources_apart_and_nothing_within(told):
    table = pd.concat([told(50), told(50, source="other", gain=0.25)], ignore_index=True)
    means = source_means(table)
    assert set(means[50:]) == {0.25}
    assert len(set(means[:50])) == 1


def test_the_baselines_put_first_what_they_say(told):
    table = told(3).assign(
        expected_extra_tokens=[30.0, 10.0, 20.0], characters=[1.0, 5.0, 9.0], expected_score_direct=[0.9, 0.1, 0.5]
    )
    first = {name: int(np.argmax(order)) for name, order in baselines(table).items() if name != "task mean"}
    assert first == {"predicted tokens": 1, "prompt length": 2, "predicted difficulty": 1}
    assert set(baselines(table)) == set(BASELINES)


def test_the_orders_of_ours_are_four(told):
    table = told(2).assign(worth=[5.0, 6.0], expected_gain=[0.4, 0.3], expected_extra_tokens=[200.0, 0.0])
    orders = our_orders(table)
    assert list(orders) == ["q", "q_net_benefit", "q_gain_per_token", "q_gain"]
    assert orders["q"].tolist() == [5, 6]
    assert orders["q_gain"].tolist() == [0.4, 0.3]
    assert orders["q_gain_per_token"].tolist() == [0.002, 0.3]


@pytest.mark.parametrize(
    ("order", "share", "think"),
    [
        ([3, 1, 2, 0], 0.5, [1, 0, 1, 0]),
        ([3, 1, 2, 0], 0.0, [0, 0, 0, 0]),
        ([3, 1, 2, 0], 1.0, [1, 1, 1, 1]),
        ([1, 1, 1, 0], 0.5, [2 / 3, 2 / 3, 2 / 3, 0]),
        ([2, 1, 1, 0], 0.5, [1, 0.5, 0.5, 0]),
        ([3, 2, 1, 0], 0.3, [1, 0.2, 0, 0]),
        ([0, 0, 0, 0], 0.25, [0.25] * 4),
        ([], 0.5, []),
    ],
)
def test_a_share_thinks_and_ties_share_alike(order, share, think):
    found = thinking_share(np.array(order, float), share)
    assert found == pytest.approx(np.array(think, float))
    assert found.sum() == pytest.approx(share * len(order))
