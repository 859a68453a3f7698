"""A folder is written whole or not at all, whoever else writes it."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.errors import InvalidInput
from training.files import check_replaceable, folder_written_atomically, write_text

THINKWORTH = Path(sys.executable).with_name("thinkworth")


def write(out, text):
    with folder_written_atomically(out) as folder:
        (folder / "manifest.json").write_text(text)


def test_a_folder_replaces_another_and_leaves_nothing_beside_it(tmp_path):
    out = tmp_path / "models" / "out"
    write(out, "old")
    (out / "stale").touch()
    write(out, "new")
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert (out / "manifest.json").read_text() == "new"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_fails_half_way_leaves_the_older_one(tmp_path):
    out = tmp_path / "out"
    write(out, "old")
    with pytest.raises(TypeError):
        write(out, 5)  # no text: the file is there and empty
    assert (out / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt("Ctrl-C")])
def test_a_failure_between_the_two_moves_brings_the_older_one_back(tmp_path, monkeypatch, failure):
    out, replace = tmp_path / "out", Path.replace
    write(out, "old")

    def interrupted(self, target):
        if Path(target) == out and not self.name.endswith(".old"):
            raise failure
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises((InvalidInput, KeyboardInterrupt), match=str(failure)):
        write(out, "new")
    assert (out / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_runs_that_end_at_once_leave_one_whole_folder(tmp_path):
    out = tmp_path / "out"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write(out, str(i)), range(200)))
    assert (out / "manifest.json").read_text() in map(str, range(200))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_only_what_has_a_manifest_or_nothing_may_be_replaced(tmp_path):
    check_replaceable(tmp_path / "absent", of="bundle")
    (tmp_path / "empty").mkdir()
    check_replaceable(tmp_path / "empty", of="bundle")
    write(tmp_path / "ours", "{}")
    check_replaceable(tmp_path / "ours", of="bundle")
    (tmp_path / "thesis.md").touch()
    for other in (tmp_path, tmp_path / "thesis.md"):
        with pytest.raises(InvalidInput, match="exists and is no bundle"):
            check_replaceable(other, of="bundle")


def test_a_place_below_a_file_is_refused_before_and_after_the_work(tmp_path):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "models" / "out"
    with pytest.raises(InvalidInput, match="no folder that may be written"):
        check_replaceable(out, of="bundle")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write(out, "new")


def test_a_file_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_text(tmp_path / "file" / "x" / "y.json", "{}")


@pytest.mark.parametrize(
    "words", [["simulate", "--prompts", "5", "--out", "file/x/log.jsonl"], ["train", "log.jsonl", "--out", "file/x"],
              ["label", "log.jsonl", "--out", "file/x/labels.parquet"]],
)  # fmt: skip
def test_a_verb_that_cannot_write_says_so_in_one_line(tmp_path, words):
    (tmp_path / "file").touch()
    rows = [
        {"source": "s", "prompt_id": "p", "prompt": "x", "model": "m", "arm": arm, "score": 1.0}
        for arm in ("direct", "reasoning")
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    out = subprocess.run([THINKWORTH, *words], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert out.returncode == 2
    assert "cannot be written" in out.stderr
    assert "Traceback" not in out.stderr
