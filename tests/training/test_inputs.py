"""The families of prompts as the heads see them: who is a member, and what a classifier says of what it has not seen."""

import numpy as np
import pytest

from training.inputs import NEVER, _family, cross_fitted_families, fit_inputs, softmax

from .test_heads import CONFIG, evidence, rows_at


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


def test_cross_fitted_families_have_not_seen_the_prompt(rows, taxonomy):
    """A prompt under a wrong name is found where it lies, not where its own name says, as a fit that saw it would."""
    table = taxonomy.table.copy()
    table.loc[0, "task"] = "hard"
    wrong = type(taxonomy)(taxonomy.embeddings, taxonomy.features, table)
    inputs = fit_inputs(rows, wrong, CONFIG)
    easy = inputs.tasks.index("easy")
    unseen = cross_fitted_families(inputs, wrong)
    assert unseen.sum(axis=1) == pytest.approx(np.ones(len(table)))
    assert unseen[0, easy] > 0.9
    assert unseen[0, easy] > inputs.of(wrong)["p_family"][0, easy]


def test_a_second_prompt_of_a_family_is_in_another_fold(rows, taxonomy):
    """Where two prompts of a family fell in one fold, its classifier would know no such family."""
    hard = np.flatnonzero(taxonomy.table.task == "hard")
    few = taxonomy.take(
        np.isin(np.arange(len(taxonomy.table)), np.r_[np.flatnonzero(taxonomy.table.task == "easy"), hard[:2]])
    )
    inputs = fit_inputs(rows, few, CONFIG)
    p = cross_fitted_families(inputs, few)[:, inputs.tasks.index("hard")]
    assert (p[few.table.task == "hard"] > 0.5).all()


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
