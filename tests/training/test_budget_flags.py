"""Flagged attempts that only thinking budgets may read: they reach needs of thinking tokens, and neither pairs nor anything else."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contract.bundle import Bundle
from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.records import COLUMNS
from training.budget_targets import accepted_flags, budget_targets
from training.commands_train import without_tasks
from training.config import TrainConfig
from training.logs import AllRowsBad, read_logs
from training.report.material import material, needs_read
from training.simulate import simulate_logs
from training.taxonomy import load_taxonomy

DERIVED = "tokens derived: min(thinking, limit)"
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"


def attempt(prompt="p", arm="reasoning", **more):
    return {"prompt": prompt, "model": "m", "source": "s", "arm": arm, "score": 1.0, "output_tokens": 50, **more}


def rung(budget, score, prompt="p", flag=DERIVED, **more):
    tokens = {"thinking_tokens": budget - 10, "output_tokens": budget, "thinking_budget": budget}
    return attempt(prompt, score=score, flag=flag, **tokens, **more)


ROWS = (
    attempt(arm="direct", task="sums"), attempt(thinking_tokens=40, task="sums"), rung(512, 0.0), rung(1024, 1.0, task="steps"),
    attempt("q", arm="direct", flag="odd"), attempt("q", "reasoning", flag="truncation: hit cap", thinking_tokens=40),
)  # fmt: skip


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


def test_rows_accepted_for_budgets_are_kept_apart_and_the_table_is_as_without_them(path):
    plain, logs = read_logs([path]), read_logs([path], accept_budget_flags=["tokens derived", "truncation"])
    pd.testing.assert_frame_equal(logs.table, plain.table)
    assert tuple(logs.budget_only.columns) == COLUMNS
    assert logs.budget_only.flag.tolist() == [DERIVED, DERIVED, "truncation: hit cap"]
    assert (logs.report.kept, logs.report.pairs) == (plain.report.kept, plain.report.pairs) == (2, 1)
    assert logs.report.budget_only == {DERIVED: 2, "truncation: hit cap": 1}
    assert logs.report.flagged == {"odd": 1}
    assert "for budgets               3" in logs.report.text()
    assert plain.budget_only.empty
    assert "for budgets" not in plain.report.text()


def test_a_flag_accepted_for_everything_is_not_for_budgets_alone(path):
    logs = read_logs([path], accept_flags=[DERIVED], accept_budget_flags=[DERIVED, "odd"])
    assert logs.table.flag.dropna().tolist() == [DERIVED] * 2
    assert logs.budget_only.flag.tolist() == ["odd"]


def test_a_ladder_is_read_off_them(path):
    config = TrainConfig()
    logs = read_logs([path], accept_budget_flags=[DERIVED])
    (found,) = budget_targets(logs.for_budgets(), config).to_dict("records")
    assert (found["needed_tokens"], found["target_is"]) == (1014, "ladder")
    (alone,) = budget_targets(logs.table, config).to_dict("records")
    assert (alone["needed_tokens"], alone["target_is"]) == (40, "attempts")
    told = needs_read(logs.for_budgets(), config)
    assert told == {
        "flags": {DERIVED: 2},
        "sources": {"s": {"prompts": 1, "censored": 0, "targets": {"ladder": 1}}},
    }
    assert accepted_flags(logs.table) == {}


def test_a_flag_that_no_row_has_is_refused_with_those_that_are_there(path):
    with pytest.raises(InvalidInput, match=r"'deriven'; flags of the rows: 'odd', '.*'; check --accept-budget-flag"):
        read_logs([path], accept_budget_flags=["deriven", "odd"])


def test_rows_for_budgets_alone_are_no_log_to_train_on(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(json.dumps(rung(512, 1.0)) + "\n")
    with pytest.raises(AllRowsBad, match="accepted for budgets alone.*--accept-flag"):
        read_logs([file], accept_budget_flags=[DERIVED])


def test_rows_are_taken_from_both_tables(path):
    logs = read_logs([path], accept_budget_flags=[DERIVED])
    assert len(logs.for_budgets()) == 4
    part = logs.take(np.array([True, False, False, True]))
    assert (part.table.arm.tolist(), part.budget_only.thinking_budget.tolist()) == (["direct"], [1024])
    left = without_tasks(logs, ["steps"])
    assert (len(left.table), left.budget_only.thinking_budget.tolist()) == (2, [512])
    assert len(without_tasks(logs, ["sums"]).budget_only) == 2
    assert (left.report.tasks_left_out, logs.report.tasks_left_out) == ({"steps": 1}, {})
    assert "of tasks steps" in left.report.text()


def test_material_says_what_is_absent(path):
    logs = read_logs([path], accept_budget_flags=[DERIVED])
    assert material(logs.for_budgets()) == {
        "models": {"s": ["m"]}, "languages": {}, "without_language": 1, "first_year": None, "last_year": None, "undated": 4,
    }  # fmt: skip
    dated = logs.table.assign(language="en", timestamp=pd.to_datetime(["2023-05-01", None], utc=True))
    made = material(dated)
    assert (made["languages"], made["first_year"], made["last_year"], made["undated"]) == ({"en": 1}, 2023, 2023, 1)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """A simulated log, with ladders of its first 40 prompts that are flagged, and score worse than any attempt at them."""
    table = simulate_logs(load_taxonomy(), 120, attempts=1, seed=3).table
    thought = table[table.arm == "reasoning"].drop_duplicates("prompt").head(40)
    rungs = [
        thought.assign(
            attempt=1, thinking_budget=budget, thinking_tokens=budget - 12, output_tokens=budget, score=score, flag=DERIVED,
            pair_kind=None,
        )
        for budget, score in ((512, 0.0), (1024, 0.5), (2048, 0.5))
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("log") / "simulated.jsonl"
    pd.concat([table, *rungs]).to_json(path, orient="records", lines=True, date_format="iso")
    return path


def test_evaluation_differs_in_nothing_but_the_budget(simulated, thinkworth, tmp_path, monkeypatch):
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)
    bundle, reports = ROOT / "models" / "default", []
    for more in ((), ("--accept-budget-flag", "tokens derived")):
        said = thinkworth(
            "evaluate", bundle, simulated, "--json", tmp_path / "r.json", "--html", tmp_path / "r.html", *more
        )
        assert said.code == 0, said.err
        reports.append(json.loads((tmp_path / "r.json").read_text()))
    plain, accepted = (report.pop("budget") for report in reports)
    assert reports[0] == reports[1]
    assert (plain["flags"], accepted["flags"]) == ({}, {DERIVED: 120})
    assert plain["all"]["targets"] == {"attempts": 120}
    assert accepted["all"]["targets"]["ladder"] > 20
    assert f"attempts with each: {DERIVED} (120)" in said.out
    assert "off ladders of budgets" in said.out
    assert f"{DERIVED} (120)" in (tmp_path / "r.html").read_text()


def test_training_reads_them_for_budgets_and_says_so(simulated, tmp_path, thinkworth, few_families, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training.metrics.RESAMPLES", 30)
    few_families(tmp_path)
    (tmp_path / "small.yaml").write_text("iterations: 10\ncomponents: 4\n")
    told = {"source": "tokens", "pair_kind": "unpaired", "licence": "CC-BY-4.0", "thinking_tokens": 40}
    (tmp_path / "tokens.jsonl").write_text("".join(json.dumps(attempt(f"p{i}", **told)) + "\n" for i in range(3)))
    settings = ("--config", "small.yaml", "--out", "bundle", "--no-register")
    said = thinkworth("train", simulated, "tokens.jsonl", "--accept-budget-flag", DERIVED, *settings)
    assert said.code == 0, said.err
    training = Bundle(tmp_path / "bundle").manifest.training
    assert training["pairs"] == {"simulated": 120}
    assert training["log"]["budget_only"] == training["budget"]["flags"] == {DERIVED: 120}
    targets = training["budget"]["sources"]["simulated"]["targets"]
    assert targets["ladder"] == 40
    held_out = json.loads((tmp_path / "bundle" / "report.json").read_text())["holdout"]["budget"]
    assert held_out["flags"] == {DERIVED: 120}
    card = (tmp_path / "bundle" / "card.md").read_text()
    assert f"Flags accepted for the budget: `{DERIVED}` (120 attempts)." in card
    assert f"| simulated | {sum(targets.values())} | 40 | {targets['attempts']} | 0 |" in card
    assert "| tokens | thinking tokens alone | m | CC-BY-4.0 |" in card


@pytest.mark.parametrize("verb", [("train",), ("evaluate", ROOT / "models" / "default")])
def test_an_unknown_flag_ends_the_command_with_the_flags_that_are_there(verb, simulated, thinkworth, tmp_path):
    out = ("--out", tmp_path / "bundle") if verb == ("train",) else ()
    said = thinkworth(*verb, simulated, *out, "--accept-budget-flag", "unheard of")
    assert said.code == 2
    assert "unheard of" in said.err
    assert DERIVED in said.err


def test_the_ladders_of_humaneval_come_in_without_entering_the_pairs():
    path = SHARED / "humaneval_budget.parquet"
    if not path.exists():
        pytest.skip("the optional data folder ../shared/data is absent")
    flags = ("reasoning_tokens derived as min(on thinking, limit)", "truncation: hit 4096 cap")
    plain, logs = read_logs([path]), read_logs([path], accept_budget_flags=flags)
    pd.testing.assert_frame_equal(logs.table, plain.table)
    (source,) = needs_read(logs.for_budgets(), TrainConfig())["sources"].values()
    assert source["targets"] == {"ladder": 164}
    (source,) = needs_read(logs.table, TrainConfig())["sources"].values()
    assert set(source["targets"]) == {"attempts"}
