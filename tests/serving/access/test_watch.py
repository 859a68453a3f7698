"""Keys are read again when their file changes, and a broken file takes no key away."""

import logging
import os
import threading

import pytest

from contract.errors import InvalidInput
from contract.settings import Settings
from serving.access.keys import hashed
from serving.access.watch import WatchedKeys, usable_keys

HOUR = 3600


def written(path, *names):
    entries = [f"  - {{name: {name}, hash: '{hashed(name * 40)}', scopes: [predict]}}\n" for name in names]
    path.write_text("keys:\n" + "".join(entries) if entries else "keys: []\n")


def names(watched):
    return [key.name for key in watched.held.keys.entries]


@pytest.fixture
def file(tmp_path):
    written(tmp_path / "keys.yaml", "a")
    return tmp_path / "keys.yaml"


@pytest.fixture
def watched(file):
    found = WatchedKeys(Settings(api_keys_file=file), every_s=HOUR)
    yield found
    found.close()


def test_a_changed_file_counts_and_an_unchanged_one_is_not_read(watched, file, monkeypatch):
    written(file, "a", "b")
    watched.look()
    assert names(watched) == ["a", "b"]
    held = watched.held
    watched.look()
    assert watched.held is held


def test_a_file_that_takes_the_place_of_the_old_one_counts_with_the_same_time_and_size(watched, file):
    before = file.stat()
    other = file.with_name("other")
    written(other, "c")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert other.stat().st_size == before.st_size
    other.replace(file)
    watched.look()
    assert names(watched) == ["c"]


def test_a_file_behind_a_link_that_moves_counts(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        written(tmp_path / name / "keys.yaml", name)
    (tmp_path / "now").symlink_to("a")
    watched = WatchedKeys(Settings(api_keys_file=tmp_path / "now" / "keys.yaml"), every_s=HOUR)
    (tmp_path / "next").symlink_to("b")
    (tmp_path / "next").replace(tmp_path / "now")
    watched.look()
    watched.close()
    assert names(watched) == ["b"]


@pytest.mark.parametrize("broken", ["keys: [", "", "keys:\n  - {name: a}\n", None])
def test_a_broken_file_keeps_the_keys_and_says_so_until_it_is_whole(watched, file, caplog, broken):
    file.write_text(broken) if broken is not None else file.unlink()
    with caplog.at_level(logging.ERROR, "thinkworth"):
        watched.look()
    assert names(watched) == ["a"]
    assert "the keys before stay" in caplog.text
    assert watched.held.stale.startswith("keys.yaml")  # the folder is nothing for a probe to know
    written(file, "b")
    watched.look()
    assert (names(watched), watched.held.stale) == (["b"], None)


def test_the_last_key_may_be_taken_away(watched, file):
    written(file)
    watched.look()
    assert names(watched) == []


def test_a_thread_looks_by_itself(file):
    watched = WatchedKeys(Settings(api_keys_file=file), every_s=0.01)
    written(file, "z")
    for _ in range(2000):
        if names(watched) == ["z"]:
            break
        threading.Event().wait(0.01)
    watched.close()
    assert names(watched) == ["z"]


def test_a_wrong_file_ends_the_start(tmp_path):
    with pytest.raises(InvalidInput, match="No such file"):
        WatchedKeys(Settings(api_keys_file=tmp_path / "none.yaml"))


def test_what_a_start_says_of_its_keys(file):
    assert usable_keys(Settings()) == "needs no API key"
    assert "anybody who reaches it" in usable_keys(Settings(allow_anonymous=True))
    assert usable_keys(Settings(api_keys_file=file)) == "API keys: a"
    written(file)
    assert "nobody is let in" in usable_keys(Settings(api_keys_file=file))
