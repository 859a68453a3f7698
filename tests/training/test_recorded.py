"""What is recorded, as a log: which scores count, which tokens, and what reviewers say."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import uuid_utils

from contract.encoder import Encoder
from contract.features import WIDTH
from contract.locate import ROOT
from contract.profiles import load_profiles
from contract.prompt import Prompt
from contract.store import tables
from contract.store.inserting import insert
from contract.store.opening import migrate, open_store
from contract.store.outcomes import new_id, tell
from contract.store.reviews import add_review
from contract.store.writing import forget_files
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evidence import embed, outcome_rows, prompts_of, unit_rows
from training.kept_inputs import as_text, inputs_of
from training.labels import label
from training.logs import read_logs
from training.pseudo_outcomes import pseudo_outcomes
from training.recorded import read_before, read_recorded, write_recorded

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def encoder():
    return Encoder(ROOT / "models" / "encoder")


class Store:
    """A store, and what puts decisions into it."""

    def __init__(self, folder):
        self.engine = open_store(f"sqlite:///{folder / 'decisions.sqlite'}")
        migrate(self.engine)

    def decide(self, *, text="What is 1 + 1?", inputs=None, encoder=None, **other):
        decision_id = str(uuid_utils.uuid7())
        row = {
            "decision_id": decision_id, "time": NOW, "revision": "thinkworth/1", "profile": "balanced", "model": "m", "model_known": True,
            "task": "sums", "verdict": "use", "arm": "reasoning", "policy_arm": "reasoning", "p_reasoning": 0.75, "thinking_budget": 1024,
            "reasoning_budget": 1024, "effort": "low", "enforced": True, "truncated": False, "familiarity": 0.9, "p_use": 0.8,
            "p_maybe": 0.1, "p_avoid": 0.1, "expected_score_direct": 0.5, "expected_gain": 0.2, "expected_gain_lower": 0.1,
            "expected_gain_upper": 0.3, "expected_extra_tokens": 800.0, "expected_net_benefit": 0.16, "prompt_characters": 12,
            "prompt_digest": "ab" * 32, "reasons": [], "language": "en",
        } | other  # fmt: skip
        with self.engine.begin() as connection:
            insert(connection, tables.decisions, [row])
            if text is not None or inputs is not None:
                turns = None if text is None else json.dumps([["user", text]])
                kept = {
                    "decision_id": decision_id,
                    "time": NOW,
                    "turns": turns,
                    "tools": 0,
                    "inputs": inputs,
                    "encoder": encoder,
                }
                insert(connection, tables.prompts, [kept])
        return decision_id

    def tell(self, decision_id, arm="reasoning", **values):
        with self.engine.begin() as connection:
            tell(
                connection,
                [
                    {
                        "outcome_id": new_id(),
                        "decision_id": decision_id,
                        "arm": arm,
                        "source": "service",
                        "time": NOW,
                        **values,
                    }
                ],
            )

    def review(self, decision_id, mark, reviewer="ann"):
        with self.engine.begin() as connection:
            add_review(connection, decision_id=decision_id, mark=mark, comment="", reviewer=reviewer)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    yield store
    store.engine.dispose()


def read(store, encoder, **more):
    return read_recorded(store.engine, encoder.sha256, **more)


def test_a_drawn_arm_teaches_the_gain_with_its_probability(store, encoder):
    one = store.decide()
    store.tell(one, output_tokens=900, thinking_tokens=800)
    store.tell(one, score=1.0)
    told = read(store, encoder)
    (row,) = told.log.to_dict("records")
    assert (row["source"], row["arm"], row["score"], row["p_reasoning"], row["thinking_tokens"]) == (
        "recorded",
        "reasoning",
        1.0,
        0.75,
        800,
    )
    assert (row["decision_id"], row["thinking_budget"], json.loads(row["messages"])) == (one, 1024, [{"role": "user", "content": "What is 1 + 1?"}])  # fmt: skip
    assert told.counts["drawn and scored"] == 1
    assert told.drawn.decision_id.tolist() == [one]


@pytest.mark.parametrize(
    ("decided", "told"),
    [
        ({"p_reasoning": 1.0}, {}),  # not drawn
        ({}, {"arm": "direct"}),  # not as drawn
        ({}, {"overridden": True}),
        ({"enforced": False}, {}),
    ],
)
def test_an_arm_that_was_not_drawn_teaches_tokens_alone(store, encoder, decided, told):
    store.tell(store.decide(**decided), **{"score": 1.0, "output_tokens": 9} | told)
    found = read(store, encoder)
    (row,) = found.log.to_dict("records")
    assert (row["source"], row["output_tokens"]) == ("recorded, arm not drawn", 9)
    assert pd.isna(row["score"])
    assert pd.isna(row["p_reasoning"])
    assert (found.counts["tokens alone"], len(found.drawn)) == (1, 0)


def test_both_arms_scored_make_a_pair(store, encoder):
    one = store.decide(p_reasoning=1.0)
    store.tell(one, score=1.0, output_tokens=900)
    store.tell(one, arm="direct", score=0.0, output_tokens=30)
    told = read(store, encoder)
    assert told.log.source.unique().tolist() == ["recorded"]
    assert told.log.p_reasoning.isna().all()
    assert dict(zip(told.log.arm, told.log.score, strict=True)) == {"direct": 0.0, "reasoning": 1.0}
    assert (told.counts["both arms scored"], len(told.drawn)) == (1, 0)


def test_what_is_kept_without_text_or_embedding_is_counted_and_judges_alone(store, encoder):
    store.tell(store.decide(text=None), score=1.0)
    told = read(store, encoder)
    assert len(told.log) == 0
    assert told.counts["without text or embedding, in the gate and the audit alone"] == 1
    assert told.drawn.prompt.isna().all()
    assert told.drawn.messages.isna().all()


def test_an_embedding_alone_is_the_prompt_that_it_was(store, encoder, tmp_path):
    prompt = Prompt.from_text("Translate to French: where is the station?")
    cache = EmbeddingCache(tmp_path, encoder)
    embedding, vector = embed([prompt], cache)
    inputs = np.concatenate([embedding[0], vector[0]]).astype("<f4").tobytes()
    store.tell(store.decide(text=None, inputs=inputs, encoder=encoder.sha256[:40]), score=1.0)
    store.tell(store.decide(text=None, inputs=inputs, encoder="ab" * 20), score=1.0)
    told = read(store, encoder)
    assert told.counts["without text or embedding, in the gate and the audit alone"] == 1
    path = write_recorded(told, tmp_path)
    again, features = embed(prompts_of(read_logs([path]).table), cache)
    assert np.array_equal(again, embedding)
    assert np.array_equal(features, vector)


def inputs_like(encoder):
    """Numbers such as inputs are: two embeddings of length 1, and features."""
    values = np.ones(2 * encoder.dimension + WIDTH, "<f4")
    values[: 2 * encoder.dimension] /= np.sqrt(encoder.dimension)
    return values


@pytest.mark.parametrize("damage", [lambda t: t[:-8], lambda t: t + "!", lambda t: t.replace("inputs ", "inputs x")])
def test_a_text_that_only_looks_like_inputs_is_a_text(encoder, damage):
    text = as_text(inputs_like(encoder).tobytes(), encoder.sha256)
    assert inputs_of(Prompt.from_text(text), encoder.dimension, encoder.sha256) is not None
    assert inputs_of(Prompt.from_text(damage(text)), encoder.dimension, encoder.sha256) is None


@pytest.mark.parametrize("verdict", ["use", "maybe", "avoid"])
@pytest.mark.parametrize(
    ("arm", "mark", "gain"),
    [("reasoning", "right", 1.0), ("reasoning", "wrong", 0.0), ("direct", "right", 0.0), ("direct", "wrong", 1.0)],
)
def test_a_mark_is_of_the_arm_that_was_answered(store, encoder, verdict, arm, mark, gain):
    store.review(store.decide(verdict=verdict, arm=arm), mark)
    told = read(store, encoder)
    scores = dict(zip(told.log.arm, told.log.score, strict=True))
    assert scores["reasoning"] - scores["direct"] == gain
    assert told.log.source.unique().tolist() == ["reviews"]
    assert told.counts["reviewed"] == 1


def test_marks_without_a_side_say_nothing(store, encoder):
    store.review(store.decide(), "unsure")
    split = store.decide()
    store.review(split, "right")
    store.review(split, "wrong", reviewer="bob")
    assert len(read(store, encoder).log) == 0


def test_a_review_weighs_what_is_declared_beside_a_recorded_pair(store, encoder, tmp_path):
    for n in range(4):
        pair = store.decide(text=f"What is {n} + 1?", p_reasoning=1.0)
        store.tell(pair, score=1.0, output_tokens=900, thinking_tokens=800)
        store.tell(pair, arm="direct", score=0.0, output_tokens=30)
    store.review(store.decide(text="What is 10 + 1?"), "right")
    path = write_recorded(read(store, encoder), tmp_path)
    config = TrainConfig(review_weight=0.25)
    profiles = load_profiles(ROOT / "data" / "profiles.yaml")
    units = unit_rows(label(read_logs([path]).table, profiles), EmbeddingCache(tmp_path, encoder))
    rows = outcome_rows(units, pseudo_outcomes(units, np.ones(len(units.table), bool), config).table, config).table
    weight = rows.groupby("source").weight.mean()
    assert weight["reviews"] / weight["recorded"] == pytest.approx(0.25)


def test_what_was_read_before_is_not_read_again(store, encoder, tmp_path):
    first = store.decide()
    store.tell(first, score=1.0)
    path = write_recorded(read(store, encoder), tmp_path)
    store.review(first, "wrong")
    store.tell(store.decide(), score=0.0)
    told = read(store, encoder, before=read_before([path, ROOT / "data" / "sample" / "attempts.jsonl"]))
    assert sorted(told.log.source) == ["recorded", "reviews", "reviews"]
    assert told.counts["read by an earlier training"] == 1
    again = write_recorded(told, tmp_path)
    assert len(read(store, encoder, before=read_before([path, again])).log) == 0


def test_a_file_of_the_same_rows_has_the_same_name_and_bytes(store, encoder, tmp_path):
    store.tell(store.decide(), score=1.0)
    paths = [write_recorded(read(store, encoder), tmp_path / name) for name in ("a", "b")]
    assert paths[0].name == paths[1].name
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_purge_removes_the_files_of_what_it_forgets(store, encoder, tmp_path):
    store.tell(store.decide(), score=1.0)
    path = write_recorded(read(store, encoder), tmp_path)
    assert forget_files(tmp_path, NOW - timedelta(days=1)) == []
    assert forget_files(tmp_path, NOW) == [path.name]  # of that day in part, maybe
    assert not path.exists()


def test_a_fallback_after_a_failed_direct_answer_makes_no_pair(store, encoder):
    one = store.decide(arm="direct", policy_arm="direct", p_reasoning=0.25)
    store.tell(one, arm="direct", score=0.0, output_tokens=30)
    store.tell(one, arm="reasoning", score=1.0, output_tokens=900, thinking_tokens=800, overridden=True)
    told = read(store, encoder)
    rows = {row["arm"]: row for row in told.log.to_dict("records")}
    assert (rows["direct"]["source"], rows["direct"]["score"], rows["direct"]["p_reasoning"]) == ("recorded", 0.0, 0.25)
    assert rows["reasoning"]["source"] == "recorded, arm not drawn"
    assert pd.isna(rows["reasoning"]["score"])
    assert told.drawn[["arm", "score"]].values.tolist() == [["direct", 0.0]]


def test_a_decision_counts_once_in_the_gate_however_often_it_was_tried(store, encoder):
    one = store.decide()
    for attempt, score in enumerate((0.0, 1.0)):
        store.tell(one, attempt=attempt, score=score, output_tokens=100)
    assert read(store, encoder).drawn[["score", "output_tokens"]].values.tolist() == [[0.5, 100.0]]


def test_texts_that_look_like_inputs_are_read_as_texts(store, encoder, tmp_path):
    text = as_text(inputs_like(encoder).tobytes(), encoder.sha256)
    store.tell(store.decide(text=text), score=1.0)
    path = write_recorded(read(store, encoder), tmp_path)
    (prompt,) = prompts_of(read_logs([path]).table)
    assert inputs_of(prompt, encoder.dimension, encoder.sha256) is None


def test_reading_the_record_keeps_nobody_from_writing(store, encoder, monkeypatch):
    from training import recorded

    def writes(*arguments):
        store.decide()
        return found(*arguments)

    found = recorded._decisions
    monkeypatch.setattr(recorded, "_decisions", writes)
    store.tell(store.decide(), score=1.0)
    assert read(store, encoder).counts["drawn and scored"] == 1
