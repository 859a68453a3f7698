"""What is kept of a decision: every column, and of the prompt only what was turned on."""

import inspect
import json
import pickle
import sys
import types
from datetime import UTC, datetime

import numpy as np
import pytest

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.scorer import Scorer
from contract.settings import Settings
from contract.store import tables
from serving.record import Keeper, bundle_record, digest_key, outcome_record, redaction_hook
from serving.router import Router
from serving.schemas import Outcome, PredictRequest

SECRET = "heliotrope-77-marmalade"
REQUEST = PredictRequest(
    messages=[{"role": "user", "content": f"Please tell me what the word {SECRET} means in this letter."}], model="some\x00model", request_id="r\x001", conversation_id="c",
    max_thinking_tokens=4000, max_latency_ms=20_000, max_output_tokens=9000, cached_tokens=3, profile="quality_critical",
)  # fmt: skip


@pytest.fixture(scope="module")
def router():
    return Router(Scorer.load(ROOT / "models" / "default"))


@pytest.fixture(scope="module")
def decided(router):
    return router.decide(REQUEST)


@pytest.fixture
def keeper(tmp_path):
    return lambda **settings: Keeper(Settings(store_folder=tmp_path, **settings))


@pytest.fixture
def hook(monkeypatch):
    """What makes a module of the operator's with a hook in it."""

    def make(function):
        module = types.ModuleType("operators_own")
        module.scrub = function
        monkeypatch.setitem(sys.modules, "operators_own", module)
        return "operators_own:scrub"

    return make


def test_a_decision_has_every_column_and_no_word_of_the_prompt(keeper, decided):
    (record,) = keeper().records(REQUEST, decided)
    unset = {"shadow"}  # filled by what is to come
    assert set(record.row) | unset == set(tables.decisions.columns.keys())
    assert SECRET not in json.dumps(record.row, default=str)


def test_a_decision_is_recorded_as_it_was_answered(keeper, decided):
    row = keeper().records(REQUEST, decided)[0].row
    answer = decided.answer
    for name in (
        "decision_id",
        "verdict",
        "arm",
        "p_reasoning",
        "thinking_budget",
        "effort",
        "task",
        "familiarity",
        "revision",
        "truncated",
    ):
        assert row[name] == getattr(answer, name), name
    assert (row["p_use"], row["p_maybe"], row["p_avoid"]) == tuple(answer.probabilities.model_dump().values())
    for name, value in answer.expected.model_dump().items():
        assert row[f"expected_{name}"] == value, name
    assert row["expected_gain_lower"] <= row["expected_gain"] <= row["expected_gain_upper"]
    assert (row["request_id"], row["model"], row["conversation_id"]) == ("r1", "somemodel", "c")
    caps = {
        name: getattr(REQUEST, name)
        for name in ("max_thinking_tokens", "max_latency_ms", "max_output_tokens", "cached_tokens")
    }
    assert {name: row[name] for name in caps} == caps
    assert (row["language"], row["profile"], row["reasons"]) == ("en", "quality_critical", answer.reasons)


def test_a_digest_is_of_the_prompt_under_the_operators_key(keeper, router, decided, tmp_path):
    one = keeper()
    same = router.decide(PredictRequest(prompt=f"Please tell me what the word {SECRET} means in this letter."))
    other = router.decide(PredictRequest(prompt="What is 1 + 1?"))
    digest = one.records(REQUEST, decided)[0].row["prompt_digest"]
    assert one.records(REQUEST, same)[0].row["prompt_digest"] == digest
    assert one.records(REQUEST, other)[0].row["prompt_digest"] != digest
    assert digest != decided.prompt.digest
    again = Keeper(Settings(store_folder=tmp_path))
    assert again.records(REQUEST, decided)[0].row["prompt_digest"] == digest
    elsewhere = Keeper(Settings(store_folder=tmp_path / "other"))
    assert elsewhere.records(REQUEST, decided)[0].row["prompt_digest"] != digest


def test_embeddings_alone_hold_no_text(keeper, decided):
    prompt = keeper(store_prompts="embeddings").records(REQUEST, decided)[1]
    assert "turns" not in prompt.row
    inputs = np.frombuffer(prompt.row["inputs"], "<f4")
    assert np.array_equal(inputs, np.concatenate([decided.scored.inputs[0].ravel(), decided.scored.inputs[1].ravel()]))
    assert decided.encoder.startswith(prompt.row["encoder"])


