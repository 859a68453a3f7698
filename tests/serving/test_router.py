"""Parsing and answering, without HTTP."""

import copy
import itertools
import json
import re
import subprocess
import sys
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.ablation import ABSENT, GROUPS
from contract.controls import Control, Controls
from contract.errors import InvalidRequest
from contract.explain import EFFECTS, LEAST_EFFECT
from contract.features import FEATURE_NAMES
from contract.locate import ROOT
from contract.model_families import ModelFamilies, ModelFamily
from contract.policy import calibrated_gain
from contract.prompt import Prompt
from contract.records import Arm
from contract.scorer import Scorer
from contract.settings import Exploration
from serving.conversations import Conversations
from serving.parsing import MAX_DEPTH, parse
from serving.router import Router
from serving.schemas import PredictRequest

PUZZLE = "Alice is older than Bob, Carol is younger than Bob but older than Dan. Who sits between Bob and Dan by age?"
SUM = "What is 1 + 9900?"
FAMILIES = {
    "known": {"output_usd_per_mtok": 10, "output_tokens_per_second": 100},
    "unknown": {},
    "never": {"output_usd_per_mtok": 10},
}
CONTROLS = {
    "known": {"thinking": "optional", "by": "anthropic_budget", "least_tokens": 1024},
    "always": {"thinking": "always", "by": "effort", "efforts": ["low", "high"]},
    "never": {"thinking": "never"},
    "bound": {
        "thinking": "optional",
        "by": "anthropic_budget",
        "least_tokens": 1024,
        "earlier_thinking": "last_call",
        "stops_mid_turn": False,
        "thinks_with_prefill": False,
    },
    "toolless": {
        "thinking": "optional",
        "by": "effort",
        "efforts": ["low", "high"],
        "at": {"openai": {"thinks_with_tools": False}},
    },
    "minimal": {
        "thinking": "always",
        "by": "effort",
        "efforts": ["minimal", "low"],
        "at": {"openai_responses": {"least_with_hosted_tools": "low"}},
    },
}


@pytest.fixture(scope="module")
def router():
    families = {
        name: ModelFamily(matches=(f"{name}*",), as_of="2026-11-01", source="a test", **row)
        for name, row in FAMILIES.items()
    }
    controls = {
        name: Control(matches=(f"{name}*",), as_of="2026-11-01", source="a test", **row)
        for name, row in CONTROLS.items()
    }
    scorer = Scorer.load(ROOT / "models" / "default")
    return Router(scorer, ModelFamilies(families), controls=Controls(controls))


@pytest.mark.parametrize(
    ("body", "kind", "field"),
    [
        (b"", "invalid_json", None),
        (b"{", "invalid_json", None),
        (b"[1]", "invalid_json", None),
        (b"\xff\xfe", "invalid_json", None),
        (b'{"prompt": "x", "max_thinking_tokens": NaN}', "invalid_json", None),
        (b'{"prompt": "x", "max_thinking_tokens": -1}', "out_of_range", "max_thinking_tokens"),
        (b'{"prompt": "x", "max_thinking_tokens": 1e400}', "wrong_type", "max_thinking_tokens"),
        (b'{"prompt": "x", "max_thinking_tokens": true}', "wrong_type", "max_thinking_tokens"),
        (b'{"prompt": "x", "cached_tokens": 1000000000000000000}', "out_of_range", "cached_tokens"),
        (b'{"prompt": "x", "cached_tokens": 100000001}', "out_of_range", "cached_tokens"),
        (b'{"prompt": "x", "cached_tokens": -1}', "out_of_range", "cached_tokens"),
        (b'{"prompt": "x", "cached_tokens": 1e18}', "wrong_type", "cached_tokens"),
        (b'{"prompt": "x", "explain": "yes"}', "wrong_type", "explain"),
        (b'{"prompt": 5}', "wrong_type", "prompt"),
        (b'{"prompt": "x", "secret": 1}', "unknown_key", "secret"),
        (b'{"prompt": "x", "provider": "nobody"}', "unknown_provider", "provider"),
        (b'{"prompt": "x", "tools": ' + b"[" * 100 + b"]" * 100 + b"}", "too_deep", None),
    ],
)
def test_a_bad_body_is_refused(body, kind, field):
    with pytest.raises(InvalidRequest) as caught:
        parse(PredictRequest, body)
    assert (caught.value.type, caught.value.field) == (kind, field)


