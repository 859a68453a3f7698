"""Model families: a name finds its family however it is written, an operator's row wins, and a wrong file says what is wrong."""

import threading
from datetime import date

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.model_families import ModelFamilies, ModelFamily, load_model_families
from contract.model_names import REMEMBERED, normalised

GOOD = {"matches": ["my-model"], "as_of": "2026-11-01", "source": "our contract"}
SHIPPED = load_model_families(ROOT / "data" / "models.yaml")
NAMES = sorted(p.replace("*", "") for family in SHIPPED.by_name.values() for p in family.matches)


@pytest.fixture(autouse=True)
def no_file_of_the_operator(monkeypatch):
    monkeypatch.delenv("THINKWORTH_MODELS", raising=False)


def write(folder, families):
    path = folder / "models.yaml"
    path.write_text(families if isinstance(families, str) else yaml.safe_dump({"families": families}))
    return path


def family(**changes):
    return ModelFamily(**{**GOOD, **changes})


def named(families, model):
    found = families.of(model)
    return next((name for name, row in families.by_name.items() if row is found), None)


def error_of(path):
    with pytest.raises(InvalidInput) as caught:
        load_model_families(path)
    assert str(path) in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


# The shipped file


def test_the_shipped_file_names_the_families_people_use():
    names = " ".join(SHIPPED.by_name)
    assert len(SHIPPED.by_name) >= 40
    for vendor in ("gpt-5", "gpt-4.1", "o3", "claude-", "gemini-", "qwen3", "deepseek", "grok", "kimi", "glm", "llama", "mistral",
                   "magistral", "gpt-oss", "minimax"):  # fmt: skip
        assert vendor in names


@pytest.mark.parametrize("name", [*SHIPPED.by_name])
def test_a_shipped_row_is_dated_sourced_and_plausible(name):
    row = SHIPPED.by_name[name]
    assert row.as_of >= date(2026, 1, 1)
    assert (row.output_tokens_per_second is None) == (row.speed_source is None)
    assert 0 < row.input_usd_per_mtok <= row.output_usd_per_mtok <= 200
    assert row.cached_input_usd_per_mtok is None or row.cached_input_usd_per_mtok <= row.input_usd_per_mtok
    assert row.output_tokens_per_second is None or 10 <= row.output_tokens_per_second <= 1000
    for pattern in row.matches:
        assert named(SHIPPED, pattern.replace("*", "")) == name


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-sonnet-4-5", "claude-sonnet-4.5"),
        ("anthropic/claude-sonnet-4.5:thinking", "claude-sonnet-4.5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4.5"),
        ("vertex_ai/claude-sonnet-4-5@20250929", "claude-sonnet-4.5"),
        ("claude-opus-4-20250514", "claude-opus-4.1"),
        ("GPT-5-2025-08-07", "gpt-5"),
        ("openrouter/openai/gpt-5-mini", "gpt-5-mini"),
        ("openai/gpt-oss-120b:free", "gpt-oss-120b"),
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("us.deepseek.r1-v1:0", "deepseek-r1"),
        ("meta.llama3-3-70b-instruct-v1:0", "llama-3.3-70b"),
        ("xai/grok-4.20-0309-reasoning", "grok-4.20"),
        ("xai/grok-4.20-0309-non-reasoning", "grok-4.20-non-reasoning"),
    ],
)
def test_a_name_finds_its_family_as_providers_write_it(model, name):
    assert named(SHIPPED, model) == name


@pytest.mark.parametrize("model", ["", "/", ":free", "nobody-4", "gpt-5.99", "gpt-5-chat-latest", "claude", "my-gpt-5"])
def test_an_unknown_model_has_no_family_rather_than_a_near_one(model):
    assert SHIPPED.of(model) is None


# Names and patterns


@given(
    st.sampled_from(NAMES),
    st.text("abcXYZ-_./", max_size=20),
    st.sampled_from(["", ":free", ":thinking", "-20250929", "-2026-03-05"]),
)
def test_case_provider_date_and_variant_do_not_matter(name, provider, suffix):
    found = SHIPPED.of(name)
    assert found is not None
    assert SHIPPED.of(f"{provider}/{name}{suffix}") is found
    assert SHIPPED.of(name.upper()) is found


@given(st.text(max_size=200))
@example("@" * 200)
@example("us." * 60)
def test_any_text_is_a_name(text):
    assert normalised(normalised(text)) is not None
    assert SHIPPED.of(text) is SHIPPED.of(text)


@given(st.permutations(["m", "m*", "m-pro*", "m-*-max", "m-pro-max", "*-max"]))
def test_the_most_specific_pattern_wins_in_any_order(patterns):
    families = ModelFamilies({pattern: family(matches=[pattern]) for pattern in patterns})
    wanted = {
        "m": "m",
        "m-x": "m*",
        "m-pro-x": "m-pro*",
        "m-pro-max": "m-pro-max",
        "m-x-max": "m-*-max",
        "n-max": "*-max",
    }
    assert {model: named(families, model) for model in wanted} == wanted


