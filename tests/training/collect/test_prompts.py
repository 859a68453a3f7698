import json
from collections import Counter

import pandas as pd
import pytest

from contract.errors import InvalidInput, NoUsableRows
from contract.prompt import Prompt
from training.collect.prompts import Item, read_prompts, sample

TALK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
ROWS = [
    {"prompt": "What is 2 + 2?", "prompt_id": "a", "task": "sums", "language": "en", "reference": "4"},
    {"messages": TALK, "task": "talk", "reference": 5},
    {"prompt": "What is 2 + 2?", "prompt_id": "a"},
]


def written(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_reads_prompts_and_conversations_once_each(tmp_path):
    first, second = read_prompts(written(tmp_path / "p.jsonl", ROWS)).items
    assert (first.prompt_id, first.task, first.language, first.reference) == ("a", "sums", "en", "4")
    assert first.conversation == [{"role": "user", "content": "What is 2 + 2?"}]
    assert second.prompt_id == Prompt.from_messages(TALK).digest
    assert (second.conversation, second.reference) == (TALK, "5")


def test_the_formats_agree(tmp_path):
    rows = [{**row, "messages": json.dumps(row["messages"])} if "messages" in row else row for row in ROWS]
    frame = pd.DataFrame(rows).astype({"reference": "str"})
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_parquet(tmp_path / "p.parquet")
    as_lists = pd.DataFrame(ROWS).astype({"reference": "str"})
    as_lists.to_parquet(tmp_path / "lists.parquet")
    expected = read_prompts(written(tmp_path / "p.jsonl", ROWS)).items
    for name in ("p.csv", "p.parquet", "lists.parquet"):
        assert [i.digest for i in read_prompts(tmp_path / name).items] == [i.digest for i in expected]
        assert [i.prompt_id for i in read_prompts(tmp_path / name).items] == [i.prompt_id for i in expected]


def test_a_log_table_gives_its_prompts_once_each(tmp_path):
    rows = [
        {"prompt": f"What is {n}?", "model": "m", "arm": arm, "score": 1.0, "output_tokens": 9, "prompt_id": str(n)}
        for n in range(3)
        for arm in ("direct", "reasoning")
    ]
    assert [i.prompt_id for i in read_prompts(written(tmp_path / "log.jsonl", rows)).items] == ["0", "1", "2"]


def test_rows_without_a_prompt_are_left_out_with_their_reason(tmp_path):
    bad = [
        {"prompt": ""}, {"prompt": "x", "messages": TALK}, {"task": "t"}, {"messages": [{"role": "boss", "content": "x"}]},
        {"prompt": "x", "refrence": "4"}, {"prompt": "another", "prompt_id": "a"}, {"prompt": 7}, {"prompt": "\ud800"},
        {"prompt": "What is 2 + 2?", "prompt_id": "a", "reference": "5"}, {"messages": "{}"},
    ]  # fmt: skip
    path = written(tmp_path / "p.jsonl", [*ROWS, *bad])
    with path.open("a") as handle:
        handle.write('{"prompt": "cut o')
    read = read_prompts(path)
    assert len(read.items) == 2
    assert [row["line"] for row in read.left_out] == list(range(4, 15))
    reasons = [row["reason"] for row in read.left_out]
    assert "unknown column 'refrence'" in reasons[4]
    assert reasons[5] == "prompt_id 'a' stands for two prompts"
    assert reasons[8] == "prompt_id 'a' has two references"
    assert not any("2 + 2" in reason or "another" in reason for reason in reasons)


def test_a_prompt_whose_picture_is_not_there_cannot_be_asked(tmp_path):
    def shown(**picture):
        return {"messages": [{"role": "user", "content": [{"type": "text", "text": "What?"}, picture]}]}

    url = {"url": "https://host/a.png"}
    rows = [shown(type="image_url", image_url=url), shown(type="image_url", digest="0f" * 8), shown(type="image_url")]
    read = read_prompts(written(tmp_path / "p.jsonl", rows))
    assert [item.conversation for item in read.items] == [rows[0]["messages"]]
    assert read.items[0].prompt_id != read.items[0].digest
    assert [(one["line"], one["rule"]) for one in read.left_out] == [
        (2, "a part of the prompt is not in the log"), (3, "a part of the prompt is not in the log"),
    ]  # fmt: skip


def test_a_reference_may_stand_in_a_later_row(tmp_path):
    rows = [{"prompt": "Q?", "prompt_id": "q"}, {"prompt": "Q?", "prompt_id": "q", "reference": "r"}]
    assert [i.reference for i in read_prompts(written(tmp_path / "p.jsonl", rows)).items] == ["r"]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("absent.jsonl", None, InvalidInput), ("absent.parquet", None, InvalidInput), ("empty.jsonl", b"", InvalidInput),
        ("p.xlsx", b"x", InvalidInput), ("p.parquet", b"no parquet", InvalidInput), ("p.jsonl", b'{"task": 1}\n', NoUsableRows),
    ],
)  # fmt: skip
def test_a_file_without_prompts_is_one_clear_error(tmp_path, name, content, kind):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(kind, match=name):
        read_prompts(tmp_path / name)


def some(counts):
    return [
        Item(prompt_id=f"{task}-{n}", digest="", prompt="x", task=task) for task, c in counts.items() for n in range(c)
    ]


@pytest.mark.parametrize(
    ("counts", "size", "expected"),
    [
        ({"big": 1000, "small": 3, "rare": 1}, 10, {"big": 6, "small": 3, "rare": 1}),
        ({"big": 1000, "other": 900}, 5, {"big": 3, "other": 2}),
        ({"big": 9, "small": 2, None: 4}, 9, {"big": 4, "small": 2, None: 3}),
        ({"big": 5, "rare": 1}, 100, {"big": 5, "rare": 1}),
        ({"a": 4, "b": 3, "c": 2}, 2, {"a": 1, "b": 1}),
    ],
)
def test_a_sample_covers_rare_tasks(counts, size, expected):
    assert Counter(item.task for item in sample(some(counts), size, 0)) == expected


def test_a_sample_depends_on_the_seed_and_the_prompts_alone():
    items = some({"a": 50, "b": 50})
    first = [i.prompt_id for i in sample(items, 20, 1)]
    assert [i.prompt_id for i in sample(items[::-1], 20, 1)] == first
    assert [i.prompt_id for i in sample(items, 20, 2)] != first
    assert {i.task for i in sample(items, 20, 1)[:2]} == {"a", "b"}  # a run cut short covers both
    assert {i.prompt_id for i in sample(items, None, 1)} == {i.prompt_id for i in items}