def test_the_limit_of_cached_tokens_is_said():
    with pytest.raises(InvalidRequest) as caught:
        parse(PredictRequest, b'{"prompt": "x", "cached_tokens": 1000000000000000000}')
    assert (caught.value.status, caught.value.limit) == (400, 100_000_000)
    assert "less than or equal to 100000000" in caught.value.message


def test_depth_counts_brackets_outside_strings_only():
    text = "[" * (MAX_DEPTH * 2) + '\\"' + "{" * MAX_DEPTH
    assert parse(PredictRequest, json.dumps({"prompt": text}).encode()).prompt == text


@given(st.lists(st.sampled_from("[]{}") | st.text('[]{}"\\a', max_size=6).map(json.dumps), max_size=20))
def test_depth_is_that_of_the_brackets_outside_of_strings(tokens):
    """Counted by numpy as bracket by bracket, however quotes and backslashes follow each other within strings."""
    tokens = ["["] * MAX_DEPTH + tokens
    deepest = max(itertools.accumulate({"[": 1, "{": 1, "]": -1, "}": -1}.get(token, 0) for token in tokens))
    with pytest.raises(InvalidRequest) as caught:
        parse(PredictRequest, "".join(tokens).encode())
    assert (caught.value.type == "too_deep") is (deepest > MAX_DEPTH)


@given(st.text(min_size=1).filter(str.strip))
def test_what_is_sent_is_what_is_read(text):
    wanted = text.encode("utf-8", "replace").decode()
    assert parse(PredictRequest, json.dumps({"prompt": text}).encode()).prompt == wanted


@given(st.dictionaries(st.text(max_size=20), st.none() | st.booleans() | st.floats() | st.text(max_size=20)))
def test_no_error_repeats_a_value(body):
    marker = "zebra-4711"
    raw = json.dumps({**body, "prompt": [marker]}).encode()
    with pytest.raises(InvalidRequest) as caught:
        parse(PredictRequest, raw)
    assert marker not in json.dumps(caught.value.body())


def test_an_answer_has_every_field(router):
    answer = router.answer(PredictRequest(prompt=SUM, request_id="r1", model="nobody-4", profile="latency_critical"))
    assert answer.request_id == "r1"
    assert answer.verdict == "avoid"
    assert (answer.thinking_budget, answer.effort, answer.arm, answer.p_reasoning) == (0, "none", "direct", 0.0)
    assert answer.expected.net_benefit < 0
    assert answer.model_known is False
    assert answer.neighbours is None
    assert answer.revision == router.manifest.revision
    assert sum(answer.probabilities.model_dump().values()) == pytest.approx(1, abs=1e-5)


def test_a_cap_lowers_what_is_expected(router):
    free = router.answer(PredictRequest(prompt=PUZZLE))
    capped = router.answer(PredictRequest(prompt=PUZZLE, max_thinking_tokens=64))
    assert capped.thinking_budget <= 64
    assert capped.expected.gain <= free.expected.gain
    assert capped.expected.extra_tokens < free.expected.extra_tokens
    assert any("max_thinking_tokens" in reason for reason in capped.reasons)


def test_cost_and_latency_are_those_of_the_extra_tokens_where_the_model_is_known(router):
    expected = router.answer(PredictRequest(prompt=PUZZLE, model="vendor/Known-7-20260101")).expected
    assert expected.cost_usd == pytest.approx(expected.extra_tokens * 10 / 1e6)
    assert expected.latency_s == pytest.approx(expected.extra_tokens / 100)
    for model in ("unknown", "nobody-4", None):
        expected = router.answer(PredictRequest(prompt=PUZZLE, model=model)).expected
        assert (expected.cost_usd, expected.latency_s) == (None, None)


def test_a_latency_caps_the_budget_and_what_is_expected(router):
    free = router.answer(PredictRequest(prompt=PUZZLE, model="known", profile="quality_critical"))
    capped = router.answer(
        PredictRequest(prompt=PUZZLE, model="known", profile="quality_critical", max_latency_ms=2000)
    )
    assert free.thinking_budget > capped.thinking_budget
    assert capped.thinking_budget <= 2 * 100 * 0.75
    assert capped.expected.extra_tokens < free.expected.extra_tokens
    assert any("max_latency_ms caps thinking at 150 tokens" in reason for reason in capped.reasons)