def test_texts_are_kept_where_they_are_turned_on(keeper, decided):
    prompt = keeper(store_prompts="text").records(REQUEST, decided)[1]
    assert json.loads(prompt.row["turns"]) == [["user", f"Please tell me what the word {SECRET} means in this letter."]]


def test_a_redaction_hook_sees_all_that_is_kept_of_a_text(keeper, decided, hook):
    name = hook(lambda text: text.replace(SECRET, "[name]"))
    prompt = keeper(store_prompts="text", redact=name).records(REQUEST, decided)[1]
    assert json.loads(prompt.row["turns"]) == [["user", "Please tell me what the word [name] means in this letter."]]
    assert "inputs" not in prompt.row  # an embedding of the whole text can be inverted


def test_what_a_hook_cannot_clean_is_not_kept(keeper, decided, hook, caplog):
    def fails(text):
        raise RuntimeError(text)

    records = keeper(store_prompts="text", redact=hook(fails)).records(REQUEST, decided)
    assert [record.table for record in records] == ["decisions"]
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("name", ["no_such_module:scrub", "json:no_such_function"])
def test_a_hook_that_is_not_there_is_said(name):
    with pytest.raises(InvalidInput, match="cannot be imported"):
        redaction_hook(name)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path):
    path = tmp_path / "below" / "digest.key"
    key = digest_key(path)
    assert (digest_key(path), len(key)) == (key, 64)
    assert path.stat().st_mode & 0o077 == 0
    assert list(path.parent.iterdir()) == [path]


def test_a_key_that_is_no_secret_is_refused(tmp_path):
    (tmp_path / "key").write_text("short\n")
    with pytest.raises(InvalidInput, match="has 5 bytes; at least 16"):
        digest_key(tmp_path / "key")
    with pytest.raises(InvalidInput, match="Is a directory"):
        digest_key(tmp_path)


def test_a_bundle_is_recorded_with_what_prices_its_decisions(router):
    row = bundle_record(router.manifest).row
    assert set(row) == set(tables.bundles.columns.keys())
    assert row["profiles"]["balanced"]["tokens_per_point"] == 20_000


def test_an_outcome_is_recorded_as_it_was_told():
    row = outcome_record(Outcome(request_id="r", arm="direct", score=0.0)).row
    assert (row["request_id"], row["score"], row["output_tokens"], row["source"]) == ("r", 0.0, None, "service")
    assert set(row) <= set(tables.outcomes.columns.keys())


def test_the_language_of_a_prompt_is_looked_for_once(keeper, decided, monkeypatch):
    looked_for = []
    monkeypatch.setattr("serving.record.language_of", looked_for.append)
    kept = keeper()
    looked_for.clear()
    kept.records(REQUEST, decided)
    kept.records(REQUEST, decided)
    assert looked_for == [decided.prompt.ask]


def test_records_are_made_when_they_are_looked_at_with_the_time_of_the_decision(keeper, decided, monkeypatch):
    kept, made = keeper(store_prompts="text"), []
    make = kept.records
    monkeypatch.setattr(kept, "records", lambda *args: made.append(args) or make(*args))
    before = datetime.now(UTC)
    later = kept.later([(REQUEST, decided), (REQUEST, decided)])
    after = datetime.now(UTC)
    assert len(later) == 4
    assert later.size_bytes > 2 * len(decided.prompt.whole)
    assert made == []
    assert [record.table for record in later] == ["decisions", "prompts"] * 2
    assert before <= later[0].row["time"] <= after
    assert len(list(later)) == 4
    assert len(made) == 2


def test_of_a_request_that_waits_to_be_recorded_images_and_tools_are_not_held(keeper, router):
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 2**20}}
    content = [{"type": "text", "text": "What is in it? 🙂"}, image]
    request = PredictRequest(
        messages=[{"role": "user", "content": content}], tools=[{"x": 1}], request_id="r", cached_tokens=7
    )
    later = keeper().later([(request, router.decide(request))])
    assert 0 < later.size_bytes < 2**16
    assert len(pickle.dumps(inspect.getclosurevars(later._make).nonlocals["kept"][0][0])) < 2**12
    (record,) = later
    assert (record.row["request_id"], record.row["cached_tokens"], record.row["prompt_characters"]) == ("r", 7, 16)


@pytest.mark.parametrize(("settings", "redacts"), [({}, False), ({"store_prompts": "text"}, True)])
def test_texts_that_are_kept_go_through_the_operators_code(keeper, hook, settings, redacts):
    assert keeper(redact=hook(str.upper), **settings).redacts is redacts
    assert not keeper(store_prompts="text").redacts
