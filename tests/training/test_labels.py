import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.profiles import Profile
from contract.records import COLUMNS, PAIR_KEY
from training.labels import label
from training.logs import AllRowsBad, read_logs

SHARED = Path(__file__).parents[2] / ".." / "shared"
FILES = sorted((SHARED / "data").glob("*.parquet"))
BALANCED = Profile(tokens_per_point=20_000, max_thinking_tokens=8192)
PROFILES = {
    "balanced": BALANCED,
    "quick": Profile(tokens_per_point=2_000, max_thinking_tokens=1024, seconds_per_point=100),
}
TYPES = {"attempt": "Int64", "thinking_budget": "Int64", "output_tokens": "Int64", "thinking_tokens": "Int64"}


def table(*rows):
    defaults = {"prompt": "p", "model": "m", "source": "s", "prompt_id": "1"}
    frame = pd.DataFrame([{**defaults, **r} for r in rows], columns=list(COLUMNS))
    floats = dict.fromkeys(("score", "latency_s", "p_reasoning"), "float64")
    texts = dict.fromkeys((*PAIR_KEY, "arm", "flag", "finish_reason", "pair_kind", "prompt", "messages"), "string")
    return frame.astype({**TYPES, **floats, **texts})


def direct(score=0.0, tokens=10, **more):
    return {"arm": "direct", "score": score, "output_tokens": tokens, **more}


def reasoning(score=1.0, tokens=1010, **more):
    return {"arm": "reasoning", "score": score, "output_tokens": tokens, **more}


def only(*rows, profiles=PROFILES):
    (found,) = label(table(*rows), profiles).to_dict("records")
    return found


def test_a_pair_is_priced_by_each_profile():
    found = only(direct(0.2), reasoning(0.4))
    assert found["gain"] == pytest.approx(0.2)
    assert found["extra_tokens"] == 1000
    assert found["net_benefit_balanced"] == pytest.approx(0.15)
    assert found["net_benefit_quick"] == pytest.approx(-0.3)
    assert (found["label_balanced"], found["label_quick"]) == ("use", "avoid")


def test_attempts_are_averaged_and_an_unscored_one_is_no_zero():
    found = only(direct(0.5), direct(None, tokens=30), reasoning(1.0), reasoning(0.5), reasoning(None, tokens=None))
    assert (found["attempts_direct"], found["attempts_reasoning"]) == (2, 3)
    assert (found["scored_direct"], found["scored_reasoning"]) == (1, 2)
    assert (found["score_direct"], found["score_reasoning"]) == (0.5, 0.75)
    assert (found["output_tokens_direct"], found["output_tokens_reasoning"]) == (20, 1010)


@pytest.mark.parametrize("rows", [[direct()], [reasoning()], [direct(), reasoning(None)], [direct(None), reasoning()]])
def test_an_arm_without_a_score_is_unscored(rows):
    found = only(*rows)
    assert found["label_balanced"] == "unscored"
    assert np.isnan(found["gain"])
    assert np.isnan(found["net_benefit_balanced"])
    assert np.isnan(found["label_confidence"])
    assert not found["censored"]


def test_latency_is_charged_where_it_is_known():
    assert only(direct(latency_s=1.0), reasoning(latency_s=11.0))["net_benefit_quick"] == pytest.approx(1 - 0.5 - 0.1)
    assert only(direct(), reasoning(latency_s=11.0))["net_benefit_quick"] == pytest.approx(1 - 0.5)
    assert only(direct(latency_s=1.0), reasoning(latency_s=11.0))["net_benefit_balanced"] == pytest.approx(0.95)


def test_unknown_tokens_take_the_median_of_the_source():
    known = [
        r | {"prompt_id": f"k{i}"} for i, t in enumerate((100, 210, 1010)) for r in (direct(), reasoning(tokens=t))
    ]
    found = label(table(*known, direct(), reasoning(tokens=None)), PROFILES).set_index("prompt_id")
    assert np.isnan(found.loc["1", "extra_tokens"])
    assert found["tokens_imputed"].tolist() == [True, False, False, False]
    assert found.loc["1", "net_benefit_balanced"] == pytest.approx(1 - 200 / 20_000)
    assert only(direct(tokens=None), reasoning())["net_benefit_balanced"] == pytest.approx(1 - 500 / 20_000)


CUT = [
    {"finish_reason": "length"},
    {"thinking_budget": 512, "thinking_tokens": 512},
    {"flag": "Truncation: hit the cap"},
]


