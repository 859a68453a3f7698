"""The whole path on a simulated log: train, register, evaluate, predict; through the command, as a user does."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from contract.bundle import Bundle
from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer
from training.evidence import fraction
from training.metrics import auc, interval, policy_table, q
from training.register import named, register
from training.tracking_server import tracking_uri

THINKWORTH = Path(sys.executable).with_name("thinkworth")


def thinkworth(*arguments, cwd, **environment):
    env = {**os.environ, **environment}
    return subprocess.run(
        [str(THINKWORTH), *map(str, arguments)], cwd=cwd, env=env, capture_output=True, text=True, timeout=500
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    (folder / "config.yaml").write_text("iterations: 12\ncomponents: 16\n")
    uri = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}
    made = thinkworth("simulate", "--prompts", 200, "--out", "logs.jsonl", "--seed", 3, cwd=folder)
    assert made.returncode == 0, made.stderr
    run = thinkworth("train", "logs.jsonl", "--out", "bundle", "--config", "config.yaml", cwd=folder, **uri)
    assert run.returncode == 0, run.stderr
    return folder, run, uri


def test_the_run_prints_its_bundle_and_report(trained):
    folder, run, _ = trained
    assert "bundle: bundle" in run.stdout
    assert "challenger" in run.stdout
    assert "q " in run.stdout
    assert {p.name for p in (folder / "bundle").iterdir()} == {"manifest.json", "heads.onnx", "card.md", "report.json"}


def test_the_bundle_is_verified_and_holds_no_prompt(trained):
    folder, _, _ = trained
    manifest = Bundle(folder / "bundle").manifest
    assert manifest.training["pairs"] == {"simulated": 200}
    assert [*manifest.models] == ["simulated-model"]
    assert all(n.n >= 20 for n in manifest.neighbourhoods)
    text = "".join((folder / "bundle" / name).read_text() for name in ("manifest.json", "card.md", "report.json"))
    prompts = [json.loads(line)["prompt"] for line in (folder / "logs.jsonl").read_text().splitlines()]
    assert not [prompt for prompt in prompts if len(prompt) > 25 and prompt in text]


def test_parity_is_in_the_report(trained):
    folder, _, _ = trained
    parity = json.loads((folder / "bundle" / "report.json").read_text())["parity"]
    assert parity["rows"] > 50
    assert parity["verdicts_compared"] == 3 * parity["rows"]
    assert all(value["equal"] >= 0.999 for value in parity.values() if isinstance(value, dict))


def test_the_challenger_is_registered_with_its_bundle(trained):
    folder, _, uri = trained
    code = (
        "from mlflow.tracking import MlflowClient; c = MlflowClient(); v = c.get_model_version_by_alias('thinkworth', 'challenger');"
        "r = c.get_run(v.run_id); print(v.version, len(r.data.metrics), r.data.params['iterations'],"
        "sorted(a.path for a in c.list_artifacts(v.run_id)), [t for t in r.data.tags if t.startswith('dataset.')],"
        "[(i.dataset.name, i.dataset.digest, i.dataset.profile) for i in r.inputs.dataset_inputs])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env={**os.environ, **uri}, capture_output=True, text=True, timeout=200
    )
    assert out.returncode == 0, out.stderr
    assert out.stdout.startswith("1 ")
    digest = hashlib.sha256((folder / "logs.jsonl").read_bytes()).hexdigest()
    logged = "['card.md', 'plots', 'recipe.json', 'report.html', 'report.json']"
    assert (
        f"12 {logged} ['dataset.logs.jsonl'] [('logs.jsonl', '{digest[:36]}', '{{\"num_rows\": 800}}')]" in out.stdout
    )


def test_without_an_address_the_registry_is_the_checkouts_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{ROOT}/mlruns/mlflow.db"


@pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy", "ignore:.*Any type hint", "ignore:Operation with range"
)  # MLflow's own
def test_a_bundle_is_registered_in_a_new_registry_from_another_folder(tmp_path, monkeypatch):
    """The checkout of the test is another one, so that no challenger of the developer's is replaced."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # MLflow sets it: so it is unset again after the test
    checkout, elsewhere, log = tmp_path / "checkout", tmp_path / "elsewhere", tmp_path / "log (a+b).jsonl"
    for folder in (checkout / "mlruns", elsewhere):
        folder.mkdir(parents=True)
    log.write_text("{}\n")
    monkeypatch.setattr("training.tracking_server.ROOT", checkout)
    monkeypatch.chdir(elsewhere)
    known = register(
        ROOT / "models" / "default", params={"iterations": 1}, metrics={"n": 1.0}, files=named([log, log]),
        digests={"log (a+b).jsonl": "0" * 64, "log (a+b).jsonl 2": "1" * 64}, plots={}, rows={}, page="", recipe={},
    )  # fmt: skip
    (model,) = (checkout / "mlruns" / "artifacts" / "models").iterdir()
    bundle = model / "artifacts" / "data" / "thinkworth" / "bundle"
    assert {path.name for path in bundle.iterdir()} >= {"manifest.json", "heads.onnx"}
    assert known["tracking_uri"] == f"sqlite:///{checkout}/mlruns/mlflow.db"
    assert not list(elsewhere.iterdir())
    tags = MlflowClient(known["tracking_uri"]).get_run(known["run_id"]).data.tags
    assert {name for name in tags if name.startswith("dataset.")} == {
        "dataset.log _a_b_.jsonl",
        "dataset.log _a_b_.jsonl 2",
    }


