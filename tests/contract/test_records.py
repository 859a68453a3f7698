import pyarrow as pa
import pytest
from pydantic import ValidationError

from contract.records import COLUMNS, DUPLICATE_KEY, PAIR_KEY, Arm, Attempt, arrow_schema, column_kind

GOOD = {"prompt": "What is 1 + 1?", "model": "m", "arm": "direct"}


def test_what_is_absent_is_none_never_zero():
    attempt = Attempt.model_validate(GOOD)
    assert attempt.arm is Arm.DIRECT
    assert attempt.score is None
    assert attempt.output_tokens is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": 1.01},
        {"score": -0.01},
        {"score": float("nan")},
        {"output_tokens": -1},
        {"output_tokens": 1.5},
        {"arm": "thinking"},
        {"model": ""},
        {"messages": "[]"},
        {"prompt": None},
        {"output_tokens": 5, "thinking_tokens": 6},
        {"pair_kind": "twins"},
        {"scores": 1.0},
    ],
)
def test_refuses(wrong):
    with pytest.raises(ValidationError):
        Attempt.model_validate({**GOOD, **wrong})


def test_the_columnar_schema_has_every_column_in_order():
    schema = arrow_schema()
    assert tuple(schema.names) == COLUMNS
    assert schema.field("score").type == pa.float64()
    assert schema.field("output_tokens").type == pa.int64()
    assert schema.field("tokens_are").type == pa.string()
    assert not schema.field("arm").nullable


def test_keys_are_columns():
    assert set(PAIR_KEY) < set(DUPLICATE_KEY) <= set(COLUMNS)
    assert {column_kind(name) for name in PAIR_KEY} == {str}