@pytest.mark.parametrize("cut", CUT)
def test_a_truncated_answer_is_censored_and_no_zero_gain(cut):
    found = only(direct(1.0), reasoning(0.0, **cut))
    assert found["censored"]
    assert found["attempts_censored"] == 1
    assert found["label_balanced"] == "unscored"
    assert np.isnan(found["gain"])


@pytest.mark.parametrize("cut", CUT)
def test_a_truncated_attempt_is_left_out_beside_a_whole_one(cut):
    found = only(direct(0.0), reasoning(0.0, **{"tokens": 9000, **cut}), reasoning(1.0))
    assert (found["gain"], found["extra_tokens"], found["attempts_censored"]) == (1.0, 1000, 1)
    assert (found["attempts_reasoning"], found["scored_reasoning"], found["censored"]) == (2, 1, False)


def test_visible_tokens_do_not_count_against_a_thinking_budget():
    assert not only(direct(), reasoning(tokens=900, thinking_tokens=400, thinking_budget=512))["censored"]


def test_only_toggle_pairs_are_compared():
    assert label(table(direct(pair_kind="family"), reasoning(pair_kind="family")), PROFILES).empty
    assert only(direct(pair_kind="toggle"), reasoning())["label_balanced"] == "use"


def test_what_a_row_carries():
    found = only(direct(task=None, language="de"), reasoning(task="maths"))
    assert (found["prompt"], found["task"], found["language"]) == ("p", "maths", "de")


