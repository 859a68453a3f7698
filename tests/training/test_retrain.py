"""What is new to a retraining, and what is said where nothing is."""

import pytest

from contract.errors import InvalidInput
from training.commands_loop import _nothing_new
from training.logs import read_logs
from training.recipe import digests_of
from training.retrain import check_new
from training.simulate import simulate_logs
from training.taxonomy import load_taxonomy


@pytest.fixture
def files(tmp_path):
    """A log, the same rows in another order, and other rows."""
    families = load_taxonomy()
    first, other = (simulate_logs(families, 5, seed=seed).table for seed in (1, 2))
    tables = {"first": first, "same": first.iloc[::-1], "other": other}
    paths = {name: tmp_path / f"{name}.parquet" for name in tables}
    for name, table in tables.items():
        table.to_parquet(paths[name])
    return paths


def test_new_files_that_only_repeat_what_the_champion_learned_from_are_not_trained_on(files):
    first, same, other = files["first"], files["same"], files["other"]
    read = read_logs([first, same])
    with pytest.raises(
        InvalidInput, match=r"none of the 20 rows of same\.parquet can be used \(20 duplicate\); give others"
    ):
        check_new(read, [first, same], [same])
    check_new(read_logs([first, same, other]), [first, same, other], [same, other])


def test_where_nothing_teaches_it_is_said_why_and_what_to_do():
    assert _nothing_new(None) == "nothing is new: no log is given, and the record is left out; give log files"
    assert "(no decision with an outcome or a review)" in _nothing_new({"decisions": 0, "tokens alone": 0})
    told = _nothing_new({"decisions": 60, "tokens alone": 0, "without text": 60})
    assert "(60 decisions, 60 without text); give log files, or let the service keep what can teach" in told


def test_a_file_that_a_purge_took_since_it_was_read_is_named(files):
    files["same"].unlink()
    with pytest.raises(InvalidInput, match=r"same\.parquet was read and is gone since \(a purge removes"):
        digests_of(files)