def test_two_logs_of_one_name_are_bothnamed(tmp_path):
    files = [tmp_path / "a" / "log.jsonl", tmp_path / "b" / "log.jsonl"]
    assert list(named(files)) == ["log.jsonl", "log.jsonl 2"]


def test_evaluate_writes_json_and_html(trained):
    folder, _, _ = trained
    out = thinkworth("evaluate", "bundle", "logs.jsonl", "--json", "r.json", "--html", "r.html", cwd=folder)
    assert out.returncode == 0, out.stderr
    report = json.loads((folder / "r.json").read_text())
    assert report["n"] == 200
    assert {row["policy"] for row in report["sources"]["simulated"]["policies"]} >= {"never", "always", "oracle"}
    assert "<table>" in (folder / "r.html").read_text()


def test_evaluate_says_what_the_bundle_was_trained_on(trained):
    folder, _, _ = trained
    (folder / "again.jsonl").write_bytes((folder / "logs.jsonl").read_bytes())
    rows = (folder / "logs.jsonl").read_text().splitlines(keepends=True)
    (folder / "part.jsonl").write_text("".join(rows[:200]))
    said = "NOT HELD OUT: the bundle was trained on again.jsonl"
    for name, seen in (("again", ["again.jsonl"]), ("part", [])):
        out = thinkworth(
            "evaluate", "bundle", f"{name}.jsonl", "--json", "seen.json", "--html", "seen.html", cwd=folder
        )
        assert out.returncode == 0, out.stderr
        assert json.loads((folder / "seen.json").read_text())["seen"] == seen
        assert (said in out.stdout) == bool(seen)
        assert ("Not held out" in (folder / "seen.html").read_text()) == bool(seen)


def test_an_unknown_setting_lists_the_known_ones(trained):
    folder, _, _ = trained
    (folder / "bad.yaml").write_text("iteratons: 5\n")
    out = thinkworth("train", "logs.jsonl", "--out", "other", "--config", "bad.yaml", cwd=folder)
    assert out.returncode == 2
    assert "iteratons" in out.stderr
    assert "iterations" in out.stderr
    assert not (folder / "other").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_bundle_is_never_replaced(trained, tmp_path, kind):
    folder, _, _ = trained
    kept = tmp_path / "thesis" / "chapter.md" if kind == "folder" else tmp_path / "thesis"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("years of work")
    out = thinkworth("train", "logs.jsonl", "--out", tmp_path / "thesis", "--no-register", cwd=folder)
    assert out.returncode == 2
    assert "exists and is no bundle" in out.stderr
    assert kept.read_text() == "years of work"


def test_of_a_log_without_a_good_row_the_bad_ones_are_kept(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"prompt": "x"}\n')
    out = thinkworth("train", "log.jsonl", "--out", "bundle", "--no-register", cwd=tmp_path)
    assert out.returncode == 1
    (row,) = (tmp_path / "bundle.quarantine.jsonl").read_text().splitlines()
    assert json.loads(row)["line"] == 1
    assert not (tmp_path / "bundle").exists()


SMALL = "iterations: 10\ncomponents: 4\n"


def train(folder, name, log, *more):
    return thinkworth("train", log, "--out", name, "--config", f"{name}.yaml", "--no-register", *more, cwd=folder)


def test_without_the_taxonomy_logs_train_alone_and_a_profile_is_part_of_the_revision(trained):
    folder, _, _ = trained
    (folder / "alone.yaml").write_text(SMALL + "prior_weight: 0\n")
    run = train(folder, "alone", "logs.jsonl")
    assert run.returncode == 0, run.stderr
    one = Bundle(folder / "alone").manifest
    assert one.tasks == ("unknown",)
    assert one.training["taxonomy_prompts"] == 0
    assert Scorer.load(folder / "alone").score(Prompt.from_text("What is 17 * 3?")).scores.from_logs > 1 - 1e-9
    profiles = (ROOT / "data" / "profiles.yaml").read_text().replace("maybe_arm: small_budget", "maybe_arm: direct")
    (folder / "profiles.yaml").write_text(profiles)
    again = train(folder, "alone", "logs.jsonl", "--profiles", "profiles.yaml")
    assert again.returncode == 0, again.stderr
    other = Bundle(folder / "alone").manifest
    assert other.files["heads.onnx"] == one.files["heads.onnx"]
    assert other.revision != one.revision


