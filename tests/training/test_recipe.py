"""The files of an earlier training are found by their digest, and by nothing else."""

import hashlib

import pytest

from contract.errors import InvalidInput
from training.config import TrainConfig
from training.recipe import Known, Options, Recipe, located
from training.retrain import new_files, training_set


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "was" / "log.jsonl"
    path.parent.mkdir()
    path.write_text("one\n")
    return path


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_file_is_found_where_it_lay(log):
    assert located({"log.jsonl": digest("one\n")}, {"log.jsonl": log}, []) == ({"log.jsonl": log}, [])


def test_a_file_that_moved_is_found_below_a_folder_whatever_its_name(log, tmp_path):
    moved = tmp_path / "now" / "deep" / "renamed.jsonl"
    moved.parent.mkdir(parents=True)
    log.rename(moved)
    assert located({"log.jsonl": digest("one\n")}, {"log.jsonl": log}, [tmp_path / "now"])[0] == {"log.jsonl": moved}


def test_a_file_that_has_grown_is_not_it(log, tmp_path):
    log.write_text("one\ntwo\n")
    assert located({"log.jsonl": digest("one\n")}, {"log.jsonl": log}, [tmp_path]) == ({}, ["log.jsonl"])


def known(log, text="one\n"):
    recipe = Recipe(
        files={"log.jsonl": digest(text)}, config=TrainConfig(), options=Options(), profiles={}, taxonomy=(), started_from=None
    )  # fmt: skip
    return Known(recipe, {"log.jsonl": log}, None)


def test_what_is_missing_is_said_with_both_remedies(log):
    with pytest.raises(InvalidInput, match=r"log\.jsonl.*--data.*--without 'log\.jsonl'"):
        training_set(known(log, "another"), [])
    assert training_set(known(log, "another"), [], ["log.jsonl"]) == []


def test_a_name_that_is_no_file_of_the_training_is_refused(log):
    with pytest.raises(InvalidInput, match=r"lgo.jsonl.*its files: log.jsonl"):
        training_set(known(log), [], ["lgo.jsonl"])


def test_a_log_that_the_champion_has_seen_is_not_new(log):
    with pytest.raises(InvalidInput, match="was trained on it"):
        new_files([log], known(log).recipe.files)


def test_options_add_up():
    one, other = Options(accept_flags=("a",)), Options(accept_flags=("b", "a"), leave_out_tasks=("t",))
    assert one.and_also(other) == Options(accept_flags=("a", "b"), leave_out_tasks=("t",))
