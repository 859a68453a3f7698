"""What the importers of the providers' own files must not do, whatever they are given: fail, or lose a record."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.importers import importer
from training.importers.blocks import Told
from training.importers.call import Broken, Call, Options, Other
from training.importers.run import import_log
from training.logs import read_logs

NAMES = st.sampled_from(
    [
        *("custom_id", "key", "id", "request", "response", "body", "params", "result", "error", "status", "url"),
        *("messages", "input", "contents", "content", "parts", "role", "text", "type", "system", "metadata"),
        *("usage", "usageMetadata", "choices", "output", "candidates", "finish_reason", "completion_tokens"),
        *("total_tokens", "prompt_tokens", "completion_tokens_details", "reasoning_tokens", "created", "message"),
    ]
)
WORDS = st.sampled_from(["a", "user", "model", "text", "/v1/chat/completions", "http://[", '{"role": 1}', "12", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
RECORDS = st.lists(st.dictionaries(NAMES, JSON, max_size=6), min_size=1, max_size=4)


@pytest.mark.parametrize("name", ["openai-jsonl", "anthropic-jsonl", "gemini-jsonl"])
@settings(max_examples=30)
@given(records=RECORDS)
def test_each_record_is_a_call_another_or_broken(name, records, tmp_path_factory):
    path = tmp_path_factory.mktemp(name) / "log.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    found = list(importer(name).read([str(path)], Options()))
    assert all(isinstance(record, Call | Broken | Other) for record in found)
    lines = [record.place.line for record in found]
    assert set(lines) <= set(range(1, len(records) + 1))
    assert 0 < len(lines) == len(set(lines))


REQUEST = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
GEMINI = {"contents": [{"parts": [{"text": "Why?"}]}], "generationConfig": {"thinkingConfig": {"thinkingBudget": 2048}}}


def openai(number, tokens):
    body = {"id": number, "model": "m", "choices": [{"finish_reason": "stop"}], "usage": {"completion_tokens": tokens}}
    return {"custom_id": "a", "response": {"status_code": 200, "body": body}}


def anthropic(number, tokens):
    message = {"id": number, "type": "message", "stop_reason": "end_turn", "usage": {"output_tokens": tokens}}
    return {"custom_id": "a", "result": {"type": "succeeded", "message": message}}


def gemini(number, tokens):
    usage = {"promptTokenCount": 5, "candidatesTokenCount": tokens}
    answer = {"responseId": number, "modelVersion": "m", "candidates": [{}], "usageMetadata": usage}
    return {"key": "a", "response": answer}


@pytest.mark.parametrize(
    ("name", "request_", "answer"),
    [
        ("openai-jsonl", {"custom_id": "a", "body": {**REQUEST, "reasoning_effort": "low"}}, openai),
        ("anthropic-jsonl", {"custom_id": "a", "params": {**REQUEST, **THINKING}}, anthropic),
        ("gemini-jsonl", {"key": "a", "request": GEMINI}, gemini),
    ],
)
@pytest.mark.parametrize("number", ["answer-", None], ids=["id", "no id"])
def test_a_batch_that_was_run_twice_gave_two_attempts(name, request_, answer, number, tmp_path):
    ids = [number and f"{number}{at}" for at in (1, 2)]
    files = {
        "requests": [request_],
        "first": [answer(ids[0], 9)],
        "second": [answer(ids[1], 9 if number else 12)],
        "again": [answer(ids[0], 9)],
    }
    for file, records in files.items():
        (tmp_path / f"{file}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    out = tmp_path / "logs.jsonl"
    places = [str(tmp_path / f"{file}.jsonl") for file in files]
    report = import_log(importer(name), places, out, Told(source="batches"))
    rows = read_logs([out]).table  # with an id they may be alike in all else
    assert rows["request_id"].is_unique
    assert rows["request_id"].str.fullmatch("a#[0-9a-f]{8}").all()
    assert rows["output_tokens"].tolist() == [9, 9 if number else 12]
    assert report.quarantined == {"duplicate": 1}
    assert '"again.jsonl"' in (tmp_path / "logs.jsonl.quarantine.jsonl").read_text().replace(str(tmp_path) + "/", "")


ASKS = {
    "openai-jsonl": ({**REQUEST, "reasoning_effort": "none"}, {**REQUEST, "reasoning_effort": "low"}),
    "anthropic-jsonl": ({**REQUEST, "thinking": {"type": "disabled"}}, {**REQUEST, **THINKING}),
    "gemini-jsonl": ({**GEMINI, "generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}, GEMINI),
}
ANSWERS = {"openai-jsonl": openai, "anthropic-jsonl": anthropic, "gemini-jsonl": gemini}
ENDS = ("choices", "stop_reason", "candidates")


def on_one_line(name, request_, number, tokens, *, fails=False):
    """Return a record of both halves; one that fails has tokens and no answer, nor its id."""
    whole = ANSWERS[name](number, tokens)
    response = whole["result"]["message"] if name == "anthropic-jsonl" else whole["response"]
    if fails:
        for part in (response, response.get("body", {})):
            for key in (*ENDS, "id", "responseId"):
                part.pop(key, None)
    return {"key" if name == "gemini-jsonl" else "custom_id": "a", "request": request_, "response": response}


@pytest.mark.parametrize("name", ASKS)
def test_a_failed_call_of_the_other_arm_is_no_retry(name, tmp_path):
    direct, thinking = ASKS[name]
    records = [
        on_one_line(name, direct, None, 7, fails=True),
        on_one_line(name, thinking, None, 7, fails=True),
        on_one_line(name, thinking, "answer-1", 100),
    ]
    (tmp_path / "log.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    out = tmp_path / "out.jsonl"
    report = import_log(importer(name), [str(tmp_path / "log.jsonl")], out, Told())
    rows = read_logs([out]).table
    assert rows[["request_id", "arm", "output_tokens"]].to_numpy().tolist() == [["a", "reasoning", 107]]
    assert (report.quarantined, report.retries) == ({"request failed": 1}, 1)


def test_tries_that_failed_alike_are_all_added(tmp_path):
    def failed(number):
        body = {"error": {"message": "later"}, "usage": {"completion_tokens": 7}}
        return {"id": f"batch_req_{number}", "custom_id": "a", "response": {"status_code": 500, "body": body}}

    request_ = {"custom_id": "a", "body": {**REQUEST, "reasoning_effort": "low"}}
    files = [[request_], [failed(1)], [failed(2)], [failed(2)], [openai("answer-1", 100)]]
    for number, records in enumerate(files):
        (tmp_path / f"{number}.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    out = tmp_path / "out.jsonl"
    report = import_log(importer("openai-jsonl"), [str(path) for path in sorted(tmp_path.glob("?.jsonl"))], out, Told())
    assert read_logs([out]).table["output_tokens"].tolist() == [114]
    assert (report.quarantined, report.retries) == ({"duplicate": 1}, 2)
