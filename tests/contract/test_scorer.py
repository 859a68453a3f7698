"""One scorer for the service, the offline command and the evaluation: the same scores, whatever else is in flight."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from contract import features
from contract.bundle import HEADS, MANIFEST, REMEDY, Bundle, sha256
from contract.encoder import Encoder, open_graph
from contract.errors import BundleMismatch
from contract.features import FEATURE_NAMES
from contract.locate import ROOT
from contract.prompt import Prompt
from contract.scorer import Scorer

DEFAULT, ENCODER = ROOT / "models" / "default", ROOT / "models" / "encoder"
LONG = " ".join(f"Line {i} of the ledger says that {i * 7} crates left the port." for i in range(300))
PROMPTS = [
    *(Prompt.from_text(text) for text in (
        "What is 17 * 23?", "hey", "Prove that the square root of 2 is irrational.", "漢字は何ですか", LONG,
        f"Here is a ledger:\n\n{LONG[:3000]}\n\nHow many crates left the port in all?",
        "Translate to French: the cat sat on the mat.", "\ud800 \x00 🙂",
    )),
    Prompt.from_messages([
        {"role": "system", "content": "You are a tax adviser."}, {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "What do I owe on 40,000 euros?"},
    ], tools=2),
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder():
    return Encoder(ENCODER)


@pytest.fixture(scope="module")
def scorer(encoder):
    return Scorer(Bundle(DEFAULT), encoder=encoder)


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DEFAULT, tmp_path / "bundle")


def edit(folder, **changes):
    path = folder / MANIFEST
    raw = json.loads(path.read_text(encoding="utf-8")) | changes
    raw["files"][HEADS] = sha256(folder / HEADS)
    path.write_text(json.dumps(raw), encoding="utf-8")


def inputs(scorer, prompts):
    vectors = [[scorer.encoder.encode(text).vector for text in (p.ask, p.whole)] for p in prompts]
    return np.stack([np.concatenate(pair) for pair in vectors]), np.stack([features.compute(p) for p in prompts])


def numbers(scores):
    """Return all numbers of a prompt's scores in one row."""
    values = [getattr(scores, field.name) for field in dataclasses.fields(scores) if field.name != "task"]
    flat = [list(value.values()) if isinstance(value, dict) else value for value in values]
    return np.concatenate([np.ravel(value) for value in flat])


def test_a_score_is_that_of_many_and_that_of_the_heads_bit_by_bit(scorer):
    scored = [scorer.score(prompt) for prompt in PROMPTS]
    assert scorer.score_many(PROMPTS) == scored
    embeddings, vectors = inputs(scorer, PROMPTS)
    for i, one in enumerate(scored):
        assert scorer.unpack(scorer.run(embeddings[i : i + 1], vectors[i : i + 1]), 0) == one.scores


def test_rows_run_together_score_as_they_do_alone(scorer):
    together = scorer.run(*inputs(scorer, PROMPTS))
    for i, prompt in enumerate(PROMPTS):
        rows, alone = scorer.unpack(together, i), scorer.score(prompt).scores
        np.testing.assert_allclose(numbers(rows), numbers(alone), rtol=1e-5, atol=1e-6)
        assert rows.task == alone.task


def test_the_order_of_the_prompts_is_that_of_the_scores(scorer):
    assert scorer.score_many(PROMPTS[::-1]) == scorer.score_many(PROMPTS)[::-1]
    assert len({scored.scores.score_direct for scored in scorer.score_many(PROMPTS)}) > len(PROMPTS) // 2
    assert scorer.score_many([]) == []


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_what_else_is_in_flight_does_not_change_a_bit(scorer, threads):
    alone = [scorer.score(prompt) for prompt in PROMPTS]
    assert scorer.score_many(PROMPTS * 3, threads=threads) == alone * 3


def test_a_scorer_may_be_called_from_the_threads_of_others(scorer):
    alone = scorer.score(PROMPTS[0])
    with ThreadPoolExecutor(8) as pool:
        noise = [pool.submit(scorer.score, prompt) for prompt in PROMPTS * 2]
        same = [pool.submit(scorer.score, PROMPTS[0]) for _ in range(20)]
    assert {future.result() == alone for future in same} == {True}
    assert len(noise) == 2 * len(PROMPTS)


def test_only_the_whole_says_that_it_was_cut(scorer):
    assert [scorer.score(prompt).truncated for prompt in PROMPTS] == [
        p.whole.startswith(("Line", "Here")) for p in PROMPTS
    ]


