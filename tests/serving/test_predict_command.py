"""`thinkworth predict`: one request a line, one answer or error a line, in order."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ERROR = {"type", "message", "field", "limit"}
SECRET = "heliotrope-77-marmalade"


@pytest.fixture
def predict(tmp_path):
    def run(*arguments, lines=b""):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("THINKWORTH_")}
        return subprocess.run(
            [Path(sys.executable).with_name("thinkworth"), "predict", *arguments],
            input=lines, capture_output=True, cwd=tmp_path, env=environment, timeout=300,
        )  # fmt: skip

    return run


def answers(text):
    return [json.loads(line) for line in text.splitlines()]


def same(answer):
    return {key: value for key, value in answer.items() if key != "decision_id"}


GOOD = [{"prompt": "What is 1 + 9900?", "request_id": "a"}, {"messages": [{"role": "user", "content": "hello"}]}]
GOOD_LINES = "".join(json.dumps(request) + "\n" for request in GOOD).encode()


def test_standard_input_and_files_give_the_same_answers(predict, tmp_path):
    piped = predict(lines=GOOD_LINES)
    assert piped.returncode == 0, piped.stderr
    (tmp_path / "in.jsonl").write_bytes(GOOD_LINES)
    filed = predict("--input", "in.jsonl", "--output", "new/out.jsonl")
    assert (filed.returncode, filed.stdout) == (0, b"")
    out = answers((tmp_path / "new" / "out.jsonl").read_text())
    assert [same(answer) for answer in out] == [same(answer) for answer in answers(piped.stdout)]
    assert [answer["request_id"] for answer in out] == ["a", None]
    assert (out[0]["arm"], out[0]["thinking_budget"]) == ("direct", 0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.jsonl"]


def test_a_mark_blank_lines_and_a_missing_last_newline_do_no_harm(predict):
    out = predict(lines=b"\xef\xbb\xbf" + GOOD_LINES.replace(b"\n", b"\r\n\r\n").rstrip())
    assert out.returncode == 0, out.stderr
    assert ["verdict" in answer for answer in answers(out.stdout)] == [True, True]


def test_a_bad_line_has_its_error_in_its_place(predict, tmp_path):
    bad = {
        b"not json " + SECRET.encode(): "invalid_json",
        b'{"prompt": " "}': "empty_prompt",
        b'{"prompt": "%s", "profile": "nobody"}' % SECRET.encode(): "unknown_profile",
        b'{"prompt": "%s", "x": 1}' % SECRET.encode(): "unknown_key",
        b'{"prompt": "%s \xff"}' % SECRET.encode(): "invalid_json",
        b'{"prompt": "%s", "cached_tokens": NaN}' % SECRET.encode(): "invalid_json",
    }
    good = b'{"prompt": "hello"}'
    lines = b"".join(good + b"\n" + line + b"\n" for line in bad)
    for arguments in ((), ("--output", "out.jsonl")):
        out = predict(*arguments, lines=lines)
        text = (tmp_path / "out.jsonl").read_bytes() if arguments else out.stdout
        assert out.returncode == 1, out.stderr
        got = answers(text)
        assert ["verdict" in answer for answer in got] == [True, False] * len(bad)
        assert [answer["error"]["type"] for answer in got[1::2]] == list(bad.values())
        assert all(answer["error"].keys() == ERROR for answer in got[1::2])
        assert SECRET.encode() not in text + out.stderr
        assert str(len(bad)) in out.stderr.decode()


def test_a_lone_surrogate_is_answered(predict):
    out = predict(lines=b'{"prompt": "\\ud800"}\n')
    assert out.returncode == 0, out.stderr
    assert "verdict" in answers(out.stdout)[0]


@pytest.mark.parametrize("lines", [b"", b"\n \n"])
def test_no_requests_give_no_answers(predict, tmp_path, lines):
    out = predict(lines=lines)
    assert (out.returncode, out.stdout) == (0, b"")
    out = predict("--output", "out.jsonl", lines=lines)
    assert out.returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    "arguments", [("--input", "nowhere.jsonl"), ("--input", "."), ("--nonsense",)], ids=["missing", "folder", "flag"]
)
def test_a_wrong_argument_is_exit_2_without_a_traceback(predict, tmp_path, arguments):
    out = predict(*arguments, "--output", "out.jsonl")
    assert out.returncode == 2
    assert out.stderr
    assert b"Traceback" not in out.stderr
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize("place", [".", "taken/out.jsonl"])
def test_an_output_that_cannot_be_written_is_refused_by_name(predict, tmp_path, place):
    (tmp_path / "taken").write_text("no folder", encoding="utf-8")
    out = predict("--output", place, lines=GOOD_LINES)
    assert out.returncode == 2
    assert b"cannot be written" in out.stderr
    assert b"name another place with --output" in out.stderr
    assert b"Traceback" not in out.stderr


def test_the_profile_is_that_of_the_lines_that_name_none(predict):
    lines = b'{"prompt": "hello"}\n{"prompt": "hello", "profile": "balanced"}\n'
    out = predict("--profile", "quality_critical", lines=lines)
    assert out.returncode == 0, out.stderr
    assert [answer["profile"] for answer in answers(out.stdout)] == ["quality_critical", "balanced"]


def test_an_unknown_profile_is_refused(predict):
    out = predict("--profile", "nobody", lines=GOOD_LINES)
    assert out.returncode in (1, 2)
    assert b"Traceback" not in out.stderr
    assert b"quality_critical" in out.stdout + out.stderr
