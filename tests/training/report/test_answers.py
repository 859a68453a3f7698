"""What the shipped bundle answers to rows, and the whole report by the command on a simulated log."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from contract.locate import ROOT
from contract.policy import decide
from contract.prompt import Prompt
from contract.records import Verdict
from contract.scorer import Scorer
from training.embedding_cache import EmbeddingCache
from training.evidence import Rows, embed
from training.report.answers import full_budget, predictions

PROMPTS = (
    "What is the capital of France?", "Prove that the square root of 2 is irrational.", "Translate 'good morning' into German.",
    "Three friends sit in a row; Ann is not next to Bob, Cid is left of Bob. Who sits where?", "Thanks, that helped!",
)  # fmt: skip


@pytest.fixture(scope="module")
def scorer():
    return Scorer.load(ROOT / "models" / "default")


@pytest.fixture(scope="module")
def told(scorer, tmp_path_factory):
    prompts = [Prompt.from_text(text) for text in PROMPTS]
    table = pd.DataFrame({"prompt_id": range(len(prompts)), "model": None})
    return predictions(
        scorer, Rows(*embed(prompts, EmbeddingCache(tmp_path_factory.mktemp("c"), scorer.encoder)), table)
    )


def test_the_answers_are_those_of_the_service_in_every_profile(scorer, told):
    for i, text in enumerate(PROMPTS):
        scores = scorer.score(Prompt.from_text(text)).scores
        for name, profile in scorer.manifest.profiles.items():
            decision = decide(scores, profile, scorer.manifest.calibration)
            assert told[f"verdict_{name}"][i] == decision.verdict
        balanced = decide(scores, scorer.manifest.profiles["balanced"], scorer.manifest.calibration)
        assert told.verdict[i] == balanced.verdict
        assert told.expected_gain[i] == pytest.approx(balanced.gain, abs=1e-6)
        assert told.net_benefit[i] == pytest.approx(balanced.net_benefit, abs=1e-6)
        assert told.p_use[i] == pytest.approx(scores.probabilities["balanced"][0], abs=1e-6)
        assert told.expected_score_direct[i] == pytest.approx(scores.score_direct, abs=1e-6)


def test_the_full_budget_is_that_of_use_where_no_cap_binds(scorer):
    calibration, seen = scorer.manifest.calibration, 0
    for text in PROMPTS:
        scores = scorer.score(Prompt.from_text(text)).scores
        for profile in scorer.manifest.profiles.values():
            decision, budget = decide(scores, profile, calibration), full_budget(scores)
            assert budget > 0
            if decision.verdict is Verdict.USE:
                seen += 1
                assert decision.thinking_budget == min(budget, profile.max_thinking_tokens)
    assert seen


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A simulated log of 120 prompts with dollars, a language and a name that is markup."""
    from training.simulate import simulate_logs
    from training.taxonomy import load_taxonomy

    table = simulate_logs(load_taxonomy(), 120, attempts=1, seed=3).table
    rng = np.random.default_rng(0)
    table = table.assign(cost_usd=rng.uniform(0.001, 0.01, len(table)), language="en", task="<b>task</b>")
    path = tmp_path_factory.mktemp("log") / "simulated.jsonl"
    table.to_json(path, orient="records", lines=True, date_format="iso")
    return path


def test_the_command_writes_the_whole_report_in_every_form(log, thinkworth, tmp_path, monkeypatch, mlflow_database):
    monkeypatch.setattr("training.metrics.RESAMPLES", 40)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_database(tmp_path))
    monkeypatch.chdir(tmp_path)
    extra = {"title": "Learning curve", "columns": ["pairs", "q"], "rows": [[100, 0.25]]}
    (tmp_path / "curve.json").write_text(json.dumps(extra))
    said = thinkworth(
        "evaluate", ROOT / "models" / "default", log, "--json", "r.json", "--html", "r.html", "--include", "curve.json", "--mlflow",
    )  # fmt: skip
    assert said.code == 0, said.err
    made = json.loads((tmp_path / "r.json").read_text())
    assert made["n"] == 120
    assert made["included"] == [{**extra, "note": None}]
    assert made["priced_as_logged"] == 120  # a simulated reasoning arm is a thinking mode
    assert made["costs_known"] == {"cost_usd": 120, "gpu_seconds": 0, "latency_s": 120}
    always = next(row for row in made["policies"] if row["policy"] == "always")
    assert 0.001 < always["cost_usd"] < 0.01
    assert always["latency_p50"] < always["latency_p95"]
    assert always["gpu_seconds"] is None
    assert made["slices"]["language"]["parts"]["en"]["n"] == 120
    assert made["budget"]["all"]["n"] == 120
    assert 0 < made["budget"]["all"]["coverage"]["value"] <= 1
    assert "verdicts on the wrong side" in said.out
    assert "thinking budget: 120 attempts" in said.out
    page = (tmp_path / "r.html").read_text()
    assert "Learning curve" in page
    assert "<b>task" not in page
    assert "&lt;b&gt;task" in page
    (run_id,) = re.findall(r"logged as MLflow run (\w+)", said.out)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.get_run(run_id)
    assert run.data.tags["kind"] == "evaluation"
    assert run.data.tags["revision"] == made["revision"]
    assert run.data.metrics["macro_q"] == pytest.approx(made["macro_q"])
    assert sorted(a.path for a in client.list_artifacts(run_id)) == ["plots", "report.html", "report.json"]
    assert len(client.list_artifacts(run_id, "plots")) == 4
    assert not client.search_registered_models()  # an evaluation registers nothing


def test_an_include_that_is_no_table_is_refused_before_any_work(log, thinkworth, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("[]")
    said = thinkworth("evaluate", ROOT / "models" / "default", log, "--include", "bad.json", "--html", "r.html")
    assert said.code == 2
    assert "bad.json" in said.err
    assert not (tmp_path / "r.html").exists()