def test_a_pattern_is_a_whole_name_and_its_dots_are_dots():
    families = ModelFamilies({"a": family(matches=["gpt-5.1"])})
    assert families.of("gpt-5.1") is not None
    assert [families.of(model) for model in ("gpt-5x1", "gpt-5.1-mini", "my-gpt-5.1")] == [None] * 3


def test_the_memory_of_names_is_bounded_and_shared_by_threads():
    families = ModelFamilies({"a": family(matches=["a*"])})
    found = []

    def ask(k):
        found.extend(families.of(f"{'ab'[i % 2]}{k}-{i}") is not None for i in range(REMEMBERED))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == len(found) / 2 == 2 * REMEMBERED
    assert families._remembered.cache_info().currsize == REMEMBERED


# The operator's file


def test_the_operators_rows_win_whole_and_new_ones_are_added(tmp_path, monkeypatch):
    own = {"o3": GOOD | {"matches": ["o3"], "output_tokens_per_second": 20}, "house": GOOD | {"matches": ["house-*"]}}
    monkeypatch.setenv("THINKWORTH_MODELS", str(write(tmp_path, own)))
    families = load_model_families()
    assert families.of("o3").output_tokens_per_second == 20
    assert families.of("o3").output_usd_per_mtok is None
    assert named(families, "us/House-7b:free") == "house"
    assert families.of("o4-mini") == SHIPPED.of("o4-mini")


def test_the_example_of_the_readme_is_taken_and_every_key_is_explained(tmp_path):
    part = (ROOT / "data" / "README.md").read_text(encoding="utf-8").split("## Models\n")[1].split("\n## ")[0]
    families = load_model_families(write(tmp_path, part.split("```yaml\n")[1].split("```")[0]))
    assert families.of("claude-sonnet-4-6").output_tokens_per_second == 71
    assert all(key in part for key in ModelFamily.model_fields)


def test_an_operators_pattern_wins_against_the_same_one_of_another_family(tmp_path):
    families = load_model_families(write(tmp_path, {"a-reserved-o3": GOOD | {"matches": ["o3"]}}))
    assert named(families, "openai/o3") == "a-reserved-o3"


def test_without_a_checkout_only_the_operators_families_are_known(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("contract.model_names.ROOT", tmp_path)
    assert load_model_families().by_name == {}
    assert [*load_model_families(write(tmp_path, {"mine": GOOD})).by_name] == ["mine"]


def test_an_unknown_key_is_named_beside_the_known_ones(tmp_path):
    error = error_of(write(tmp_path, {"mine": GOOD | {"output_usd_per_token": 3}}))
    assert "mine: unknown key output_usd_per_token" in error.message
    assert error.limit == [*ModelFamily.model_fields]


@pytest.mark.parametrize("key", ["matches", "as_of", "source"])
def test_a_missing_key_is_named(tmp_path, key):
    row = {k: v for k, v in GOOD.items() if k != key}
    assert error_of(write(tmp_path, {"mine": row})).field == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("matches", []),
        ("matches", "o3"),
        ("matches", ["O3"]),
        ("matches", ["openai/o3"]),
        ("matches", ["*"]),
        ("matches", [""]),
        ("as_of", "yesterday"),
        ("source", ""),
        ("input_usd_per_mtok", -1),
        ("output_usd_per_mtok", float("nan")),
        ("output_usd_per_mtok", True),
        ("output_tokens_per_second", 0),
        ("output_tokens_per_second", float("inf")),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path, key, value):
    assert error_of(write(tmp_path, {"mine": GOOD | {key: value}})).field.startswith(key)


def test_two_families_of_a_file_may_not_claim_one_pattern(tmp_path):
    error = error_of(write(tmp_path, {"mine": GOOD, "yours": GOOD}))
    assert "mine and yours both match my-model; leave it to one of them" in error.message
    assert error.field == "yours.matches"


@pytest.mark.parametrize(
    "content", ["", "3", "families:", "families: [a]", "models: {}", "families: {7: {}}", "families: {mine: 3}"]
)
def test_a_file_without_families_is_refused(tmp_path, content):
    path = write(tmp_path, content)
    assert str(path) in error_of(path).message


def test_a_missing_file_names_the_variable(tmp_path, monkeypatch):
    assert "THINKWORTH_MODELS" in error_of(tmp_path / "nowhere.yaml").message
    monkeypatch.setenv("THINKWORTH_MODELS", str(tmp_path / "nowhere.yaml"))
    with pytest.raises(InvalidInput):
        load_model_families()


# What a family says of tokens


def test_cost_and_time_are_those_of_the_tokens_and_unknown_where_unknown():
    row = family(output_usd_per_mtok=15, output_tokens_per_second=50)
    assert (row.cost_usd(2000), row.latency_s(2000)) == (pytest.approx(0.03), pytest.approx(40))
    assert (family().cost_usd(2000), family().latency_s(2000)) == (None, None)
    assert family(output_usd_per_mtok=0).cost_usd(2000) == 0