@pytest.mark.parametrize("model", ["unknown", "nobody-4", None])
def test_a_latency_that_cannot_be_applied_is_said_not_to_be(router, model):
    answer = router.answer(PredictRequest(prompt=PUZZLE, model=model, max_latency_ms=1))
    free = router.answer(PredictRequest(prompt=PUZZLE, model=model))
    said = "max_latency_ms is not applied: no tokens/s known for this model"
    assert answer.thinking_budget == free.thinking_budget
    assert said in answer.reasons
    assert [reason for reason in answer.reasons if reason != said] == free.reasons


def test_a_model_that_always_thinks_is_not_said_to_obey_avoid(router):
    answer = router.answer(PredictRequest(prompt=SUM, model="always", profile="latency_critical"))
    assert (answer.verdict, answer.arm, answer.thinking_budget, answer.enforced) == ("avoid", "direct", 0, False)
    assert any("always on" in reason for reason in answer.reasons)
    assert router.answer(PredictRequest(prompt=SUM, model="known")).enforced


def test_a_model_that_never_thinks_is_asked_directly(router):
    usual = router.answer(PredictRequest(prompt=PUZZLE))
    answer = router.answer(PredictRequest(prompt=PUZZLE, model="never"))
    assert (usual.arm, usual.enforced) == ("reasoning", True)
    assert answer.verdict == usual.verdict
    assert (answer.arm, answer.thinking_budget, answer.effort, answer.p_reasoning) == ("direct", 0, "none", 0.0)
    assert answer.enforced is False
    assert router.answer(PredictRequest(prompt=SUM, model="never")).enforced


def test_params_are_those_of_the_provider_and_the_arm(router):
    told = router.answer(PredictRequest(prompt=PUZZLE, model="known", provider="anthropic", max_output_tokens=8000))
    assert (told.arm, told.enforced) == ("reasoning", True)
    assert told.params == {"thinking": {"type": "enabled", "budget_tokens": max(told.thinking_budget, 1024)}}
    avoided = router.answer(PredictRequest(prompt=SUM, model="known", provider="anthropic", profile="latency_critical"))
    assert (avoided.arm, avoided.enforced, avoided.params) == ("direct", True, {"thinking": {"type": "disabled"}})
    least = router.answer(PredictRequest(prompt=SUM, model="always", provider="openai", profile="latency_critical"))
    assert (least.enforced, least.params) == (False, {"reasoning_effort": "low"})
    assert least.reasons[-1] == "the least that this model accepts is asked for: effort low"
    nothing = router.answer(PredictRequest(prompt=PUZZLE, model="never", provider="openai"))
    assert (nothing.arm, nothing.enforced, nothing.params) == ("direct", False, {})


def test_params_are_null_where_nothing_can_be_said(router):
    assert router.answer(PredictRequest(prompt=SUM, model="known")).params is None
    for model, why in ((None, "send model"), ("nobody-4", "what this model accepts is not known")):
        answer = router.answer(PredictRequest(prompt=SUM, model=model, provider="openai"))
        assert (answer.params, answer.enforced) == (None, False)
        assert why in answer.reasons[-1]


def test_a_floor_is_never_raised_above_the_caps(router):
    asked = {"prompt": PUZZLE, "model": "known", "max_thinking_tokens": 500}
    assert router.answer(PredictRequest(**asked)).arm == "reasoning", (
        "where no floor is known of, 500 tokens are granted"
    )
    answer = router.answer(PredictRequest(**asked, provider="anthropic"))
    assert (answer.params, answer.enforced) == ({"thinking": {"type": "disabled"}}, False)
    assert sum("the caps leave 500 thinking tokens" in reason for reason in answer.reasons) == 1


def test_the_arm_that_is_answered_is_the_one_that_the_parameters_carry_out(router):
    """Else a gateway would tell, and a training read, an outcome of thinking that never took place."""
    asked = {
        "prompt": PUZZLE,
        "model": "known",
        "provider": "anthropic",
        "max_thinking_tokens": 500,
        "conversation_id": "c",
    }
    decided = router.decide(PredictRequest(**asked))
    answer = decided.answer
    assert (answer.arm, answer.thinking_budget, answer.effort, answer.p_reasoning) == ("direct", 0, "none", 0.0)
    assert decided.policy.arm is Arm.DIRECT
    assert router.judge(PredictRequest(**asked), decided.prompt, decided.scored, None).arm is Arm.DIRECT


