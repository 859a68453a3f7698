"""What the importers of the providers' own files must not do, whatever they are given: fail, or lose a record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.importers import importer
from training.importers.call import Broken, Call, Options, Other

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
@given(records=RECORDS)
def test_each_record_is_a_call_another_or_broken(name, records, tmp_path_factory):
    path = tmp_path_factory.mktemp(name) / "log.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    found = list(importer(name).read([str(path)], Options()))
    assert all(isinstance(record, Call | Broken | Other) for record in found)
    lines = [record.place.line for record in found]
    assert set(lines) <= set(range(1, len(records) + 1))
    assert 0 < len(lines) == len(set(lines))
