"""Lines: their two formats, what finds no room, and that an exception's message is never one."""

import io
import json
import logging
import threading

import pytest

from serving.observing.lines import Formatter, Lines


class Stuck(io.StringIO):
    """A standard output that does not take anything until it may."""

    def __init__(self):
        super().__init__()
        self.may = threading.Event()

    def write(self, text):
        assert self.may.wait(30)
        return super().write(text)


@pytest.fixture
def told():
    """What lines are written to, and what makes them."""
    made = []

    def make(how, **more):
        stream = more.pop("stream", None) or io.StringIO()
        lines = Lines(how, dropped=lambda: dropped.append(1), stream=stream, **more)
        made.append(lines)
        return lines, stream

    dropped = []
    make.dropped = dropped
    yield make
    for lines in made:
        lines.close()


def test_a_line_of_json(told):
    lines, stream = told("json")
    lines.write("decided", {"decision_id": "d-1", "ms": 1.5, "request_id": None})
    lines.close()
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "info", "message": "decided", "decision_id": "d-1", "ms": 1.5, "request_id": None}


def test_a_line_of_text_is_one_line_whatever_an_id_holds(told):
    lines, stream = told("text")
    lines.write("decided", {"decision_id": "d-1", "request_id": "a\nb"})
    lines.close()
    assert stream.getvalue().endswith(' [INFO] decided decision_id="d-1" request_id="a\\nb"\n')
    assert stream.getvalue().count("\n") == 1


def test_the_packages_own_lines_are_json_too_and_only_then(told):
    logger = logging.getLogger("thinkworth")
    lines, stream = told("json")
    logger.warning("the store is %s", "away")
    lines.close()
    assert json.loads(stream.getvalue())["message"] == "the store is away"
    assert logger.propagate
    other, text = told("text")
    handlers = list(logger.handlers)
    other.close()
    assert handlers == []
    assert text.getvalue() == ""


def test_of_an_exception_the_type_is_told_and_not_the_message():
    try:
        raise ValueError("heliotrope")
    except ValueError as error:
        raised = (type(error), error, error.__traceback__)
    record = logging.LogRecord("thinkworth", logging.ERROR, "", 0, "failed", None, raised)
    for how in ("json", "text"):
        line = Formatter(how).format(record)
        assert "ValueError" in line
        assert "heliotrope" not in line


def test_what_finds_no_room_is_dropped_and_counted(told):
    stuck = Stuck()
    lines, _ = told("json", room=2, stream=stuck)
    for i in range(20):
        lines.write("decided", {"i": i})
    assert 17 <= len(told.dropped) <= 18  # one is being written, two wait
    stuck.may.set()
    lines.close()
    assert len(stuck.getvalue().splitlines()) == 20 - len(told.dropped)