def test_the_messages_and_the_tools_of_a_request_reach_its_dialect(router):
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    messages = [{"role": "user", "content": PUZZLE}, call, {"role": "tool", "tool_call_id": "1", "content": "42"}]
    asked = {
        "messages": messages,
        "model": "bound",
        "provider": "anthropic",
        "tools": [{"type": "function"}],
        "max_output_tokens": 9000,
    }
    assert router.answer(PredictRequest(**asked | {"model": "known"})).arm == "reasoning"
    answer = router.answer(PredictRequest(**asked))
    assert (answer.arm, answer.enforced, answer.params) == ("direct", False, {"thinking": {"type": "disabled"}})
    assert any("tools were called without thinking" in reason for reason in answer.reasons)
    chat = asked | {"model": "toolless", "provider": "openai", "messages": messages[:1]}
    assert router.answer(PredictRequest(**chat)).params == {"reasoning_effort": "none"}
    assert router.answer(PredictRequest(**chat | {"tools": None})).params != {"reasoning_effort": "none"}


def test_a_turn_that_began_with_thinking_is_answered_as_it_goes_on(router):
    call = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function"}]}
    given = {"role": "tool", "tool_call_id": "1", "content": "9901"}
    thought = {**call, "thinking_blocks": [{"type": "thinking"}]}
    asked = {"model": "bound", "provider": "anthropic", "max_output_tokens": 9000, "conversation_id": "loop"}
    plain = [{"role": "user", "content": SUM}, call, given]
    begun = [{"role": "user", "content": SUM}, thought, given]
    explorer = Router(
        router.scorer, router.families, controls=router.controls, exploration=Exploration(rate=1), random=lambda: 0.9,
        conversations=Conversations(10, 60.0),
    )  # fmt: skip
    decided = explorer.decide(PredictRequest(messages=begun, **asked))
    answer = decided.answer
    assert (answer.verdict, answer.arm, answer.enforced, answer.p_reasoning) == ("avoid", "reasoning", False, 1.0)
    assert (answer.thinking_budget, answer.params) == (1024, {"thinking": {"type": "enabled", "budget_tokens": 1024}})
    assert [reason for reason in answer.reasons if "this turn began with thinking" in reason]
    assert len(answer.reasons) == len(set(answer.reasons))
    assert (decided.not_explored, decided.policy.arm) == ("not_enforced", Arm.REASONING)
    assert explorer.conversations.last_arm("loop", "bound") is Arm.REASONING
    unthought = router.decide(PredictRequest(messages=plain, **asked))
    assert (unthought.answer.arm, unthought.answer.enforced) == ("direct", True)
    assert unthought.prompt.digest == decided.prompt.digest
    assert unthought.prompt.ask == decided.prompt.ask


def test_a_text_to_go_on_with_is_answered_directly(router):
    asked = {"model": "bound", "provider": "anthropic", "max_output_tokens": 9000}
    messages = [{"role": "user", "content": PUZZLE}, {"role": "assistant", "content": "The answer:"}]
    answer = router.answer(PredictRequest(messages=messages, **asked))
    assert (answer.arm, answer.enforced, answer.params) == ("direct", False, {"thinking": {"type": "disabled"}})
    assert any("the last message is an assistant's" in reason for reason in answer.reasons)


@pytest.mark.parametrize(("tool", "word"), [("web_search", "low"), ("function", "minimal")])
def test_tools_are_told_apart_by_their_type(router, tool, word):
    asked = {"prompt": SUM, "model": "minimal-1", "provider": "openai_responses", "tools": [{"type": tool}]}
    answer = router.answer(PredictRequest(**asked))
    assert (answer.arm, answer.params, answer.enforced) == ("direct", {"reasoning": {"effort": word}}, False)


def test_an_arm_is_drawn_only_where_both_can_be_had(router):
    explorer = Router(
        router.scorer,
        router.families,
        controls=router.controls,
        exploration=Exploration(rate=1),
        random=Random(3).random,
    )

    def left_out(**asked):
        return explorer.decide(PredictRequest(prompt=PUZZLE, **asked)).not_explored

    assert left_out(model="known", provider="anthropic") is None
    assert left_out(model="always") == left_out(model="always", provider="openai") == "not_enforced"
    assert left_out(model="nobody-4") is None
    assert left_out(model="nobody-4", provider="anthropic") == "not_enforced"
    assert left_out(model="known", provider="openai") == "not_enforced"
    drawn = [explorer.answer(PredictRequest(prompt=PUZZLE, model="known", provider="anthropic")) for _ in range(12)]
    kinds = {(answer.arm, answer.params["thinking"]["type"]) for answer in drawn}
    assert kinds == {("direct", "disabled"), ("reasoning", "enabled")}


