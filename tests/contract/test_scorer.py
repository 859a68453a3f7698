"""One scorer for the service, the offline command and the evaluation: the same scores, whatever else is in flight."""

import dataclasses
import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from contract import features
from contract.ablation import GROUPS, ablated
from contract.bundle import HEADS, MANIFEST, REMEDY, Bundle, TargetModel, sha256
from contract.encoder import Encoder, open_graph
from contract.errors import BundleMismatch
from contract.features import FEATURE_NAMES, WIDTH
from contract.locate import ROOT
from contract.model_names import normalised
from contract.prompt import Prompt
from contract.scorer import SCALARS, TARGET_WIDTH, GainHeads, Scorer

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


def inputs(scorer, prompts, models=None):
    vectors = [[scorer.encoder.encode(text).vector for text in (p.ask, p.whole)] for p in prompts]
    embeddings = np.stack([np.concatenate(pair) for pair in vectors])
    return embeddings, np.stack([features.vector(p) for p in prompts]), scorer.targets(models or [None] * len(prompts))


def said(scored):
    """Return what is said of a prompt, to be compared."""
    return scored.scores, scored.truncated, scored.model_known


def said_of_each(scored):
    return [said(one) for one in scored]


def numbers(scores):
    """Return all numbers of a prompt's scores in one row."""
    values = [getattr(scores, field.name) for field in dataclasses.fields(scores) if field.name != "task"]
    flat = [list(value.values()) if isinstance(value, dict) else value for value in values]
    return np.concatenate([np.ravel(value) for value in flat])


def most_unlike(scorer, statistic):
    """Return the model of the bundle whose statistic is farthest from the population's, and the statistics of both."""
    manifest = scorer.manifest
    usual = manifest.population.model_dump()
    known = {name: model.model_dump() for name, model in manifest.models.items()}
    name = max(known, key=lambda name: abs(known[name][statistic] - usual[statistic]))
    return name, known[name], usual


def with_ablations(scorer, embeddings, vectors, targets):
    """Return what the heads say of a prompt's rows as the scorer runs them: the prompt, and it without each group of features."""
    rows = ablated(vectors[0], np.array(scorer.manifest.usual_features, np.float32))
    return scorer.run(np.repeat(embeddings, len(rows), axis=0), rows, np.repeat(targets, len(rows), axis=0))


def test_a_score_is_that_of_many_and_that_of_the_heads_bit_by_bit(scorer):
    scored = [scorer.score(prompt) for prompt in PROMPTS]
    assert said_of_each(scorer.score_many(PROMPTS)) == said_of_each(scored)
    read = inputs(scorer, PROMPTS)
    for i, one in enumerate(scored):
        rows = with_ablations(scorer, *(values[i : i + 1] for values in read))
        assert scorer.unpack(rows, 0) == one.scores
        assert one.gains == tuple(zip(*(rows[name].tolist() for name in GainHeads._fields), strict=True))


def test_a_prompt_and_its_ablations_are_one_run_of_the_heads(scorer, monkeypatch):
    runs, run = [], scorer.run
    monkeypatch.setattr(scorer, "run", lambda *inputs: runs.append(inputs) or run(*inputs))
    scored = scorer.score(PROMPTS[0])
    ((embeddings, vectors, targets),) = runs
    assert len(embeddings) == len(vectors) == len(targets) == len(GROUPS) + 1
    assert (embeddings == scored.inputs[0]).all()
    assert (vectors == ablated(scored.inputs[1], np.array(scorer.manifest.usual_features, np.float32))).all()
    assert (targets == scored.inputs[2]).all()


def test_rows_run_together_score_as_they_do_alone(scorer):
    together = scorer.run(*inputs(scorer, PROMPTS))
    for i, prompt in enumerate(PROMPTS):
        rows, alone = scorer.unpack(together, i), scorer.score(prompt).scores
        np.testing.assert_allclose(numbers(rows), numbers(alone), rtol=1e-5, atol=1e-6)
        assert rows.task == alone.task


def test_the_order_of_the_prompts_is_that_of_the_scores(scorer):
    assert said_of_each(scorer.score_many(PROMPTS[::-1])) == said_of_each(scorer.score_many(PROMPTS))[::-1]
    assert len({scored.scores.score_direct for scored in scorer.score_many(PROMPTS)}) > len(PROMPTS) // 2
    assert scorer.score_many([]) == []


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_what_else_is_in_flight_does_not_change_a_bit(scorer, threads):
    alone = said_of_each(map(scorer.score, PROMPTS))
    assert said_of_each(scorer.score_many(PROMPTS * 3, threads=threads)) == alone * 3


def test_a_scorer_may_be_called_from_the_threads_of_others(scorer):
    alone = said(scorer.score(PROMPTS[0]))
    with ThreadPoolExecutor(8) as pool:
        noise = [pool.submit(scorer.score, prompt) for prompt in PROMPTS * 2]
        same = [pool.submit(scorer.score, PROMPTS[0]) for _ in range(20)]
    assert {said(future.result()) == alone for future in same} == {True}
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
        assert len(scores.thinking_quantiles) == len(scores.levels)
        assert set(scores.probabilities) == set(manifest.profiles)
        assert all(sum(row) == pytest.approx(1, abs=1e-5) and min(row) >= 0 for row in scores.probabilities.values())
        assert 0 <= scores.familiar <= 1
        assert 0 <= scores.from_logs <= 1
        assert -1 <= scores.near <= 1 + 1e-6
        assert scores.extra_tokens > 0
        assert scores.task in manifest.tasks


