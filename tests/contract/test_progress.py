"""A bar on a terminal, nothing elsewhere; the items come through either way, one at a time."""

import io
from types import SimpleNamespace

import pytest

from contract import progress as module
from contract.progress import opened, progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream))  # pytest sets its own sys.stderr before the test
    return stream


@pytest.fixture
def pipe(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream))
    return stream


def test_a_pipe_sees_nothing(pipe, capsys):
    assert list(progress(range(5), "embedding")) == [0, 1, 2, 3, 4]
    assert pipe.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_a_terminal_sees_the_label_and_the_end(terminal, capsys):
    assert list(progress(range(5), "embedding")) == [0, 1, 2, 3, 4]
    assert "embedding" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert capsys.readouterr().out == ""  # standard output belongs to the answers


def test_items_without_a_length_take_it_from_the_caller(terminal):
    assert list(progress((letter for letter in "ab"), "reading", length=2)) == ["a", "b"]
    assert "100%" in terminal.getvalue()


def test_items_of_no_known_length_still_come(terminal):
    assert list(progress((letter for letter in "ab"), "reading")) == ["a", "b"]
    assert "reading" in terminal.getvalue()
    assert "100%" not in terminal.getvalue()


@pytest.mark.parametrize("stream", ["terminal", "pipe"])
def test_no_item_is_taken_before_it_is_wanted(stream, request):
    request.getfixturevalue(stream)
    taken = []
    for item in progress((taken.append(i) or i for i in range(10)), "embedding"):
        if item == 2:
            break
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("stream", ["terminal", "pipe"])
def test_no_items_are_no_items(stream, request):
    request.getfixturevalue(stream)
    assert list(progress([], "embedding")) == []


@pytest.mark.parametrize("stream", ["terminal", "pipe"])
def test_an_error_of_an_item_comes_through(stream, request):
    request.getfixturevalue(stream)
    with pytest.raises(ZeroDivisionError):
        list(progress((1 // i for i in (1, 0)), "embedding"))


@pytest.fixture
def long_file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LONG", 1000)
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(b"x" * 2**20)
    return path


def test_a_bar_follows_the_bytes_of_a_file(long_file, terminal):
    with opened(long_file) as handle:
        assert handle.read(2**19) == b"x" * 2**19
        half = terminal.getvalue()
        assert handle.read(2**19) == b"x" * 2**19
    assert "traffic.jsonl" in half
    assert "50%" in half
    assert "100%" not in half
    assert "100%" in terminal.getvalue()


def test_a_short_file_has_no_bar(long_file, terminal):
    long_file.write_bytes(b"x")
    with opened(long_file) as handle:
        assert handle.read() == b"x"
    assert terminal.getvalue() == ""


def test_a_file_read_into_a_pipe_is_silent(long_file, pipe):
    with opened(long_file) as handle:
        assert len(handle.read()) == 2**20
    assert pipe.getvalue() == ""