UNKNOWN_MODEL = "no log is of this model: what is known of all models stands for it"


def test_a_logged_model_is_known_and_answered_with_its_own_statistics(router):
    usual = router.manifest.population
    name = max(router.manifest.models, key=lambda name: abs(router.manifest.models[name].log_tokens - usual.log_tokens))
    answer, other = (
        router.answer(PredictRequest(prompt=PUZZLE, model=model)) for model in (f"vendor/{name.upper()}", None)
    )
    assert answer.model_known
    assert UNKNOWN_MODEL not in answer.reasons
    longer = router.manifest.models[name].log_tokens > usual.log_tokens
    assert (answer.expected.extra_tokens > other.expected.extra_tokens) == longer


def test_an_unknown_model_gets_the_answer_of_the_population_and_is_told_so(router):
    named, none = (router.answer(PredictRequest(prompt=PUZZLE, model=model)) for model in ("nobody-4", None))
    assert (named.model_known, none.model_known) == (False, False)
    assert (named.expected, named.probabilities, named.verdict) == (none.expected, none.probabilities, none.verdict)
    assert UNKNOWN_MODEL in named.reasons
    assert UNKNOWN_MODEL not in none.reasons, "no model was named: nothing to say of it"


def test_the_models_are_listed(router):
    assert router.info().models == [*router.manifest.models]


def test_explain_gives_neighbourhoods_of_twenty_logged_prompts_the_nearest_first(router):
    assert router.answer(PredictRequest(prompt=PUZZLE)).neighbours is None
    found = router.answer(PredictRequest(prompt=PUZZLE, explain=True)).neighbours
    assert 0 < len(found) <= 3
    assert {frozenset(one) for one in found} == {frozenset(("task", "n", "gain", "extra_tokens", "cosine"))}
    cosines = [one["cosine"] for one in found]
    assert cosines == sorted(cosines, reverse=True)
    assert all(one["n"] >= 20 and one["task"] in router.manifest.tasks and -1 <= one["gain"] <= 1 for one in found)


@pytest.mark.parametrize("prompt", [PUZZLE, SUM])
def test_neighbours_are_those_of_the_manifest_that_are_nearest_and_hold_no_text(router, prompt):
    found = router.answer(PredictRequest(prompt=prompt, explain=True)).neighbours
    cosines = router.scorer.score(Prompt.from_text(prompt)).cosines
    nearest = np.argsort(-cosines)[: len(found)]
    wanted = [router.manifest.neighbourhoods[i].model_dump() for i in nearest]
    assert [{name: one[name] for name in ("task", "n", "gain", "extra_tokens")} for one in found] == wanted
    assert [one["cosine"] for one in found] == pytest.approx(cosines[nearest], abs=6e-4)
    words = {name for one in found for name, value in one.items() if isinstance(value, str)}
    assert words == {"task"}, "names of families are all that is written there"


def test_explain_changes_nothing_else(router):
    plain, explained = (
        router.answer(PredictRequest(prompt=PUZZLE, explain=explain)).model_dump() for explain in (False, True)
    )
    assert {name for name in plain if plain[name] != explained[name]} == {"decision_id", "neighbours"}


def test_a_bundle_without_neighbourhoods_explains_with_none(router):
    scorer = copy.copy(router.scorer)
    scorer.manifest = scorer.manifest.model_copy(update={"neighbourhoods": ()})
    assert Router(scorer, router.families).answer(PredictRequest(prompt=PUZZLE, explain=True)).neighbours == []


CODE = "Fix this:\n```python\ndef add(a, b):\n    return a - b\n```\n1. It must add.\n2. Keep the name."
EFFECT = re.compile(
    r"(its .+|how it asks|the conversation around it|having no .+|setting no .+): ([+-]\d\.\d\d) points of gain, before caps, against the mean of the evidence"
)