def test_a_score_comes_with_what_it_was_read_off(scorer):
    """What explains it needs no second pass through the encoder."""
    for prompt in PROMPTS:
        scored = scorer.score(prompt)
        out = with_ablations(scorer, *(values[None] for values in scored.inputs))
        assert scorer.unpack(out, 0) == scored.scores
        np.testing.assert_array_equal(out["cosines"][0], scored.cosines)


def test_every_logged_model_has_statistics_of_its_own(scorer):
    models = scorer.manifest.models
    assert models
    assert all(scorer.knows(name) and name == normalised(name) for name in models)
    wanted = [[m.direct, m.gain, m.log_tokens] for m in models.values()]
    np.testing.assert_array_equal(scorer.targets([*models]), np.array(wanted, np.float32))


@pytest.mark.parametrize("model", [None, "nobody-4", "", "   ", "vendor/", np.nan])
def test_an_unknown_model_is_the_population_and_says_so(scorer, model):
    usual = scorer.manifest.population
    wanted = np.array([[usual.direct, usual.gain, usual.log_tokens]], np.float32)
    np.testing.assert_array_equal(scorer.targets([model]), wanted)
    if isinstance(model, str) or model is None:
        one, other = scorer.score(PROMPTS[0], model), scorer.score(PROMPTS[0])
        assert said(one) == said(other)
        assert not one.model_known


def test_a_model_is_known_by_its_name_however_it_is_written(scorer):
    name = next(iter(scorer.manifest.models))
    plain = scorer.score(PROMPTS[0], name)
    assert plain.model_known
    for written in (f"vendor/{name}", name.upper(), f" {name} ", f"{name}-20260101", f"{name}:latest"):
        assert said(scorer.score(PROMPTS[0], written)) == said(plain)


def test_targets_keep_their_order_and_no_model_gives_none(scorer):
    name = most_unlike(scorer, "log_tokens")[0]
    both = scorer.targets(["nobody-4", name, None])
    np.testing.assert_array_equal(both, np.vstack([scorer.targets([m]) for m in ("nobody-4", name, None)]))
    assert (both.dtype, both.shape) == (np.float32, (3, TARGET_WIDTH))
    assert (both[1] != both[0]).any()
    assert scorer.targets([]).shape == (0, TARGET_WIDTH)


def test_the_tokens_of_a_target_model_scale_by_its_statistic_and_nothing_else(scorer):
    """All token outputs of one prompt for two statistics that differ in log_tokens alone have one ratio."""
    embeddings, vectors, targets = inputs(scorer, PROMPTS)
    longer = targets + np.array([0, 0, np.log(3)], np.float32)
    usual, three = (scorer.run(embeddings, vectors, read) for read in (targets, longer))
    for name, values in usual.items():
        factor = 3 if name in ("extra_tokens", "thinking_quantiles") else 1
        if not name.startswith("p_") or name == "p_family":  # those of the profiles follow the price of the tokens
            np.testing.assert_allclose(three[name], factor * values, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("statistic", ["direct", "gain", "log_tokens"])
def test_the_same_prompt_is_worth_another_thing_to_another_model(scorer, statistic):
    name, own, usual = most_unlike(scorer, statistic)
    one, other = (scorer.score(PROMPTS[0], model).scores for model in (name, None))
    assert one != other
    assert (one.task, one.familiar, one.near, one.from_logs) == (
        other.task,
        other.familiar,
        other.near,
        other.from_logs,
    )
    assert one.gain_prior == other.gain_prior
    if statistic == "log_tokens":
        assert (one.extra_tokens > other.extra_tokens) == (own[statistic] > usual[statistic])


def test_the_task_is_the_family_that_the_ask_is_nearest_to(scorer):
    task = scorer.score(Prompt.from_text("hey, how's it going?")).scores.task
    assert task == "chit_chat"


def test_a_folder_is_loaded_with_the_encoder_that_is_shipped(scorer, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    loaded = Scorer.load(DEFAULT)
    assert loaded.encoder.sha256 == scorer.encoder.sha256
    assert said(loaded.score(PROMPTS[0])) == said(scorer.score(PROMPTS[0]))


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
    edit(folder, feature_names=list(names), usual_features=[0.0] * len(names))
    with pytest.raises(BundleMismatch, match="its features are not those of this thinkworth") as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert said in caught.value.message
    assert caught.value.message.endswith("train it again")


def test_statistics_of_models_are_read_from_the_manifest(folder, encoder, scorer):
    edit(
        folder,
        models={"mine": {"direct": 0.3, "gain": -0.2, "log_tokens": 1.0}},
        population=dict.fromkeys(TargetModel.model_fields, 0.0),
    )
    edited = Scorer(Bundle(folder), encoder=encoder)
    np.testing.assert_array_equal(edited.targets(["Mine", None]), np.array([[0.3, -0.2, 1.0], [0, 0, 0]], np.float32))
    assert not edited.knows(next(iter(scorer.manifest.models)))


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


@pytest.mark.parametrize("name", [*SCALARS, "thinking_quantiles", "p_family", "p_balanced", "cosines"])
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


@pytest.mark.parametrize("taken", ["embeddings", "features", "target"])
def test_heads_that_take_other_inputs_are_refused(folder, encoder, graph, taken):
    parts, save = graph
    for node in parts.node:
        node.input[:] = ["renamed" if name == taken else name for name in node.input]
    next(value for value in parts.input if value.name == taken).name = "renamed"
    save()
    said = rf"cannot run it on 768 \+ {WIDTH} \+ {TARGET_WIDTH} inputs"
    with pytest.raises(BundleMismatch, match=said) as caught:
        Scorer(Bundle(folder), encoder=encoder)
    assert "thinkworth train" in caught.value.message
