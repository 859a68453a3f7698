"""System One to a request of ours and back."""

import json

import pytest
from pydantic import ValidationError

from contract.errors import BodyTooLarge, InternalError, InvalidRequest, StoreDown
from serving.asked import prompt_of
from serving.parsing import parse
from serving.schemas import Answer, Expected, ModelInfo, Probabilities
from serving.systemone.protocol import answer_of, error_of, models_of, request_id_of, request_of, status_of
from serving.systemone.schemas import SystemOneRequest

PROFILES = {"latency_critical": {}, "balanced": {}}
TIER = {"type": "choice", "instructions": "Pick", "criteria": {"use": "", "maybe": None, "avoid": ""}}


def asked(**keys):
    return SystemOneRequest.model_validate(
        {"model": "reasoning-gate", "state": "\nClassify this message:\nhi", "questions": {"tier": TIER}, **keys}
    )


@pytest.mark.parametrize(
    ("model", "profile", "target"),
    [
        ("reasoning-gate", None, None),
        ("", None, None),
        ("thinkworth", None, None),
        ("latency_critical", "latency_critical", None),
        ("thinkworth/latency_critical", "latency_critical", None),
        ("thinkworth/balanced/openai/gpt-5.1", "balanced", "openai/gpt-5.1"),
        ("thinkworth/balanced/", "balanced", None),
    ],
)
def test_model_may_name_a_profile_and_a_target_model(model, profile, target):
    request = request_of(asked(model=model), PROFILES, "req-1")
    assert (request.profile, request.model, request.request_id) == (profile, target, "req-1")
    assert request.messages == [{"role": "user", "content": "hi"}]


def test_a_profile_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidRequest, match="not one of latency_critical, balanced") as refused:
        request_of(asked(model="thinkworth/latncy"), PROFILES)
    assert refused.value.field == "model"


def test_what_is_no_text_is_counted():
    request = request_of(asked(images=["data:image/png;base64,AA=="], audio=None, assets={"a": {}, "b": {}}), PROFILES)
    assert request.messages[-1]["content"] == [
        {"type": "text", "text": "hi"}, {"type": "images"}, {"type": "assets"}, {"type": "assets"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "keys",
    [
        {"questions": {}},
        {"questions": {"": TIER}},
        {"questions": {f"q{i}": TIER for i in range(129)}},
        {"state": None},
        {"state": 3},
        {"model": 3},
        {"questions": {"tier": {"criteria": {"use": None}}}},
    ],
)
def test_the_protocols_limits(keys):
    with pytest.raises(ValidationError):
        asked(**keys)


def test_a_request_may_have_128_questions_and_keys_that_are_not_known():
    questions = {f"q{i}": {**TIER, "hint": 1} for i in range(128)}
    assert len(asked(questions=questions, temperature=0).questions) == 128


def test_every_question_is_answered_and_the_decision_stands_beside():
    answer = Answer(
        decision_id="d-1", request_id=None, verdict="use", thinking_budget=0, effort="none",
        probabilities=Probabilities(use=0.9, maybe=0.1, avoid=0.0), expected=Expected(gain=0.1, extra_tokens=1.0, net_benefit=0.1), task="t",
        familiarity=1.0, model_known=False, truncated=False, profile="balanced", reasons=[], arm="reasoning", p_reasoning=1.0, revision="r",
    )  # fmt: skip
    body = asked(questions={"tier": TIER, "thinking_helps": {"type": "noul"}})
    told = json.loads(answer_of(body, answer, 7).model_dump_json())
    assert told["model"] == "reasoning-gate"
    assert told["answers"] == {
        "tier": {"type": "choice", "choice": "use", "probabilities": {"use": 0.9, "maybe": 0.1, "avoid": 0.0}, "confidence": 0.9},
        "thinking_helps": {"type": "noul", "noul": 0.9},
    }  # fmt: skip
    assert told["usage"] == {"input_tokens": 7, "output_tokens": 0}
    assert told["thinkworth"]["decision_id"] == "d-1"


@pytest.mark.parametrize(
    ("error", "status", "field"),
    [
        (InvalidRequest("x", field="messages[0].role"), 422, "state"),
        (InvalidRequest("x", field="prompt"), 422, "state"),
        (InvalidRequest("x", field="questions.tier.criteria", limit=["a"]), 422, "questions.tier.criteria"),
        (InvalidRequest("x"), 422, None),
        (BodyTooLarge("x", limit=1), 413, None),
        (StoreDown("x"), 529, None),
        (InternalError("x"), 500, None),
    ],
)
def test_errors_have_the_protocols_shape_and_numbers(error, status, field):
    assert status_of(error) == status
    assert error_of(error) == {"error": {"message": "x", "field": field}}


@pytest.mark.parametrize(
    ("headers", "request_id"),
    [
        ({}, None),
        ({"x-request-id": "a", "x-litellm-call-id": "b"}, "a"),
        ({"x-request-id": "", "x-litellm-call-id": "b"}, "b"),
        ({"x-request-id": "a" * 201}, None),
    ],
)
def test_the_callers_id_is_in_a_header(headers, request_id):
    assert request_id_of(headers) == request_id


def test_the_models_are_the_profiles_the_default_first():
    info = ModelInfo(
        revision="r", created="2026-11-01T00:00:00+00:00", format_version=2, encoder={}, profiles=PROFILES, metrics={},
        training_data_digest=None, training={}, licences={}, models=[], tasks=[],
    )  # fmt: skip
    told = models_of(info).model_dump()
    assert told["object"] == "list"
    assert [model["id"] for model in told["data"]] == ["thinkworth/balanced", "thinkworth/latency_critical"]
    assert told["data"][0] == {
        "id": "thinkworth/balanced", "object": "model", "created": 1793491200, "owned_by": "thinkworth",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("images", "n"), [(5, 1), (True, 1), ("data:", 1), (0, 0), ([], 0), ({}, 0), (None, 0), ([1, None], 2)]
)
def test_images_that_are_no_list_are_counted_as_one_thing(images, n):
    content = request_of(asked(images=images), PROFILES).messages[-1]["content"]
    assert (len(content) - 1 if isinstance(content, list) else 0) == n


@pytest.mark.parametrize("state", [[], {"messages": []}])
def test_a_conversation_without_a_message_is_refused_not_judged_as_the_text_of_its_brackets(state):
    request = request_of(asked(state=state, images=[1]), PROFILES)
    with pytest.raises(InvalidRequest, match="messages is empty") as refused:
        prompt_of(request)
    assert error_of(refused.value)["error"]["field"] == "state"


def test_an_error_about_the_state_names_it_as_it_was_sent():
    assert error_of(InvalidRequest("no", field="state.str"))["error"]["field"] == "state"


def test_of_too_many_questions_none_is_looked_at():
    with pytest.raises(InvalidRequest, match="129 questions; limit 128") as refused:
        parse(SystemOneRequest, json.dumps({"state": "a", "questions": {str(i): 1 for i in range(129)}}).encode())
    assert refused.value.field == "questions"