def recomputed(scorer, prompt, model):
    """Return by group what the expected gain loses with its features as usual, one run of one row each."""
    embedding, vector, target = scorer.score(Prompt.from_text(prompt), model).inputs

    def gain(features):
        row = scorer.run(embedding[None], features[None], target[None])
        return calibrated_gain(scorer.unpack(row, 0), scorer.manifest.calibration)[1]

    usual = np.concatenate([np.array(scorer.manifest.usual_features, np.float32), vector[len(FEATURE_NAMES) :]])
    names = [*FEATURE_NAMES, *[""] * (len(vector) - len(FEATURE_NAMES))]
    return {g: gain(vector) - gain(np.where(np.isin(names, n), usual, vector)) for g, n in GROUPS.items()}


def effects_told(answer):
    """Return the effects among the reasons, by group, as they are written."""
    found = [match.groups() for match in map(EFFECT.fullmatch, answer.reasons) if match]
    whose = {absent: group for group, absent in ABSENT.items()}
    return {whose.get(group, group): float(points) for group, points in found}


@pytest.mark.parametrize("model", ["nobody-4", None, "logged"])
def test_the_effects_among_the_reasons_are_true(router, model):
    model = next(iter(router.manifest.models)) if model == "logged" else model
    prompts, said = (PUZZLE, SUM, CODE, "hey"), 0
    for prompt in prompts:
        answer = router.answer(PredictRequest(prompt=prompt, model=model))
        assert sum("points of gain" in reason for reason in answer.reasons) == len(effects_told(answer)) <= EFFECTS
        true = recomputed(router.scorer, prompt, model)
        for group, points in effects_told(answer).items():
            assert points == pytest.approx(true.pop(group), abs=0.00501)
        least = min(map(abs, effects_told(answer).values())) if len(effects_told(answer)) == EFFECTS else LEAST_EFFECT
        assert max(map(abs, true.values())) <= least + 0.00501, "a larger one is not told"
        said += len(effects_told(answer))
    assert said >= len(prompts) // 2, "nothing was told: nothing is compared"


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 4000), st.integers(0, 4000))
def test_a_tighter_cap_never_raises_the_budget(router, one, other):
    tight, loose = (
        router.answer(PredictRequest(prompt=PUZZLE, max_thinking_tokens=cap)) for cap in sorted((one, other))
    )
    assert tight.thinking_budget <= loose.thinking_budget
    assert tight.expected.extra_tokens <= loose.expected.extra_tokens + 1e-6


def test_the_same_words_as_prompt_and_as_message_get_the_same_verdict(router):
    text = "Translate to French: where is the station?"
    one = router.answer(PredictRequest(prompt=text))
    other = router.answer(PredictRequest(messages=[{"role": "user", "content": text}]))
    assert (one.verdict, one.expected, one.probabilities) == (other.verdict, other.expected, other.probabilities)


def test_a_long_prompt_says_that_it_was_truncated(router):
    assert router.answer(PredictRequest(prompt="word " * 5000)).truncated
    assert not router.answer(PredictRequest(prompt="word")).truncated


def test_serving_never_loads_the_training_stack():
    code = (
        "import sys\nfrom pathlib import Path\nimport serving.service\nfrom serving.router import Router\n"
        "from contract.scorer import Scorer\nfrom serving.schemas import PredictRequest\n"
        f"Router(Scorer.load(Path({str(ROOT / 'models' / 'default')!r}))).answer(PredictRequest(prompt='hello'))\n"
        "print(sorted({'torch', 'sklearn', 'pandas', 'mlflow', 'skl2onnx', 'sentence_transformers'} & sys.modules.keys()))\n"
        "print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert out.returncode == 0, out.stderr
    loaded, resident = out.stdout.strip().splitlines()[-2:]
    assert loaded == "[]"
    assert int(resident) < 400 * 1024


@pytest.mark.parametrize("body", ['{"messages": [%s]}', '{"prompt": "a", "tools": [%s]}'])
def test_of_very_many_wrong_items_the_first_is_told_and_the_rest_is_not_looked_at(body):
    raw = (body % ",".join("1" * 50_000)).encode()
    with pytest.raises(InvalidRequest) as refused:
        parse(PredictRequest, raw)
    assert refused.value.field in ("messages.0", "tools.0")
    with pytest.raises(ValidationError) as error:
        PredictRequest.model_validate(json.loads(raw))
    assert error.value.error_count() == 1
