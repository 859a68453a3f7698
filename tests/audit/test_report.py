"""The whole report: whatever is missing is null and said; the same store gives the same report."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from audit.config import AuditConfig
from audit.report import audit
from audit.writing import sections

CONFIG = AuditConfig(resamples=50)
TIME = datetime(2026, 6, 1, tzinfo=UTC)
SCORED = {
    "score": 1.0,
    "output_tokens": 900,
    "thinking_tokens": 800,
    "latency_s": 4.0,
    "defect": False,
    "finish_reason": "stop",
}


def figures(report):
    return {
        f"{part}/{name}": found
        for part, section in sections(report).items()
        for name, found in section["figures"].items()
    }


CASES = {
    "nothing": [],
    "one decision": [({}, [])],
    "one decision with its outcome": [({}, [SCORED])],
    "no outcomes": [({}, [])] * 40,
    "no scores": [({}, [{"output_tokens": 10}])] * 40,
    "one arm": [({"p_reasoning": 1.0}, [SCORED])] * 40,
    "one pair": [({}, [SCORED, {**SCORED, "arm": "direct"}])],
    "draws, all of one score": [
        ({"arm": a, "p_reasoning": 0.5}, [{**SCORED, "arm": a}]) for a in ("direct", "reasoning") * 20
    ],
    "no model, no language": [({"model": None, "language": None}, [SCORED])] * 40,
}


@pytest.mark.parametrize("case", CASES)
def test_whatever_is_missing_the_report_is_whole_and_says_so(case, put, record):
    put(*CASES[case])
    made = audit(record(), CONFIG, time=TIME)
    text = json.dumps(made.report, allow_nan=False)
    assert json.loads(text)["decisions"] == len(CASES[case])
    assert not made.slices.misrouted.any()
    for name, found in figures(made.report).items():
        assert set(found) - {"note"} == {"value", "lower", "upper", "n", "evidence", "unit"}, name
        if found["n"] == 0 and found["evidence"] != "recorded":
            assert found["value"] is None, name
    if case != "draws, all of one score":
        assert any("explored" in note or "no decision" in note for note in made.report["notes"])


def test_without_its_bundle_no_decision_has_a_price_and_a_note_says_so(put, record):
    put(({}, [SCORED, {**SCORED, "arm": "direct"}]), bundle=False)
    made = audit(record(), CONFIG, time=TIME)
    assert any("1 decisions have a revision or profile" in note for note in made.report["notes"])
    assert made.report["evidence"]["figures"]["net_benefit_observed_pairs"]["value"] is None
    assert made.suspects.empty


def test_the_same_record_gives_the_same_report_and_another_seed_other_halves(planted, read_planted):
    record = read_planted(planted.truth(1500, seed=2), rate=1.0, seed=2)
    first, again = (audit(record, CONFIG, time=TIME) for _ in range(2))
    assert json.dumps(first.report) == json.dumps(again.report)
    pd.testing.assert_frame_equal(first.slices, again.slices)
    pd.testing.assert_frame_equal(first.suspects, again.suspects)
    other = audit(record, AuditConfig(seed=8), time=TIME).report["evidence"]["figures"]["gain_explored"]
    assert other["value"] != first.report["evidence"]["figures"]["gain_explored"]["value"]


def test_rates_and_regret_are_of_the_slices_called(planted_store):
    true, found = planted_store.true, figures(planted_store.audit.report)
    thinks = true.policy_reasoning.to_numpy(bool)
    rows = planted_store.slices[0].rows(true) & thinks
    assert found["product/overthinking_rate_explored"]["value"] == pytest.approx(rows.mean(), rel=0.2)
    regret = found["product/overthinking_regret_explored"]
    assert regret["lower"] < rows.mean() * 0.3 < regret["upper"]
    over = found["product/over_never_explored"]
    assert over["lower"] < (true.net_benefit * thinks).mean() < over["upper"]
    assert planted_store.audit.report["notes"] == []
    modelled = found["product/regret_modelled"]
    assert modelled["lower"] is modelled["upper"] is None
    assert modelled["note"].startswith("no interval: ")


def test_right_decisions_are_not_counted_for_a_bad_task_among_them(planted, read_planted):
    """One profile, one revision; a bad task of each kind drags the mean of all that the policy does alike over."""
    bad = tuple(
        planted.Slice({"task": f"task_{i:02d}"}, kind, 0.5) for i, kind in ((3, "overthinking"), (7, "underthinking"))
    )
    true = planted.truth(12_000, bad, seed=6, even=1.0)
    true = true[(true.profile == "balanced") & (true.revision == "r1")].reset_index(drop=True)
    made = audit(read_planted(true, rate=1.0, seed=6), CONFIG, time=TIME)
    for one in bad:
        rows = one.rows(true)
        rate = figures(made.report)[f"product/{one.kind}_rate_explored"]
        assert rate["value"] == pytest.approx(rows.mean(), abs=0.01)
        assert rate["lower"] < rows.mean() < rate["upper"]
        saved = true.extra_tokens[rows].sum() / len(true) * (1 if one.kind == "overthinking" else -1)
        tokens = figures(made.report)[f"product/{one.kind}_regret_tokens_explored"]
        assert tokens["lower"] < saved < tokens["upper"]
        usd = figures(made.report)[f"product/{one.kind}_regret_usd_explored"]
        assert usd["upper"] == pytest.approx(tokens["upper"] * planted.DOLLARS_PER_TOKEN)
    assert made.slices.profile.isna().all()
    assert made.slices.revision.isna().all()


def test_verdicts_without_evidence_are_named(planted_store):
    decided = planted_store.record.decisions
    p = decided.p_reasoning.where(decided.verdict == "avoid", decided.policy_reasoning.astype(float))
    record = replace(planted_store.record, decisions=decided.assign(p_reasoning=p))
    made = audit(record, CONFIG, time=TIME)
    assert any(
        "no evidence of the kind explored on verdict use, arm reasoning" in note for note in made.report["notes"]
    )
    assert figures(made.report)["product/over_never_explored"]["value"] is None
    assert figures(made.report)["product/over_always_explored"]["value"] is not None


def test_scores_that_are_missing_by_arm_are_told(planted, read_planted):
    record = read_planted(planted.truth(3000, seed=1), rate=1.0, lost_if_wrong=0.3, seed=1)
    made = audit(record, CONFIG, time=TIME)
    assert any("missing more often in the arm reasoning" in note for note in made.report["notes"])
    assert made.report["evidence"]["figures"]["scored_alike_p"]["value"] < 0.001


def test_marks_are_compared_with_the_posterior(put, record, engine):
    import sqlalchemy as sa

    from contract.store.tables import reviews

    bad = {"p_reasoning": 1.0, "expected_gain": -0.3, "expected_gain_lower": -0.4, "expected_gain_upper": -0.2}
    ids = put((bad, []), (bad, []), ({"p_reasoning": 1.0}, []))
    with engine.begin() as connection:
        for i, (which, mark) in enumerate([(0, "wrong"), (1, "right"), (2, "right"), (2, "unsure")]):
            row = {
                "review_id": str(i),
                "decision_id": ids[which],
                "mark": mark,
                "comment": "",
                "reviewer": f"r{i}",
                "time": TIME,
            }
            connection.execute(sa.insert(reviews), [row])
    found = audit(record(), CONFIG, time=TIME).report["reviews"]["figures"]
    assert found["agreement"]["value"] == pytest.approx(2 / 3)
    assert found["agreement"]["n"] == 3
    assert found["mean_p_misroute_wrong"]["value"] > 0.8
    assert found["mean_p_misroute_unsure"]["n"] == 1


def test_a_mark_is_of_the_arm_that_was_drawn(put, record, engine):
    """The policy would have thought, and thinking loses; direct was drawn, and a reviewer says that this was right."""
    from contract.store.reviews import add_review

    bad = {"arm": "direct", "expected_gain": -0.3, "expected_gain_lower": -0.4, "expected_gain_upper": -0.2}
    ids = put((bad, []))
    with engine.begin() as connection:
        add_review(connection, decision_id=ids[0], mark="right", comment="", reviewer="r")
    found = audit(record(), CONFIG, time=TIME).report["reviews"]["figures"]
    assert found["agreement"]["value"] == 1.0
    assert found["mean_p_misroute_right"]["value"] < 0.2