def test_without_a_scored_pair_the_taxonomy_trains_alone(trained):
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    direct = [json.dumps(row) for row in rows if row["arm"] == "direct"]
    (folder / "direct.jsonl").write_text("\n".join(direct) + "\n")
    (folder / "cold.yaml").write_text(SMALL)
    registry = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/cold.db"}
    run = thinkworth("train", "direct.jsonl", "--out", "cold", "--config", "cold.yaml", cwd=folder, **registry)
    assert run.returncode == 0, run.stderr
    assert "registered as version 1" in run.stdout
    assert json.loads((folder / "cold" / "report.json").read_text())["holdout"]["sources"] == {}
    scored = Scorer.load(folder / "cold").score(Prompt.from_text("What is 17 * 3?"))
    assert scored.scores.from_logs < 1e-9
    assert scored.scores.task == "trivial_arithmetic"


def test_without_thinking_tokens_the_families_say_what_thinking_needs(trained):
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    (folder / "prompted.jsonl").write_text("".join(json.dumps({**row, "thinking_tokens": None}) + "\n" for row in rows))
    (folder / "prompted.yaml").write_text(SMALL)
    run = train(folder, "prompted", "prompted.jsonl")
    assert run.returncode == 0, run.stderr
    assert Bundle(folder / "prompted").manifest.training["thinking_attempts"] == 0


def test_without_taxonomy_and_thinking_tokens_the_error_says_what_to_log(trained):
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    (folder / "blind.jsonl").write_text("".join(json.dumps({**row, "thinking_tokens": None}) + "\n" for row in rows))
    (folder / "blind.yaml").write_text(SMALL + "prior_weight: 0\n")
    run = train(folder, "blind", "blind.jsonl")
    assert run.returncode == 2
    assert "thinking_tokens" in run.stderr
    assert "Traceback" not in run.stderr
    assert not (folder / "blind").exists()


def test_a_changed_byte_of_the_heads_is_refused(trained, tmp_path):
    import shutil

    folder, _, _ = trained
    copy = shutil.copytree(trained[0] / "bundle", tmp_path / "b")
    data = bytearray((copy / "heads.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "heads.onnx").write_bytes(data)
    out = thinkworth("predict", "--bundle", copy, cwd=folder)
    assert out.returncode == 1
    assert "heads.onnx: sha256" in out.stderr


def test_scores_come_from_any_thread_alike(trained):
    from contract.prompt import Prompt

    scorer = Scorer.load(trained[0] / "bundle")
    prompts = [Prompt.from_text(f"What is {i} + {i * i}? Show the steps if {i} is prime.") for i in range(24)]
    assert [one.scores for one in scorer.score_many(prompts, threads=4)] == [scorer.score(p).scores for p in prompts]


def test_q_is_the_reference():
    path = Path(__file__).parents[2] / ".." / "shared" / "reference" / "q.py"
    if not path.exists():
        pytest.skip("the optional folder ../shared/reference is absent")
    space: dict = {"__name__": "reference"}
    exec(compile(path.read_text(), str(path), "exec"), space)
    rng = np.random.default_rng(0)
    for n in (3, 50, 700):
        worth, gain, extra = rng.normal(size=n), rng.choice([-1.0, 0.0, 1.0, 0.5], n), rng.integers(1, 500, n)
        assert q(worth, gain, extra) == pytest.approx(space["q"](worth, gain, extra), abs=1e-12)


def test_figures_of_merit():
    gain = np.array([1.0, 0.0, 0.0, -1.0] * 30)
    groups = np.arange(len(gain)).astype(str)
    assert auc(gain, gain) == 1.0
    assert np.isnan(auc(gain, np.ones(120)))
    low, high = interval(lambda rows: float(gain[rows].mean()), groups)
    assert low < 0 < high
    (never, always) = policy_table(
        {"never": gain * 0, "always": gain * 0 + 1}, gain * 0 + 0.5, gain, gain * 0 + 10, groups
    )
    assert (never["score"], never["extra_tokens"], never["points_per_1k_tokens"]) == (0.5, 0, None)
    assert (always["score"], always["extra_tokens"]) == (0.5, 10)


def test_a_split_never_parts_a_prompt():
    import hashlib

    import pandas as pd

    digests = pd.Series([hashlib.sha256(str(i % 100).encode()).hexdigest() for i in range(400)])
    place = fraction(digests, 7)
    assert pd.Series(place).groupby(digests).nunique().max() == 1
    assert 0.3 < place.mean() < 0.7
