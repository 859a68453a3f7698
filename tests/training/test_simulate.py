"""Simulated logs: reproducible, marked as simulated, and true to the expectations that are written beside them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract.errors import InvalidInput
from contract.profiles import Profile
from contract.records import COLUMNS, Attempt
from training.labels import label
from training.logs import read_logs
from training.simulate import simulate_logs, write_simulated
from training.taxonomy import Family, load_taxonomy

BALANCED = {"balanced": Profile(tokens_per_point=20_000, max_thinking_tokens=8192)}


@pytest.fixture(scope="module")
def families() -> list[Family]:
    return load_taxonomy()


def test_the_same_seed_gives_the_same_log_and_another_seed_another(families: list[Family]) -> None:
    one, same, other = (simulate_logs(families, 40, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one.table, same.table)
    pd.testing.assert_frame_equal(one.truth, same.truth)
    assert not set(one.table["prompt_id"]) & set(other.table["prompt_id"])


def test_every_row_says_that_it_is_simulated(families: list[Family]) -> None:
    table = simulate_logs(families, 50, attempts=3).table
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 50 * 2 * 3
    said = {
        "source": "simulated",
        "model": "simulated-model",
        "score_kind": "simulated (known truth)",
        "pair_kind": "toggle",
        "licence": "Apache-2.0",
    }
    for name, value in said.items():
        assert table[name].unique().tolist() == [value], name
    assert table["flag"].isna().all()
    assert set(table["task"]) <= {family.name for family in families}


def test_prompts_are_distinct(families: list[Family]) -> None:
    table = simulate_logs(families, 2000, attempts=1).table
    assert table["prompt"].nunique() == table["prompt_id"].nunique() == 2000


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "jsonl.gz", "csv"])
def test_the_reader_takes_every_simulated_row(families: list[Family], tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"logs.{suffix}"
    truth = write_simulated(simulate_logs(families, 60), out)
    logs = read_logs([out])
    assert truth.name == f"logs.{suffix}.truth.parquet"
    assert logs.report.kept == logs.report.rows == 240
    assert logs.report.pairs == len(pd.read_parquet(truth)) == 60


def test_rows_are_valid_attempts(families: list[Family]) -> None:
    table = simulate_logs(families, 30).table.astype(object)
    rows = table.where(table.notna(), None).to_dict("records")
    assert [Attempt.model_validate(row).prompt_id for row in rows] == table.prompt_id.tolist()


def test_labels_come_near_the_truth(families: list[Family]) -> None:
    simulated = simulate_logs(families, 400, attempts=40, seed=7)
    labels = label(simulated.table, BALANCED).set_index("prompt_id").loc[simulated.truth["prompt_id"]]
    truth = simulated.truth.set_index("prompt_id")
    for arm in ("direct", "reasoning"):
        # standard deviation of one score is at most .5, of 40 at most .08: of 400 prompts none is 6 of them away
        assert np.abs(labels[f"score_{arm}"] - truth[f"expected_score_{arm}"]).max() < 6 * 0.08
    assert abs((labels["gain"] - truth["expected_gain"]).mean()) < 0.02
    ratio = labels["extra_tokens"] / truth["expected_extra_tokens"]
    assert abs(ratio.mean() - 1) < 0.03


def test_the_regimes_are_what_their_names_say(families: list[Family]) -> None:
    mean = simulate_logs(families, 4000, seed=1).truth.groupby("regime").mean(numeric_only=True)
    assert mean.loc["medium", "expected_gain"] > 0.1
    assert abs(mean.loc["easy", "expected_gain"]) < 0.02
    assert mean.loc["hopeless", "expected_score_reasoning"] < 0.3


@pytest.mark.parametrize(("prompts", "attempts", "seed"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_impossible_numbers_are_refused(families: list[Family], prompts: int, attempts: int, seed: int) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        simulate_logs(families, prompts, attempts=attempts, seed=seed)


def test_an_unknown_suffix_leaves_nothing_behind(families: list[Family], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="unknown suffix"):
        write_simulated(simulate_logs(families, 1), tmp_path / "logs.txt")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_taxonomy_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "taxonomy.yaml"
    for text in ("families: 3", "[", "families:\n- name: Bad Name", "other: []"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match=r"taxonomy\.yaml"):
            load_taxonomy(path)
    with pytest.raises(InvalidInput, match="No such file"):
        load_taxonomy(tmp_path / "absent.yaml")
