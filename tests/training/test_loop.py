"""Retraining, promotion and rollback: killed at each stage, two at once, and what can be done with what they leave.

`killed_loop.py` does it, in forks, against a database of MLflow; the tests look at what it wrote.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from contract.bundle import Bundle, sha256
from contract.errors import BundleMismatch, Refused
from contract.locate import ROOT
from training import moves, promotion, registry, tracking_server
from training.background import splits_of
from training.compare import held_out
from training.evidence import fraction
from training.simulate import simulate_logs, write_simulated
from training.taxonomy import load_taxonomy

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("killed_loop.py")


@pytest.fixture(scope="module")
def left(tmp_path_factory, mlflow_database):
    """The folder of the program, and what it wrote."""
    folder = tmp_path_factory.mktemp("loop")
    (folder / "models").mkdir()
    write_simulated(simulate_logs(load_taxonomy(), 100, seed=3), folder / "logs.jsonl")
    variables = {"MLFLOW_TRACKING_URI": mlflow_database(folder), "OMP_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, PROGRAM, "logs.jsonl"], cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=500
    )  # fmt: skip
    assert out.returncode == 0, out.stderr[-3000:]
    return folder, [json.loads(line) for line in out.stdout.splitlines()]


@pytest.fixture
def here(left, monkeypatch):
    """In the program's folder, against its database."""
    monkeypatch.chdir(left[0])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{left[0]}/mlflow.db")
    return left[0]


def told(left, beginning):
    return [line for line in left[1] if line["what"].startswith(beginning)]


def test_a_retraining_killed_at_any_stage_leaves_the_champion_and_whole_versions(left):
    killed = [line for line in told(left, "retrain, at") if line["how"] == "killed"]
    stages = ["fitting", "cross-fitting", "exporting", "comparing", "storing", "registering", "moving"]
    assert [line["what"].removeprefix("retrain, at ") for line in killed] == stages
    for line in killed:
        assert line["aliases"] == {"champion": 1, "challenger": 1}
        assert (line["current"], line["pending"]) == ("registry/1", [])
        assert all(line["whole"])
    assert [len(line["whole"]) for line in killed] == [3] * 6 + [4]  # a version is made once its files are stored
    assert [line["runs"].get("RUNNING", 0) for line in killed] == [0, 0, 0, 0, 1, 0, 0]  # the next run ends it
    assert [line["kept"] for line in killed] == [False] * 4 + [True] * 3  # to be logged by --log-only


def test_no_run_of_a_killed_retraining_stays_running(left):
    (line,) = (line for line in told(left, "retrain, at never") if line["how"] is None)
    assert line["runs"] == {"FINISHED": 4, "KILLED": 1}


def test_a_retraining_that_is_not_killed_moves_the_alias_and_nothing_else(left):
    (line,) = (line for line in told(left, "retrain, at never") if line["how"] is None)
    assert line["aliases"] == {"champion": 1, "challenger": 5}
    assert line["current"] == "registry/1"
    assert all(line["whole"])
    assert not line["kept"]


def test_a_promotion_killed_between_any_two_steps_leaves_a_champion_and_is_finished_by_the_next(left):
    lines = told(left, "promote 2, at") + told(left, "then promote 3")[:5]
    killed, after = lines[:5], lines[5:]
    assert [line["how"] for line in killed] == ["killed"] * 5
    assert [line["aliases"]["champion"] for line in killed] == [1, 1, 2, 2, 2]
    assert [line["current"] for line in killed] == ["registry/1"] * 3 + ["registry/2"] * 2
    assert all(line["pending"] for line in killed)
    for line in after:  # 2 is promoted after all, and then 3 is
        assert line["how"] is None
        assert line["aliases"] == {"champion": 3, "previous": 2, "challenger": 1}
        assert (line["current"], line["pending"]) == ("registry/3", [])
        assert line["records"] == {"1": 1, "2": 1, "3": 1}  # each once, however often it was begun


def test_so_it_is_with_a_rollback(left):
    killed, after = told(left, "rollback, at"), told(left, "then promote 3")[5:]
    assert [(line["how"], line["aliases"]["champion"], bool(line["pending"])) for line in killed] == [
        ("killed", 2, True),
        ("killed", 1, True),
    ]
    for line in after:
        assert line["aliases"] == {"champion": 3, "previous": 1, "challenger": 1}
        assert line["records"] == {"1": 2, "2": 1, "3": 1}


