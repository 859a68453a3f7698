"""A bar on a terminal, nothing elsewhere; the items come through either way, one at a time."""

import io
from types import SimpleNamespace

import pytest

from contract import progress as module
from contract.progress import progress


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