def test_more_attempts_and_less_spread_give_more_confidence():
    noise = [r | {"prompt_id": f"n{i}"} for i in range(40) for r in (direct(i % 2), reasoning((i // 2) % 2))]

    def confidence(*rows):
        return label(table(*noise, *rows), PROFILES).set_index("prompt_id").loc["1", "label_confidence"]

    once = confidence(direct(0.0), reasoning(1.0))
    often = confidence(*[direct(0.0)] * 5, *[reasoning(1.0)] * 5)
    mixed = confidence(*[direct(s) for s in (0, 0, 1, 0, 0)], *[reasoning(s) for s in (1, 1, 0, 1, 1)])
    assert 0.5 < once < 0.95
    assert once < often
    assert mixed < often
    assert confidence(direct(0.5), reasoning(0.5)) == 0.5


def test_one_attempt_is_never_sure():
    found = only(direct(0.0), reasoning(1.0))
    assert 0.6 < found["label_confidence_balanced"] < found["label_confidence"] < 0.95


def test_a_label_near_the_margin_is_as_likely_as_not():
    near = [direct(0.5, tokens=10), reasoning(0.571, tokens=1010)]  # net .021 of a margin of .02
    found = only(*[row for row in near for _ in range(20)])
    assert found["label_balanced"] == "use"
    assert 0.5 < found["label_confidence_balanced"] < 0.56
    assert found["label_confidence"] > 0.95, "its gain is clear, its worth is not"


def test_one_noisy_gain_against_its_task_is_trusted_less_than_its_opposite():
    task = [
        r | {"prompt_id": f"n{i}", "task": "maths"} for i in range(30) for r in (direct(0.0), reasoning(i % 10 > 0))
    ]
    odd = [direct(1.0, task="maths"), reasoning(0.0, task="maths")]
    found = label(table(*task, *odd), PROFILES).set_index("prompt_id")
    assert found.loc["1", "label_balanced"] == "avoid"
    assert found.loc["1", "label_confidence"] < 0.5
    assert found.loc["1", "label_confidence_balanced"] < 0.5 < found.loc["n1", "label_confidence_balanced"]


SCORE = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1))
ROW = st.fixed_dictionaries(
    {
        "prompt_id": st.sampled_from("abc"),
        "source": st.sampled_from("xy"),
        "arm": st.sampled_from(["direct", "reasoning"]),
        "score": SCORE,
        "output_tokens": st.one_of(st.none(), st.integers(0, 5000)),
        "latency_s": st.one_of(st.none(), st.floats(0, 60)),
        "finish_reason": st.sampled_from([None, "stop", "length"]),
    }
)
LOGS = st.lists(ROW, min_size=1, max_size=30)
SWAP = {"direct": "reasoning", "reasoning": "direct"}


@settings(deadline=None, max_examples=60)
@given(rows=LOGS, seed=st.integers(0, 99))
def test_the_order_of_the_rows_changes_nothing(rows, seed):
    log = table(*rows)
    shuffled = log.sample(frac=1, random_state=seed).reset_index(drop=True)
    pd.testing.assert_frame_equal(label(log, PROFILES), label(shuffled, PROFILES), check_exact=True)


@settings(deadline=None, max_examples=60)
@given(rows=LOGS)
def test_swapping_the_arms_swaps_the_sign(rows):
    rows = [{**r, "finish_reason": None, "output_tokens": r["output_tokens"] or 0} for r in rows]
    found = label(table(*rows), PROFILES)
    swapped = label(table(*[{**r, "arm": SWAP[r["arm"]]} for r in rows]), PROFILES)
    for name in PROFILES:
        np.testing.assert_array_equal(found[f"net_benefit_{name}"], -swapped[f"net_benefit_{name}"])
        turned = found[f"label_{name}"].replace({"use": "avoid", "avoid": "use"})
        assert turned.tolist() == swapped[f"label_{name}"].tolist()
    np.testing.assert_allclose(found["label_confidence"], swapped["label_confidence"])


@settings(deadline=None, max_examples=60)
@given(rows=LOGS)
def test_labels_follow_from_net_benefit_and_confidence_is_a_probability(rows):
    found = label(table(*rows), PROFILES)
    assert not found.duplicated(list(PAIR_KEY)).any()
    for name, profile in PROFILES.items():
        net, labels = found[f"net_benefit_{name}"], found[f"label_{name}"]
        assert (net[labels == "use"] > profile.margin).all()
        assert (net[labels == "avoid"] < -profile.margin).all()
        assert (net[labels == "maybe"].abs() <= profile.margin).all()
        assert ((labels == "unscored") == net.isna()).all()
        assert found[f"label_confidence_{name}"].dropna().between(0, 1).all()
        assert (found[f"label_confidence_{name}"].isna() == net.isna()).all()
    assert (found["gain"].isna() == found["label_balanced"].eq("unscored")).all()


@pytest.fixture(scope="module")
def reference():
    path = SHARED / "reference" / "q.py"
    if not path.exists():
        pytest.skip("../shared/reference/q.py is absent")
    spec = spec_from_file_location("reference_q", path)
    module = module_from_spec(spec)
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = written
    return module


@pytest.mark.data
@pytest.mark.parametrize("path", FILES or [None], ids=lambda path: path.stem if path else "absent")
def test_agrees_with_the_reference_on_real_logs(path, reference):
    """Every pair, its gain and its tokens; of repeated rows the reference takes the mean and we the first."""
    if path is None:
        pytest.skip("../shared/data is absent")
    raw = pd.read_parquet(path)
    expected = reference.pairs(raw)
    try:
        logs = read_logs([path])
    except AllRowsBad:
        assert expected.empty
        return
    found = label(logs.table, PROFILES)
    if found["attempts_censored"].any():
        pytest.skip("rows of this file are censored; the reference does not know of it")
    found = found[found["gain"].notna()]
    assert len(found) == len(expected)
    repeated = raw.iloc[logs.quarantined["line"] - 1][["prompt_id", "model"]].assign(repeated=True).drop_duplicates()
    both = found.merge(expected, on=["prompt_id", "model"], suffixes=("", "_expected"), validate="1:1")
    both = both.merge(repeated, on=["prompt_id", "model"], how="left")
    both = both[both["repeated"].isna()]
    assert len(found) - len(both) <= len(repeated)
    np.testing.assert_allclose(both["gain"], both["gain_expected"], atol=1e-12)
    ours = reference.pairs(logs.table).set_index(["prompt_id", "model"])["gain"].sort_index()
    theirs = found.set_index(["prompt_id", "model"])["gain"].sort_index()
    np.testing.assert_allclose(theirs, ours, atol=1e-12)


def test_output_tokens_over_the_budget_say_nothing_where_thinking_tokens_are_unknown():
    found = only(direct(0.0), reasoning(1.0, thinking_budget=512, thinking_tokens=None, tokens=600))
    assert not found["censored"]
    assert found["gain"] == 1.0


@pytest.mark.parametrize(
    ("logged", "expected"),
    [
        ([0.8], 0.8),
        ([0.8, 0.8], 0.8**2 / (0.8**2 + 0.2**2)),
        ([0.8, None], None),
        ([0.0], 0.0),
        ([1.0], 1.0),
        ([None], None),
    ],
)
def test_propensities_of_attempts_multiply_their_odds(logged, expected):
    told = only(*(reasoning(attempt=i, p_reasoning=p) for i, p in enumerate(logged, 1)))["p_reasoning"]
    assert pd.isna(told) if expected is None else told == pytest.approx(expected)
