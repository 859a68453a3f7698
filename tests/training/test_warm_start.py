"""`thinkworth train --warm-start`, as a user runs it: what is kept, what is said, what is refused."""

import json
import shutil

import pytest

from contract.bundle import Bundle
from contract.policy import calibrated_gain
from contract.prompt import Prompt
from contract.scorer import Scorer
from training.taxonomy import load_taxonomy

from .test_pipeline import run, trained  # noqa: F401 - the same bundle to start from


@pytest.fixture(scope="module")
def train(run):  # noqa: F811
    """What trains in a folder, with the configuration that lies there if no other is named."""

    def train(folder, *arguments, config="config.yaml"):
        return run("train", *arguments, "--config", config, "--no-register", cwd=folder)

    return train


@pytest.fixture(scope="module")
def started(trained, train):  # noqa: F811
    """A bundle started from the first on logs whose truth contradicts it: chit-chat gains what thinking costs ten times over."""
    folder, _, _ = trained
    family = next(family for family in load_taxonomy(folder / "data" / "taxonomy.yaml") if family.name == "chit_chat")
    rows = [
        {
            "source": "mine", "prompt_id": f"{i}.{again}", "prompt": f"{text} ({again})", "model": "simulated-model", "arm": arm,
            "score": score, "output_tokens": tokens, "thinking_tokens": thought, "licence": "ours",
        }
        for i, text in enumerate(family.prompts) for again in range(3)
        for arm, score, tokens, thought in (("direct", 0.2, 50, 0), ("reasoning", 0.9, 450, 400))
    ]  # fmt: skip
    (folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = train(folder, "mine.jsonl", "--warm-start", "bundle", "--out", "started")
    assert said.code == 0, said.err
    return folder, said


def gain(folder, prompt):
    scorer = Scorer.load(folder)
    scores = scorer.score(Prompt.from_text(prompt), "simulated-model").scores
    return calibrated_gain(scores, scorer.manifest.calibration)[1]


def test_it_says_what_it_started_from(started):
    folder, said = started
    first, second = (Bundle(folder / name).manifest for name in ("bundle", "started"))
    assert second.training["started_from"]["revision"] == first.revision
    assert second.training["started_from"]["files"] == {d: name for name, d in first.training["files"].items()}
    assert second.licences == {**first.licences, "mine": "ours"}
    card = (folder / "started" / "card.md").read_text()
    assert f"It starts from bundle {first.revision}" in card
    assert "| simulated, by that bundle | 200 pairs |" in card
    assert "starting from thinkworth/" in said.err
    assert "Families that logs moved" not in card
    assert "It starts from" not in (folder / "bundle" / "card.md").read_text()


def test_what_the_logs_say_overrules_it_and_the_rest_stays(started):
    folder, _ = started
    hello, proof = "Hey, how are you doing today?", "Prove that the square root of 7 is irrational."
    assert gain(folder / "started", hello) > gain(folder / "bundle", hello) + 0.2
    assert gain(folder / "started", proof) == pytest.approx(gain(folder / "bundle", proof), abs=0.1)


def test_a_bundle_replaces_the_one_that_it_starts_from(started, tmp_path, train):
    folder, _ = started
    shutil.copytree(folder / "bundle", tmp_path / "bundle")
    before = Bundle(tmp_path / "bundle").manifest.revision
    shutil.copytree(folder / "data", tmp_path / "data")
    for name in ("mine.jsonl", "config.yaml"):
        shutil.copy(folder / name, tmp_path)
    assert train(tmp_path, "mine.jsonl", "--warm-start", "bundle", "--out", "bundle").code == 0
    manifest = Bundle(tmp_path / "bundle").manifest
    assert manifest.training["started_from"]["revision"] == before
    assert manifest.revision == Bundle(folder / "started").manifest.revision, (
        "the same start and logs give the same bundle"
    )


def test_logs_that_the_bundle_has_seen_are_refused(started, train):
    folder, _ = started
    shutil.copy(folder / "logs.jsonl", folder / "renamed.jsonl")
    for start in ("bundle", "started"):
        said = train(folder, "renamed.jsonl", "--warm-start", start, "--out", "other")
        assert said.code == 2
        assert "was trained on renamed.jsonl" in said.err
        assert "leave the file out, or start from an earlier bundle" in said.err
        assert not (folder / "other").exists()


def test_too_few_pairs_are_refused(started, train):
    folder, _ = started
    lines = (folder / "mine.jsonl").read_text().splitlines(keepends=True)
    (folder / "few.jsonl").write_text("".join(lines[:118]))
    said = train(folder, "few.jsonl", "--warm-start", "bundle", "--out", "other")
    assert said.code == 2
    assert "59 prompts say what thinking gains; starting from a bundle needs 60" in said.err


def test_without_the_taxonomy_there_is_no_start(started, train):
    folder, _ = started
    (folder / "alone.yaml").write_text("iterations: 12\ncomponents: 16\nprior_weight: 0\n")
    said = train(folder, "mine.jsonl", "--warm-start", "bundle", "--out", "other", config="alone.yaml")
    assert said.code == 2
    assert "the configuration has prior_weight 0" in said.err


@pytest.mark.parametrize(
    ("edited", "wrong"),
    [
        ({"encoder": {"name": "other", "sha256": "0" * 64, "dimension": 384, "max_tokens": 256}}, "was trained on encoder other"),
        ({"feature_names": ["length"], "usual_features": [0.0]}, "its features are not those of this thinkworth"),
        ({"format_version": 2}, "has format_version 2"),
        (None, "nowhere"),
    ],
)  # fmt: skip
def test_a_bundle_that_cannot_be_started_from_is_refused(started, edited, wrong, train):
    folder, _ = started
    name = "nowhere"
    if edited is not None:
        shutil.rmtree(folder / "edited", ignore_errors=True)
        shutil.copytree(folder / "bundle", folder / "edited")
        manifest = json.loads((folder / "edited" / "manifest.json").read_text())
        (folder / "edited" / "manifest.json").write_text(json.dumps(manifest | edited))
        name = "edited"
    said = train(folder, "mine.jsonl", "--warm-start", name, "--out", "other")
    assert said.code in (1, 2)
    assert wrong in said.err
    assert "Traceback" not in said.err
