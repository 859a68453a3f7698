"""The taxonomy: what a file may say, what is said of a wrong one, and that the shipped one keeps its promises."""

import re
from collections import Counter
from itertools import combinations

import pytest
import yaml

from contract.errors import InvalidInput
from contract.locate import ROOT
from contract.profiles import load_profiles
from contract.records import Verdict
from training.taxonomy import Family, load_taxonomy

SECRET = "What did the minister say to the ambassador?"
PRIOR = {"score_direct": 0.5, "score_reasoning": 0.75, "thinking_tokens": 1000, "strength": 2}
FAMILY = {
    "name": "proof", "verdict": "use", "regime": "medium", "description": "Proofs.", "prior": PRIOR,
    "evidence": ["A paper."], "prompts": [SECRET],
}  # fmt: skip


def write(folder, content):
    path = folder / "taxonomy.yaml"
    if not isinstance(content, bytes | str):
        content = yaml.safe_dump({"families": content})
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def error_of(path):
    with pytest.raises(InvalidInput) as caught:
        load_taxonomy(path)
    assert str(path) in caught.value.message
    assert SECRET not in caught.value.message
    assert "minister" not in caught.value.message
    assert caught.value.exit_code == 2
    return caught.value


def test_families_come_in_the_order_of_the_file(tmp_path):
    families = load_taxonomy(write(tmp_path, [FAMILY, FAMILY | {"name": "advice", "prompts": ["a", "b"]}]))
    assert [family.name for family in families] == ["proof", "advice"]
    assert families[0].verdict is Verdict.USE
    assert families[0].prompts == (SECRET,)
    assert families[0].prior.gain == pytest.approx(0.25)


@pytest.mark.parametrize("key", [*FAMILY])
def test_a_missing_key_is_named_with_its_family(tmp_path, key):
    error = error_of(
        write(tmp_path, [FAMILY | {"name": "first", "prompts": ["x"]}, {k: v for k, v in FAMILY.items() if k != key}])
    )
    assert f"family 2{' (proof)' if key != 'name' else ''}: {key} is missing; correct the file" in error.message
    assert error.field == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "Bad Name"),
        ("name", 3),
        ("verdict", "perhaps"),
        ("regime", "hard"),
        ("description", ""),
        ("prior", 3),
        ("evidence", []),
        ("evidence", "A paper."),
        ("prompts", []),
        ("prompts", SECRET),
    ],
)
def test_a_wrong_value_is_named(tmp_path, key, value):
    assert error_of(write(tmp_path, [FAMILY | {key: value}])).field == key


@pytest.mark.parametrize("value", [None, 3, "", "  ", [SECRET], {"role": SECRET}, {SECRET: 1}])
def test_a_prompt_that_is_no_text_is_named_by_its_number_alone(tmp_path, value):
    error = error_of(write(tmp_path, [FAMILY | {"prompts": ["a", value]}]))
    assert "family 1 (proof): prompts.1: " in error.message
    assert error.field == "prompts.1"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("score_direct", -0.1),
        ("score_reasoning", 1.1),
        ("thinking_tokens", 0),
        ("thinking_tokens", float("inf")),
        ("strength", float("nan")),
        ("strength", 9),
        ("strength", True),
        ("score_direct", "much"),
    ],
)
def test_a_prior_out_of_range_is_named(tmp_path, key, value):
    error = error_of(write(tmp_path, [FAMILY | {"prior": PRIOR | {key: value}}]))
    assert error.field == f"prior.{key}"
    assert "family 1 (proof): prior." in error.message


@pytest.mark.parametrize(
    ("family", "said"),
    [
        ({k: v for k, v in FAMILY.items() if k != "prompts"} | {"prompt": [SECRET]}, "unknown key prompt (did you mean prompts?)"),
        (FAMILY | {"prior": {"score_direkt": 0.5}}, "unknown key prior.score_direkt (did you mean score_direct?)"),
    ],
)  # fmt: skip
def test_a_misspelt_key_is_named_rather_than_the_one_it_leaves_missing(tmp_path, family, said):
    error = error_of(write(tmp_path, [family]))
    assert f"family 1 (proof): {said}; known keys: " in error.message
    assert {"prompts", "regime"} <= set(error.limit) or {"score_direct", "strength"} <= set(error.limit)


def test_two_families_of_one_name_are_refused(tmp_path):
    error = error_of(write(tmp_path, [FAMILY, FAMILY | {"name": "b", "prompts": ["x"]}, FAMILY | {"prompts": ["y"]}]))
    assert "family 3 has the name of family 1: " in error.message


def test_a_prompt_that_occurs_twice_is_named_by_its_places(tmp_path):
    error = error_of(write(tmp_path, [FAMILY, FAMILY | {"name": "advice", "prompts": ["x", SECRET]}]))
    assert "prompt 2 of advice has the prompt of prompt 1 of proof: " in error.message


def test_chinese_prompts_may_be_left_out(tmp_path):
    without, empty = load_taxonomy(
        write(tmp_path, [FAMILY, FAMILY | {"name": "b", "prompts": ["x"], "prompts_zh": []}])
    )
    assert without.prompts_zh == empty.prompts_zh == ()


@pytest.mark.parametrize("value", [None, 3, "", "  ", [SECRET]])
def test_a_chinese_prompt_that_is_no_text_is_named_by_its_number_alone(tmp_path, value):
    assert error_of(write(tmp_path, [FAMILY | {"prompts_zh": ["你好", value]}])).field == "prompts_zh.1"


