"""What the heads read, and the families of prompts as they see them."""

import numpy as np
import pytest

from contract.features import FEATURE_NAMES, WORDS
from contract.scorer import TARGET_WIDTH
from training.inputs import CLIP, TARGET_READ, _family, fit_inputs, softmax
from training.logistic import NEVER

from .test_heads import CONFIG, D, evidence, rows_at


@pytest.fixture(scope="module")
def rows():
    return evidence(logged=200)


@pytest.fixture(scope="module")
def taxonomy(rows):
    return rows.take(rows.table.prior.to_numpy(bool))


@pytest.fixture(scope="module")
def inputs(rows, taxonomy):
    return fit_inputs(rows, taxonomy, CONFIG)


def counted(inputs):
    """Return which of rows at both families count for one."""
    return (inputs.members(inputs.of(at_the_families())) > 0).any(axis=1)


def at_the_families():
    return rows_at(np.repeat([0, 1], 100), 3, group="x")


def test_a_prompt_near_a_family_is_its_member(inputs):
    members = inputs.members(inputs.of(rows_at(np.zeros(20, int), 3, group="x")))
    assert (members[:, 0] > 0.5).mean() > 0.7  # REACH leaves out a tenth
    assert (members[:, 1] == 0).all()


def test_a_prompt_of_no_family_is_a_member_of_none_however_sure_the_classifier(inputs):
    foreign = rows_at(np.full(50, 7), 4, group="x")
    assert (inputs.of(foreign)["p_family"].max(axis=1) > 0.5).all()  # of two families one is always likelier
    assert (inputs.members(inputs.of(foreign)) == 0).all()


def test_without_a_taxonomy_every_row_is_of_the_one_family(rows, taxonomy):
    logs = rows.take(~rows.table.prior.to_numpy(bool))
    inputs = fit_inputs(logs, taxonomy.take(np.zeros(len(taxonomy.table), bool)), CONFIG)
    assert inputs.tasks == ("unknown",)
    assert (inputs.members(inputs.of(logs)) == 1).all()


def test_the_only_prompt_of_a_family_tells_no_reach(rows, taxonomy):
    one_each = taxonomy.take((~taxonomy.table.task.duplicated()).to_numpy(bool))
    assert not counted(fit_inputs(rows, one_each, CONFIG)).any()


def test_reach_does_not_depend_on_how_many_prompts_a_family_has(rows, taxonomy):
    """Ten of forty prompts of one family reach as far as all of them do: an outlier does not open it, nor fewness close it."""
    few = taxonomy.take(((taxonomy.table.task == "easy") | (np.arange(len(taxonomy.table)) % 4 == 0)).to_numpy(bool))
    shares = [counted(fit_inputs(rows, some, CONFIG)).mean() for some in (taxonomy, few)]
    assert shares[0] == pytest.approx(0.9, abs=0.1)
    assert shares[1] == pytest.approx(0.9, abs=0.1)


@pytest.mark.parametrize("present", [["a", "b"], ["a", "c"], ["b"], ["a", "b", "c"]])
def test_a_family_without_a_prompt_is_out_of_the_question(present, taxonomy):
    names = ("a", "b", "c")
    task = taxonomy.table.task.copy()
    task[:] = np.resize(present, len(task))
    linear = _family(taxonomy.embeddings, task, names)
    p = softmax(linear(taxonomy.embeddings))
    assert p.sum(axis=1) == pytest.approx(np.ones(len(task)))
    for i, name in enumerate(names):
        assert (p[:, i] > 1e-9).all() if name in present else (p[:, i] < np.exp(NEVER / 2)).all()


def test_what_is_read_is_laid_out_as_it_says(inputs, rows):
    target = np.random.default_rng(0).normal(size=(len(rows.table), TARGET_WIDTH)).astype(np.float32)
    x = inputs.of(rows, target)
    np.testing.assert_array_equal(x["ask"], rows.embeddings[:, :D])
    np.testing.assert_array_equal(x["u"][:, : 2 * D], rows.embeddings)
    np.testing.assert_array_equal(x["v"], np.hstack([x["u"], target[:, :TARGET_READ]]))
    assert x["z"].shape == (len(rows.table), inputs.width)
    near = x["ask"] @ inputs.centroids.T
    parts = [
        inputs.ask(x["ask"]),
        inputs.whole(rows.embeddings[:, D:]),
        rows.features[:, :-WORDS],
        near,
        target[:, :TARGET_READ],
    ]
    np.testing.assert_allclose(x["z"], np.hstack(parts), atol=1e-5)
    np.testing.assert_allclose(
        x["p_family"], softmax(inputs.family(np.hstack([x["u"], rows.features[:, -WORDS:]]))), atol=1e-5
    )
    assert {values.dtype for values in x.values()} == {np.dtype(np.float32)}


def test_of_words_the_family_is_read_and_not_what_trees_networks_and_corrections_read(rows, taxonomy):
    """Of two families at one place, each asking in words of its own."""
    told = type(taxonomy)(
        np.repeat(taxonomy.embeddings[:1], len(taxonomy.table), axis=0), taxonomy.features.copy(), taxonomy.table
    )
    words = (told.table.task == "hard").to_numpy(int)
    told.features[:, -WORDS:] = np.eye(WORDS)[words]
    told.features[:, :-WORDS] = told.features[0, :-WORDS]
    inputs = fit_inputs(rows, told, CONFIG)
    x = inputs.of(told)
    assert inputs.tasks == ("easy", "hard")
    np.testing.assert_array_equal(x["p_family"].argmax(axis=1), words)
    for name in ("ask", "u", "v", "z"):
        assert np.ptp(x[name], axis=0).max() == 0, name


def test_without_a_target_it_reads_zeros_and_never_the_scale_of_tokens(inputs, rows):
    tokens = np.zeros((len(rows.table), TARGET_WIDTH), np.float32)
    tokens[:, TARGET_READ:] = 5
    for name, values in inputs.of(rows).items():
        np.testing.assert_array_equal(values, inputs.of(rows, tokens)[name])


def test_a_strange_feature_is_cut_before_linear_heads_read_it(inputs, rows):
    strange = type(rows)(rows.embeddings, rows.features * np.float32(1e6), rows.table)
    read = inputs.of(strange)["u"][:, 2 * D :]
    assert read.shape[1] == len(FEATURE_NAMES)
    assert np.abs(read).max() == pytest.approx(CLIP / np.sqrt(len(FEATURE_NAMES)))


def test_a_row_reads_the_same_alone_and_among_others(inputs, rows):
    alone = inputs.of(rows.take(np.arange(len(rows.table)) == 5))
    for name, values in inputs.of(rows).items():
        np.testing.assert_allclose(values[5:6], alone[name], atol=1e-6)


def test_centroids_are_of_unit_length_one_a_family(inputs):
    assert inputs.centroids.shape == (len(inputs.tasks), D)
    assert np.linalg.norm(inputs.centroids, axis=1) == pytest.approx(np.ones(len(inputs.tasks)), abs=1e-6)
