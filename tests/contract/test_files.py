"""A file is written whole or not at all, whoever else writes it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from contract.files import written_whole


def write(path, text, **how):
    with written_whole(path, **how) as file:
        file.write_text(text)


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_takes_the_place_of_another_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "below" / "file"
    write(path, "old")
    with written_whole(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert (path.read_text(), names(path.parent)) == ("new", ["file"])


@pytest.mark.parametrize("failure", [ValueError("no"), OSError("disk full"), KeyboardInterrupt("Ctrl-C")])
def test_what_fails_half_way_leaves_the_older_one(tmp_path, failure):
    path = tmp_path / "file"
    write(path, "old")
    with pytest.raises(type(failure), match=str(failure)), written_whole(path) as new:  # noqa: PT012 - half of it
        new.write_text("half")
        raise failure
    assert (path.read_text(), names(tmp_path)) == ("old", ["file"])


def test_a_place_that_cannot_be_written_is_known_before_the_block(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path, tmp_path / "file" / "below"):
        reached = False
        with pytest.raises(OSError, match=r"Is a directory|File exists|Not a directory"), written_whole(place):
            reached = True
        assert not reached
    assert names(tmp_path) == ["file"]


def test_the_first_of_many_writers_wins_where_nothing_is_replaced(tmp_path):
    path = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write(path, str(i) * 1000, replaces=False), range(10, 50)))
    won = path.read_text()
    write(path, "late", replaces=False)
    assert (path.read_text(), names(tmp_path)) == (won, ["key"])
    assert won in {str(i) * 1000 for i in range(10, 50)}


def test_the_mode_is_that_of_the_file_from_its_first_byte(tmp_path):
    with written_whole(tmp_path / "key", mode=0o600, replaces=False) as new:
        assert stat.S_IMODE(new.stat().st_mode) == 0o600
        new.write_text("secret")
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    mask = os.umask(0o027)
    try:
        write(tmp_path / "plain", "for the group")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o640