def test_two_promotions_at_once_are_one_after_the_other(left):
    (line,) = told(left, "two at once")
    assert line["how"] == [None, None]
    champion, previous = line["aliases"]["champion"], line["aliases"]["previous"]
    assert {champion, previous} == {2, 3}
    assert (line["current"], line["pending"]) == (f"registry/{champion}", [])


def test_the_alias_names_a_verified_folder_that_is_reused_and_made_whole(here):
    folder = registry.fetch("models:/thinkworth@challenger")
    assert folder == here / "models" / "registry" / "5"
    made, first = (folder / "manifest.json").stat().st_ino, Bundle(folder).manifest
    assert registry.fetch("models:/thinkworth/5") == folder
    assert (folder / "manifest.json").stat().st_ino == made
    (folder / "heads.onnx").write_bytes(b"half")
    assert Bundle(registry.fetch("models:/thinkworth/5")).manifest == first


def test_a_run_whose_file_is_gone_is_not_repeated(here, thinkworth):
    version = registry.numbered(tracking_server.client(), "5")
    (here / "logs.jsonl").write_text("{}\n")  # a file of that name, and not that file
    missing = thinkworth("train", "--from-run", version.run_id, "--data", ".", "--out", "again", "--no-register")
    assert missing.code == 2
    assert "no file with the digest of logs.jsonl" in missing.err
    assert thinkworth("train", "logs.jsonl", "--from-run", version.run_id).code == 2
    assert "no recipe.json" in thinkworth("train", "--from-run", "0" * 32).err


def test_what_a_version_and_its_run_hold(here):
    api = tracking_server.client()
    version = registry.numbered(api, "5")
    manifest = Bundle(registry.fetch("models:/thinkworth/5")).manifest
    assert version.tags["data_digest"] == manifest.training["data_digest"]
    assert version.tags["encoder_sha256"] == manifest.encoder.sha256
    assert version.tags["revision"] == manifest.revision
    assert version.tags["format_version"] == str(manifest.format_version)
    report = json.loads(version.tags["gate_report"])
    assert report["champion"] == Bundle(ROOT / "models" / "default").manifest.revision
    assert report["outcome"] == version.tags["gate"]
    run = api.get_run(version.run_id)
    (dataset,) = (one.dataset for one in run.inputs.dataset_inputs)
    assert (dataset.name, json.loads(dataset.profile)) == ("logs.jsonl", {"num_rows": 400})
    held = {artifact.path for artifact in api.list_artifacts(version.run_id)}
    assert held == {"card.md", "gate.json", "plots", "recipe.json", "report.html", "report.json"}


def test_held_out_is_what_every_training_held_out(here):
    import pandas as pd

    groups = pd.Series([f"{i:064x}" for i in range(3000)])
    default, made = (
        Bundle(ROOT / "models" / "default").manifest,
        Bundle(registry.fetch("models:/thinkworth/5")).manifest,
    )
    assert (splits_of(default), splits_of(made)) == ([(7, 0.1)], [(7, 0.3)])
    both = held_out(groups, [default, made])
    assert both.tolist() == (fraction(groups, 7) < 0.1).tolist()
    started = made.model_copy(
        update={"training": {**made.training, "started_from": {"revision": "r", "splits": [[8, 0.2]]}}}
    )
    assert splits_of(started) == [(7, 0.3), (8, 0.2)]
    assert (
        held_out(groups, [default, started]).tolist()
        == ((fraction(groups, 7) < 0.1) & (fraction(groups, 8) < 0.2)).tolist()
    )
    unknown = made.model_copy(update={"training": {**made.training, "started_from": {"revision": "r"}}})
    with pytest.raises(
        BundleMismatch, match="does not say which prompts it, or the bundle that it started from, held out"
    ):
        held_out(groups, [unknown])


