"""A bundle is put in place whole, whoever else does so."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from training.export import put_in_place


def bundle(folder, text):
    folder.mkdir()
    (folder / "manifest.json").write_text(text)
    return folder


def test_a_bundle_replaces_another_and_leaves_nothing_beside_it(tmp_path):
    out = bundle(tmp_path / "out", "old")
    (out / "stale").touch()
    put_in_place(bundle(tmp_path / ".new", "new"), out)
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_runs_that_end_at_once_leave_one_whole_bundle(tmp_path):
    out = tmp_path / "out"
    made = [bundle(tmp_path / f".{i}", str(i)) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda temporary: put_in_place(temporary, out), made))
    assert (out / "manifest.json").read_text() in map(str, range(40))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_place_that_cannot_be_written_is_an_error_and_the_bundle_is_kept(tmp_path):
    temporary = bundle(tmp_path / ".new", "new")
    with pytest.raises(FileNotFoundError):
        put_in_place(temporary, tmp_path / "missing" / "out")
    assert (temporary / "manifest.json").read_text() == "new"
