"""The whole path on a simulated log: train, register, evaluate, predict; through the command, as a user does."""

import hashlib
import json
import shutil
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
from training.taxonomy import load_taxonomy
from training.tracking_server import tracking_uri


@pytest.fixture(scope="module")
def run(thinkworth):
    """What runs the command in a folder, with those variables; reports are of few resamples, seconds each otherwise."""

    def run(*arguments, cwd, **variables):
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(cwd)
            patch.setattr("training.metrics.RESAMPLES", 30)
            for name, value in variables.items():
                patch.setenv(name, value)
            return thinkworth(*arguments)

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory, once, run, few_families, mlflow_database):
    """A folder with logs.jsonl, the bundle trained on it and the registry that has it; what the training said; the registry's variable."""

    def make(folder):
        few_families(folder)
        (folder / "config.yaml").write_text("iterations: 12\ncomponents: 16\n")
        registry = {"MLFLOW_TRACKING_URI": mlflow_database(folder)}
        made = run("simulate", "--prompts", 200, "--out", "logs.jsonl", "--seed", 3, cwd=folder)
        assert made.code == 0, made.err
        said = run("train", "logs.jsonl", "--out", "bundle", "--config", "config.yaml", cwd=folder, **registry)
        assert said.code == 0, said.err
        (folder / "said.txt").write_text(said.out)

    folder = shutil.copytree(once("trained", make), tmp_path_factory.mktemp("train") / "copy")
    return folder, (folder / "said.txt").read_text(), {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db"}


def test_the_run_prints_its_bundle_and_report(trained):
    folder, said, _ = trained
    assert "bundle: bundle" in said
    assert "challenger" in said
    assert "q " in said
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
    api = MlflowClient(uri["MLFLOW_TRACKING_URI"])
    version = api.get_model_version_by_alias("thinkworth", "challenger")
    run = api.get_run(version.run_id)
    assert str(version.version) == "1"
    assert run.data.metrics
    assert run.data.params["iterations"] == "12"
    logged = sorted(artifact.path for artifact in api.list_artifacts(version.run_id))
    assert logged == ["card.md", "plots", "recipe.json", "report.html", "report.json"]
    assert [tag for tag in run.data.tags if tag.startswith("dataset.")] == ["dataset.logs.jsonl"]
    digest = hashlib.sha256((folder / "logs.jsonl").read_bytes()).hexdigest()
    (dataset,) = (given.dataset for given in run.inputs.dataset_inputs)
    assert (dataset.name, dataset.digest, dataset.profile) == ("logs.jsonl", digest[:36], '{"num_rows": 800}')


def test_without_an_address_the_registry_is_the_checkouts_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert tracking_uri() == f"sqlite:///{ROOT}/mlruns/mlflow.db"


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
        digests={"log (a+b).jsonl": "0" * 64, "log (a+b).jsonl 2": "1" * 64}, plots=(), rows={}, page="", recipe={},
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


def test_evaluate_writes_json_and_html(trained, run):
    folder, _, _ = trained
    out = run("evaluate", "bundle", "logs.jsonl", "--json", "r.json", "--html", "r.html", cwd=folder)
    assert out.code == 0, out.err
    report = json.loads((folder / "r.json").read_text())
    assert report["n"] == 200
    assert {row["policy"] for row in report["sources"]["simulated"]["policies"]} >= {"never", "always", "oracle"}
    assert "<table>" in (folder / "r.html").read_text()


def test_evaluate_says_what_the_bundle_was_trained_on(trained, run):
    folder, _, _ = trained
    (folder / "again.jsonl").write_bytes((folder / "logs.jsonl").read_bytes())
    rows = (folder / "logs.jsonl").read_text().splitlines(keepends=True)
    (folder / "part.jsonl").write_text("".join(rows[:200]))
    said = "NOT HELD OUT: the bundle was trained on again.jsonl"
    for name, seen in (("again", ["again.jsonl"]), ("part", [])):
        out = run("evaluate", "bundle", f"{name}.jsonl", "--json", "seen.json", "--html", "seen.html", cwd=folder)
        assert out.code == 0, out.err
        assert json.loads((folder / "seen.json").read_text())["seen"] == seen
        assert (said in out.out) == bool(seen)
        assert ("Not held out" in (folder / "seen.html").read_text()) == bool(seen)


def test_an_unknown_setting_lists_the_known_ones(trained, run):
    folder, _, _ = trained
    (folder / "bad.yaml").write_text("iteratons: 5\n")
    out = run("train", "logs.jsonl", "--out", "other", "--config", "bad.yaml", cwd=folder)
    assert out.code == 2
    assert "iteratons" in out.err
    assert "iterations" in out.err
    assert not (folder / "other").exists()


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_bundle_is_never_replaced(trained, tmp_path, kind, run):
    folder, _, _ = trained
    kept = tmp_path / "thesis" / "chapter.md" if kind == "folder" else tmp_path / "thesis"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("years of work")
    out = run("train", "logs.jsonl", "--out", tmp_path / "thesis", "--no-register", cwd=folder)
    assert out.code == 2
    assert "exists and is no bundle" in out.err
    assert kept.read_text() == "years of work"


def test_of_a_log_without_a_good_row_the_bad_ones_are_kept(tmp_path, run):
    (tmp_path / "log.jsonl").write_text('{"prompt": "x"}\n')
    out = run("train", "log.jsonl", "--out", "bundle", "--no-register", cwd=tmp_path)
    assert out.code == 1
    (row,) = (tmp_path / "bundle.quarantine.jsonl").read_text().splitlines()
    assert json.loads(row)["line"] == 1
    assert not (tmp_path / "bundle").exists()


SMALL = "iterations: 10\ncomponents: 4\n"


def train(run, folder, name, log, *more):
    return run("train", log, "--out", name, "--config", f"{name}.yaml", "--no-register", *more, cwd=folder)


def test_without_the_taxonomy_logs_train_alone_and_a_profile_is_part_of_the_revision(trained, run):
    folder, _, _ = trained
    (folder / "alone.yaml").write_text(SMALL + "prior_weight: 0\n")
    said = train(run, folder, "alone", "logs.jsonl")
    assert said.code == 0, said.err
    one = Bundle(folder / "alone").manifest
    assert one.tasks == ("unknown",)
    assert one.training["taxonomy_prompts"] == 0
    assert Scorer.load(folder / "alone").score(Prompt.from_text("What is 17 * 3?")).scores.from_logs > 1 - 1e-9
    profiles = (ROOT / "data" / "profiles.yaml").read_text().replace("maybe_arm: small_budget", "maybe_arm: direct")
    (folder / "profiles.yaml").write_text(profiles)
    again = train(run, folder, "alone", "logs.jsonl", "--profiles", "profiles.yaml")
    assert again.code == 0, again.err
    other = Bundle(folder / "alone").manifest
    assert other.files["heads.onnx"] == one.files["heads.onnx"]
    assert other.revision != one.revision


def test_without_a_scored_pair_the_taxonomy_trains_alone(trained, run):
    """The shipped one, with all of its families."""
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    direct = [json.dumps(row) for row in rows if row["arm"] == "direct"]
    (folder / "direct.jsonl").write_text("\n".join(direct) + "\n")
    (folder / "cold.yaml").write_text(SMALL)
    registry = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/cold.db"}
    shipped = ROOT / "data" / "taxonomy.yaml"
    settings = ("--config", "cold.yaml", "--taxonomy", shipped)
    said = run("train", "direct.jsonl", "--out", "cold", *settings, cwd=folder, **registry)
    assert said.code == 0, said.err
    assert "registered as version 1" in said.out
    assert json.loads((folder / "cold" / "report.json").read_text())["holdout"]["sources"] == {}
    assert Bundle(folder / "cold").manifest.tasks == tuple(family.name for family in load_taxonomy(shipped))
    scored = Scorer.load(folder / "cold").score(Prompt.from_text("What is 17 * 3?"))
    assert scored.scores.from_logs < 1e-9
    assert scored.scores.task == "trivial_arithmetic"


def test_without_thinking_tokens_the_families_say_what_thinking_needs(trained, run):
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    (folder / "prompted.jsonl").write_text("".join(json.dumps({**row, "thinking_tokens": None}) + "\n" for row in rows))
    (folder / "prompted.yaml").write_text(SMALL)
    said = train(run, folder, "prompted", "prompted.jsonl")
    assert said.code == 0, said.err
    assert Bundle(folder / "prompted").manifest.training["thinking_attempts"] == 0


def test_without_taxonomy_and_thinking_tokens_the_error_says_what_to_log(trained, run):
    folder, _, _ = trained
    rows = [json.loads(line) for line in (folder / "logs.jsonl").read_text().splitlines()]
    (folder / "blind.jsonl").write_text("".join(json.dumps({**row, "thinking_tokens": None}) + "\n" for row in rows))
    (folder / "blind.yaml").write_text(SMALL + "prior_weight: 0\n")
    said = train(run, folder, "blind", "blind.jsonl")
    assert said.code == 2
    assert "thinking_tokens" in said.err
    assert "Traceback" not in said.err
    assert not (folder / "blind").exists()


def test_a_changed_byte_of_the_heads_is_refused(trained, tmp_path, run):
    folder, _, _ = trained
    copy = shutil.copytree(trained[0] / "bundle", tmp_path / "b")
    data = bytearray((copy / "heads.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (copy / "heads.onnx").write_bytes(data)
    out = run("predict", "--bundle", copy, cwd=folder)
    assert out.code == 1
    assert "heads.onnx: sha256" in out.err


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