@pytest.mark.parametrize("key", ["prompts", "prompts_zh"])
def test_a_chinese_prompt_that_occurs_twice_is_named_by_its_places(tmp_path, key):
    other = FAMILY | {"name": "advice", "prompts": ["x"], "prompts_zh": ["你好"]}
    first = FAMILY | {key: ["早上好", "你好"]}
    error = error_of(write(tmp_path, [first, other]))
    place = "prompt 2 of proof" if key == "prompts" else "Chinese prompt 2 of proof"
    assert f"Chinese prompt 1 of advice has the prompt of {place}: " in error.message


@pytest.mark.parametrize(
    "content", ["families:", "families: []", "families: 3", "families: {a: 1}", "other: []", "family: []"]
)
def test_a_file_without_families_is_refused(tmp_path, content):
    error = error_of(write(tmp_path, content))
    assert error.field == "families"
    assert "`families`" in error.message or "known keys: families" in error.message


@pytest.mark.parametrize(
    ("content", "said"), [("", "is empty"), ("[]", "holds a list"), (SECRET, "holds a text of 44 characters")]
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, content, said):
    error = error_of(write(tmp_path, content))
    assert said in error.message
    assert "--taxonomy" in error.message


@pytest.mark.parametrize("family", [3, None, SECRET, [FAMILY]])
def test_a_family_that_is_no_mapping_is_refused(tmp_path, family):
    assert "family 1: " in error_of(write(tmp_path, [family])).message


@pytest.mark.parametrize(
    "content", [f"families: [{SECRET}", f'- "{SECRET}', f"a: {SECRET}: b", "families: []\nfamilies: []"]
)
def test_what_is_no_yaml_is_refused_without_the_line_itself(tmp_path, content):
    assert "is not valid YAML: line " in error_of(write(tmp_path, content)).message


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    assert "not UTF-8 at byte 0" in error_of(write(tmp_path, b"\xff\xfef\x00")).message


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert "No such file" in error_of(tmp_path / "nowhere.yaml").message


@pytest.fixture(scope="module")
def shipped():
    return load_taxonomy(ROOT / "data" / "taxonomy.yaml")


def test_the_shipped_taxonomy_is_the_default(shipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_taxonomy() == shipped


def test_it_has_24_families_of_20_prompts_each(shipped):
    assert len(shipped) >= 24
    assert {family.name: len(family.prompts) for family in shipped if len(family.prompts) < 20} == {}


def test_it_has_5_chinese_prompts_of_each_family(shipped):
    assert {family.name: len(family.prompts_zh) for family in shipped if len(family.prompts_zh) < 5} == {}


def chinese(text):
    """Return the number of Chinese characters of a text."""
    return len(re.findall(r"[\u4e00-\u9fff]", text))


def test_chinese_prompts_are_chinese_and_the_others_are_not(shipped):
    assert [prompt for family in shipped for prompt in family.prompts_zh if chinese(prompt) < 2] == []
    assert [prompt for family in shipped for prompt in family.prompts if chinese(prompt) > len(prompt) / 3] == []


def test_it_has_all_verdicts_and_all_regimes(shipped):
    verdicts = Counter(family.verdict for family in shipped)
    assert set(verdicts) == {Verdict.USE, Verdict.MAYBE, Verdict.AVOID}
    assert min(verdicts.values()) >= 5
    regimes = Counter(family.regime for family in shipped)
    assert set(regimes) == {"easy", "medium", "hopeless"}
    assert min(regimes.values()) >= 2


def test_hopeless_is_no_uplift_at_a_low_score(shipped):
    hopeless = [family for family in shipped if family.regime == "hopeless"]
    assert {family.verdict for family in hopeless} == {Verdict.AVOID}
    assert max(family.prior.score_reasoning for family in hopeless) < 0.5
    assert {family.verdict for family in shipped if family.regime == "easy"} == {Verdict.AVOID, Verdict.MAYBE}


def test_a_prior_verdict_is_that_of_its_net_benefit_in_balanced(shipped):
    profile = load_profiles(ROOT / "data" / "profiles.yaml")["balanced"]

    def verdict(family):
        net_benefit = family.prior.gain - family.prior.thinking_tokens / profile.tokens_per_point
        if net_benefit > profile.margin:
            return Verdict.USE
        return Verdict.AVOID if net_benefit < -profile.margin else Verdict.MAYBE

    assert {f.name: f.verdict for f in shipped} == {f.name: verdict(f) for f in shipped}


def test_each_family_has_published_evidence(shipped):
    assert {f.name: e for f in shipped for e in f.evidence if not re.search(r"\b20[12]\d\b", e) or len(e) < 40} == {}
    assert min(len(family.evidence) for family in shipped) >= 2
    assert min(len(family.description) for family in shipped) >= 20


def alike(family: Family):
    """Return the largest share of words that two prompts of a family have in common."""
    sets = [set(re.findall(r"\w+", prompt.lower())) for prompt in family.prompts]
    return max(len(a & b) / max(len(a | b), 1) for a, b in combinations(sets, 2))


def test_the_prompts_of_a_family_are_varied(shipped):
    assert {family.name: alike(family) for family in shipped if alike(family) > 0.5} == {}
    for family in shipped:
        starts = {" ".join(prompt.lower().split()[:3]) for prompt in family.prompts}
        assert len(starts) >= 0.9 * len(family.prompts), family.name
        lengths = sorted(map(len, family.prompts))
        assert lengths[-1] >= 1.5 * lengths[0], family.name


def test_no_prompt_occurs_in_two_families(shipped):
    seen = Counter(
        " ".join(prompt.lower().split()) for family in shipped for prompt in (*family.prompts, *family.prompts_zh)
    )
    assert [prompt for prompt, n in seen.items() if n > 1] == []
