import json

import numpy as np
import pandas as pd
import pytest

from contract.errors import InvalidInput
from training.importers.keys import text_keys
from training.importers.scores import Scale, parse_scale
from training.importers.scores_file import no_scores, read_scores
from training.logs import as_frame, checked_columns

ROWS = [
    {"request_id": "a", "score": 0.5, "score_kind": "correctness", "defect": True},
    {"request_id": "b", "score": 1.0, "score_kind": None, "defect": None},
    {"request_id": "c", "score": None, "score_kind": None, "defect": False},
]


def written(path, rows=ROWS):
    frame = pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path, scale="0..1"):
    refused = []
    scores = read_scores(path, parse_scale(scale), lambda place, fault: refused.append((place.line, fault.reason)))
    return scores, refused


def attempts(**columns):
    count = len(columns["request_id"])
    columns |= {"prompt": ["hello"] * count, "model": ["m"] * count, "arm": ["direct"] * count}
    return checked_columns(columns, count, "s")[0]


@pytest.mark.parametrize("name", ["scores.csv", "scores.jsonl", "scores.parquet"])
def test_scores_go_to_their_rows(tmp_path, name):
    scores, refused = read(written(tmp_path / name))
    assert refused == []
    table = attempts(
        request_id=["x", "b", None, "a", "c"],
        score=[0.1, 0.2, 0.3, 0.4, 0.5],
        score_kind=["mark"] * 5,
        defect=[None] * 5,
    )
    places = scores.places(text_keys(table["request_id"].to_pylist()))
    frame = as_frame(scores.put(places, table))
    assert frame["score"].tolist() == [0.1, 1.0, 0.3, 0.5, 0.5]
    assert frame["score_kind"].fillna("-").tolist() == ["mark", "-", "mark", "correctness", "mark"]
    assert frame["defect"].astype(object).where(frame["defect"].notna(), None).tolist() == [
        None,
        None,
        None,
        True,
        False,
    ]
    assert scores.scored(places).tolist() == [False, True, False, True, False]
    assert (places >= 0).tolist() == [False, True, False, True, True]


def test_no_file_scores_nothing():
    table = attempts(request_id=["a", None])
    scores = no_scores()
    places = scores.places(text_keys(table["request_id"].to_pylist()))
    assert scores.put(scores.of_one(places), table).equals(table)
    assert not scores.scored(places).any()
    assert scores.rest(places, places[:0]) == (None, None)


def test_a_place_that_two_rows_have_is_neithers(tmp_path):
    scores, _ = read(written(tmp_path / "scores.csv"))
    places = np.array([2, -1, 0, 2, -1])
    assert scores.of_one(places).tolist() == [-1, -1, 0, -1, -1]
    assert scores.rest(places, places[:0]) == (1, 1)
    assert scores.rest(places, np.array([1, -1, 1])) == (0, 2)


def test_a_row_has_the_score_of_the_first_of_its_ids_that_the_file_has(tmp_path):
    scores, _ = read(written(tmp_path / "scores.csv"))
    assert scores.places(text_keys(["b", "x", None]), text_keys(["a", "a", "x"])).tolist() == [
        scores.places(text_keys([name]))[0] for name in ("b", "a", "x")
    ]


def test_the_scale_and_numbers_as_ids(tmp_path):
    path = written(tmp_path / "s.jsonl", [{"request_id": 17, "score": 4}, {"request_id": "x", "score": 9}])
    scores, refused = read(path, "1..5")
    assert scores.table["score"].to_pylist() == [0.75]
    assert scores.places(text_keys(["17"])).tolist() == [0]
    assert refused == [(2, "score 9 is outside the scale 1..5")]


def test_a_bad_line_is_refused_and_the_rest_is_read(tmp_path):
    path = tmp_path / "s.jsonl"
    lines = [
        '{"request_id": "a", "score": 1}',
        "{",
        '{"request_id": null, "score": 1}',
        '{"request_id": "d", "score": 1, "defect": "perhaps"}',
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scores, refused = read(path)
    assert len(scores.keys) == 1
    assert [line for line, _ in refused] == [2, 3, 4]
    assert refused[2][1] == "defect 'perhaps' is not true or false"


def test_the_same_score_twice_is_one(tmp_path):
    assert len(read(written(tmp_path / "s.csv", ROWS + ROWS))[0].keys) == 3


def test_two_scores_for_one_request(tmp_path):
    path = written(tmp_path / "s.csv", [*ROWS, {"request_id": "b", "score": 0.0}])
    with pytest.raises(InvalidInput, match=r"lines 3 and 5 give one request_id two scores; keep one"):
        read(path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"request_id": "a", "score": 1, "defects": True},
            "unknown column 'defects'; known columns: request_id, score",
        ),
        ({"request": "a", "score": 1}, "unknown column 'request'"),
        ({"score": 1}, "needs the columns request_id and score"),
        ({"request_id": "a"}, "needs the columns request_id and score"),
    ],
)
def test_columns_of_a_scores_file(tmp_path, row, message):
    with pytest.raises(InvalidInput, match=message):
        read(written(tmp_path / "s.jsonl", [row]))


@pytest.mark.parametrize("name", ["absent.csv", "empty.csv", "absent.parquet", "scores.xlsx"])
def test_a_file_that_cannot_be_read(tmp_path, name):
    if name == "empty.csv":
        (tmp_path / name).touch()
    with pytest.raises(InvalidInput, match=name):
        read_scores(tmp_path / name, Scale(), lambda place, fault: None)
