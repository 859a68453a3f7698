"""Tables of other measurements: what is taken as it is, and what is refused with a reason."""

import json

import pytest

from contract.errors import InvalidInput
from training.report.included import load_included

TABLE = {
    "title": "Learning curve", "columns": ["pairs", "q", "above"], "note": "script",
    "rows": [[100, {"value": 0.3, "interval": [0.2, 0.4]}, True], ["all", None, False]],
}  # fmt: skip


def written(tmp_path, value):
    path = tmp_path / "t.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_table_is_held_as_it_is_but_for_what_is_no_table(tmp_path):
    (made,) = load_included([written(tmp_path, {**TABLE, "commit": "abc", "machine": {"cores": 2}})])
    assert made == TABLE
    assert made["rows"][0][0] == 100
    assert made["rows"][0][2] is True
    assert load_included([]) == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "should be an object"),
        ({**TABLE, "title": ""}, "title: "),
        ({**TABLE, "columns": []}, "columns: "),
        ({k: v for k, v in TABLE.items() if k != "rows"}, "rows: Field required"),
        ({**TABLE, "rows": [[1, 2]]}, "row 1 has 2 cells, expected 3"),
        ({**TABLE, "rows": [[1, [2], 3]]}, "rows.0.1: "),
        ('{"title": "t", "columns": ["a"], "rows": [[NaN]]}', "rows.0.0"),
    ],
)
def test_what_is_no_table_is_refused_with_the_form_to_give(tmp_path, value, said):
    path = written(tmp_path, value)
    with pytest.raises(InvalidInput) as refused:
        load_included([path])
    assert said in str(refused.value)
    assert str(path) in str(refused.value)
    assert '"columns"' in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidInput, match=r"nowhere\.json: No such file"):
        load_included([tmp_path / "nowhere.json"])