def test_who_may_be_promoted(here, thinkworth):
    """By the gate, by the champion that it compared with, and by what can be served; overruled with a reason, which is kept."""
    api = tracking_server.client()
    api.set_model_version_tag("thinkworth", "5", "gate", "not better")
    refused = thinkworth("promote", "5")
    assert refused.code == 1
    assert "the gate says not better" in refused.err
    assert "no version 77" in thinkworth("promote", "77").err.replace("has no", "no")
    assert thinkworth("promote", "5", "--force").code == 2
    assert thinkworth("promote", "5", "--force", "--why", "an experiment", "--by", "ann").code == 0
    assert (here / "models" / "current").read_text() == "registry/5\n"
    assert "champion already" in thinkworth("promote", "5").out
    stale = thinkworth("promote", "2")
    assert stale.code == 1
    assert "was compared with champion" in stale.err
    back = thinkworth("rollback", "--why", "misroutes", "--by", "ben")
    assert back.code == 0, back.err
    assert (here / "models" / "current").read_text() == "registry/1\n"
    assert "was rolled back by ben" in thinkworth("promote", "5").err
    told = json.loads(thinkworth("status", "--json").out)
    assert (told["champion"]["version"], told["previous"], told["current"], told["pending"]) == (
        "1",
        None,
        "registry/1",
        None,
    )
    assert [(m["action"], m["by"], m["why"], m["forced"]) for m in told["champion"]["moves"]] == [
        ("promote", "ann", "first", True), ("rollback", "ben", "misroutes", False),
    ]  # fmt: skip
    lines = thinkworth("status").out.splitlines()
    assert lines[0].startswith("champion     version 1, thinkworth/")
    assert lines[0].endswith("why: misroutes")
    nothing = thinkworth("rollback")
    assert nothing.code == 1
    assert "nothing to roll back to" in nothing.err


@pytest.mark.parametrize("fault", ["parity", "encoder", "format"])
def test_what_cannot_be_served_is_refused_even_by_force(here, monkeypatch, fault):
    api, models = tracking_server.client(), here / "models"
    folder = registry.fetch("models:/thinkworth/2")
    spoilt = here / "spoilt" / fault
    spoilt.parent.mkdir(exist_ok=True)
    spoilt.mkdir()
    for path in folder.iterdir():
        (spoilt / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((spoilt / "manifest.json").read_text())
    if fault == "parity":
        report = json.loads((spoilt / "report.json").read_text())
        report["parity"]["verdicts_compared"] = 0
        (spoilt / "report.json").write_text(json.dumps(report))
        manifest["files"]["report.json"] = sha256(spoilt / "report.json")
    elif fault == "encoder":
        manifest["encoder"]["sha256"] = "0" * 64
    else:
        manifest["format_version"] = 99
    (spoilt / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(promotion, "fetched", lambda version, models: spoilt)
    with pytest.raises(
        Refused, match={"parity": "fitted heads", "encoder": "trained on encoder", "format": "format 99"}[fault]
    ):
        promotion.promote(api, "2", models, by="ann", why="because", force=True, say=lambda _: None)
    assert registry.aliased(api, "champion").version == 1
    assert moves.pending(api) is None


def test_a_move_that_runs_elsewhere_is_left_alone(here):
    api, models = tracking_server.client(), here / "models"
    move = promotion._move(
        registry.numbered(api, "2"), "promote", over="1", previous="1", by="cy", why=None, forced=False
    )
    try:
        api.set_registered_model_tag(
            "thinkworth", moves.PENDING, move.model_copy(update={"host": "another"}).model_dump_json()
        )
        with pytest.raises(Refused, match=r"promote of version 2 is under way by cy on another"):
            promotion.promote(api, "3", models, by="ann", say=lambda _: None)
    finally:
        api.delete_registered_model_tag("thinkworth", moves.PENDING)


def test_a_process_of_another_that_has_the_number_of_a_broken_move_blocks_nothing_for_ever(here, monkeypatch):
    """Process 1 always runs: what it has begun, as far as the number says, is left alone for a while only."""
    api, models = tracking_server.client(), here / "models"
    move = promotion._move(
        registry.numbered(api, "1"), "promote", over=None, previous=None, by="cy", why=None, forced=False
    ).model_copy(update={"process": 1})
    said = []
    try:
        api.set_registered_model_tag("thinkworth", moves.PENDING, move.model_dump_json())
        with pytest.raises(Refused, match="under way by cy"):
            moves.finish(api, models, lambda version, models: models, said.append)
        old = move.model_copy(update={"at": move.at - moves.ABANDONED_AFTER})
        api.set_registered_model_tag("thinkworth", moves.PENDING, old.model_dump_json())
        monkeypatch.setattr(moves, "carry_out", lambda *_: said.append("carried out"))
        moves.finish(api, models, lambda version, models: models, said.append)
        assert said[-1] == "carried out"
    finally:
        api.delete_registered_model_tag("thinkworth", moves.PENDING)