def test_scores_are_what_they_claim_to_be(scorer):
    manifest = scorer.manifest
    for scored in scorer.score_many(PROMPTS):
        scores = scored.scores
        assert np.isfinite(numbers(scores)).all()
        assert scores.levels == manifest.quantiles
        assert len(scores.extra_quantiles) == len(scores.thinking_quantiles) == len(scores.levels)
        assert set(scores.probabilities) == set(manifest.profiles)
        assert all(sum(row) == pytest.approx(1, abs=1e-5) and min(row) >= 0 for row in scores.probabilities.values())
        assert 0 <= scores.familiar <= 1
        assert scores.extra_tokens > 0
        assert scores.task in manifest.tasks


def test_the_task_is_the_family_that_the_ask_is_nearest_to(scorer):
    task = scorer.score(Prompt.from_text("hey, how's it going?")).scores.task
    assert task == "chit_chat"


def test_a_folder_is_loaded_with_the_encoder_that_is_shipped(scorer, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    loaded = Scorer.load(DEFAULT)
    assert loaded.encoder.sha256 == scorer.encoder.sha256
    assert loaded.score(PROMPTS[0]) == scorer.score(PROMPTS[0])


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"max_tokens": 128}])
def test_another_encoder_is_refused(folder, encoder, change):
    edit(folder, encoder={**Bundle(folder).manifest.encoder.model_dump(), **change})
    with pytest.raises(BundleMismatch, match="was trained on encoder all-MiniLM-L6-v2") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert encoder.sha256[:12] in caught.value.message
    assert "train again or restore it" in caught.value.message


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (FEATURE_NAMES[:-1], f"none against {FEATURE_NAMES[-1]}"),
        ((*FEATURE_NAMES, "new"), "new against none"),
        ((FEATURE_NAMES[1], FEATURE_NAMES[0], *FEATURE_NAMES[2:]), f"{FEATURE_NAMES[1]} against {FEATURE_NAMES[0]}"),
    ],
)
def test_another_list_of_features_is_refused(folder, encoder, names, said):
    edit(folder, feature_names=list(names))
    with pytest.raises(BundleMismatch, match="its features are not those of this thinkworth") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert said in caught.value.message
    assert caught.value.message.endswith("train it again")


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07" * 50])
def test_heads_that_cannot_be_opened_are_refused_though_their_digest_is_right(folder, encoder, content):
    (folder / HEADS).write_bytes(content)
    edit(folder)
    with pytest.raises(BundleMismatch, match="cannot open") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert str(folder / HEADS) in caught.value.message
    assert "thinkworth train" in caught.value.message
    assert caught.value.field == HEADS


def test_a_graph_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BundleMismatch, match="cannot open"):
        open_graph(tmp_path / HEADS, remedy=REMEDY)


@pytest.fixture
def graph(folder):
    onnx = pytest.importorskip("onnx", reason="the extra `train` is not installed: no graph can be edited")
    model = onnx.load(folder / HEADS)

    def save():
        onnx.save(model, folder / HEADS)
        edit(folder)

    return model.graph, save


@pytest.mark.parametrize("name", ["extra_tokens", "familiar", "thinking_quantiles", "p_family", "p_balanced"])
def test_heads_that_lack_an_output_are_refused(folder, encoder, graph, name):
    parts, save = graph
    parts.output.remove(next(output for output in parts.output if output.name == name))
    save()
    with pytest.raises(BundleMismatch, match=f"has no output {name}; ") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert str(folder / HEADS) in caught.value.message
    assert "thinkworth train" in caught.value.message


def test_an_output_for_each_profile_is_needed(folder, encoder):
    profiles = {name: p.model_dump() for name, p in Bundle(folder).manifest.profiles.items()}
    edit(folder, profiles=profiles | {"mine": profiles["balanced"]})
    with pytest.raises(BundleMismatch, match="has no output p_mine; "):
        Scorer(Bundle(folder), encoder=encoder)


def test_an_output_of_another_width_is_refused(folder, encoder):
    edit(folder, tasks=[*Bundle(folder).manifest.tasks, "another"])
    n = len(Bundle(folder).manifest.tasks)
    with pytest.raises(BundleMismatch, match=rf"output p_family has shape \(1, {n - 1}\), expected \(1, {n}\); "):
        Scorer(Bundle(folder), encoder=encoder)


def test_heads_that_take_other_inputs_are_refused(folder, encoder, graph):
    parts, save = graph
    for node in parts.node:
        node.input[:] = ["renamed" if name == "features" else name for name in node.input]
    next(value for value in parts.input if value.name == "features").name = "renamed"
    save()
    with pytest.raises(BundleMismatch, match=rf"cannot run it on 768 \+ {len(FEATURE_NAMES)} inputs") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert "thinkworth train" in caught.value.message
