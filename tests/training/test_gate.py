"""The gate on answers made up for the purpose: what trips it, what does not, and what counts as better."""

import json

import numpy as np
import pandas as pd
import pytest

from contract.errors import InvalidInput
from contract.profiles import Profile
from training.gate import NOT_BETTER, OUTCOMES, PROMOTABLE, REFUSED, GateConfig, Side, judge, load_gate
from training.gate_text import gate_text

PROFILE, N = Profile(tokens_per_point=20_000, max_thinking_tokens=8192), 300


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Fewer resamples: a second for each judgement otherwise."""
    monkeypatch.setattr("training.metrics.RESAMPLES", 60)
    monkeypatch.setattr("training.gate.sides.RESAMPLES", 200)


@pytest.fixture
def world():
    """Prompts of which half gain a point, in two tasks, and needs of thinking tokens of them."""
    rng = np.random.default_rng(1)
    gain = rng.permutation(np.repeat([0.0, 1.0], N // 2))
    table = pd.DataFrame(
        {
            "source": "s", "task": np.where(np.arange(N) % 6 == 0, "rare", "usual"), "language": "en", "group": np.arange(N).astype(str),
            "gain": gain, "extra_tokens": 400.0, "modelled": False, "thinking_mode": True,
        }
    )  # fmt: skip
    needs = pd.DataFrame({"group": table.group, "censored": False, "thinking_tokens": rng.integers(100, 1000, N) * 1.0})
    return table, needs


def side(world, *, noise, seed=0, flipped=None, budget=910.0, latency=10.0, shift=0.0, name="b"):
    """Answers that know the gain but for noise, calibrated unless P(use) is shifted; on rows `flipped` verdicts are the opposite."""
    table, needs = world
    seen = table.gain.to_numpy() + np.random.default_rng(seed).normal(0, noise, N)
    p = np.clip(1 / (1 + np.exp(-(seen - 0.5) / noise**2)) + shift, 0.0, 1.0)
    if flipped is not None:
        seen = np.where(flipped, 1 - seen, seen)
    told = table.assign(worth=seen, p_use=p, thinking_budget=np.where(seen > 0.5, 1000, 0), expected_extra_tokens=400.0)
    return Side(f"thinkworth/{name}", told, needs.assign(budget=budget), latency)


def failed(report):
    return [check.partition(":")[0] for check in report["failed"]]


def test_a_better_challenger_is_promotable(world):
    report = judge(side(world, noise=1.0), side(world, noise=0.4), PROFILE, GateConfig())
    assert report["outcome"] == PROMOTABLE
    assert report["improved"] == ["improved: net_benefit a prompt", "improved: q, macro over sources"]
    assert report["held_out"] == {"rows": N, "prompts": N, "pairs": N}
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    text = gate_text(report)
    assert text.startswith(
        "gate: promotable: thinkworth/b against thinkworth/b on 300 prompts that neither was fitted on"
    )
    assert "no scored production outcome of a drawn arm is recorded" in text


def test_the_same_bundle_is_not_better(world):
    report = judge(side(world, noise=0.6), side(world, noise=0.6), PROFILE, GateConfig())
    assert (report["outcome"], report["improved"], report["failed"]) == (NOT_BETTER, [], [])
    assert all(row["difference"] in (None, 0.0) for row in report["checks"])


@pytest.mark.parametrize("seed", range(8))
def test_noise_alone_is_neither_refused_nor_better(world, seed):
    report = judge(side(world, noise=1.0, seed=100 + seed), side(world, noise=1.0, seed=seed), PROFILE, GateConfig())
    assert report["outcome"] == NOT_BETTER


def test_a_worse_order_is_refused(world):
    report = judge(side(world, noise=0.4), side(world, noise=1.5), PROFILE, GateConfig())
    assert report["outcome"] == REFUSED
    assert "q, macro over sources" in report["failed"]


def test_a_slice_that_loses_refuses_what_is_better_in_all(world):
    rare = (world[0].task == "rare").to_numpy()
    report = judge(side(world, noise=1.0), side(world, noise=0.2, flipped=rare), PROFILE, GateConfig())
    assert report["outcome"] == REFUSED
    assert report["improved"]
    assert report["failed"] == ["net_benefit of the worst slice: task rare"]
    assert "task rare" in gate_text(report).splitlines()[-2]
    assert (
        judge(side(world, noise=1.0), side(world, noise=0.2, flipped=rare), PROFILE, GateConfig(slice_loss=0.9))[
            "outcome"
        ]
        == PROMOTABLE
    )


def test_worse_calibration_is_refused(world):
    report = judge(side(world, noise=0.6), side(world, noise=0.6, shift=0.3), PROFILE, GateConfig())
    assert failed(report) == ["ECE of P(use)"]


def test_budgets_that_fit_less_than_promised_are_refused(world):
    report = judge(side(world, noise=0.6, budget=910.0), side(world, noise=0.6, budget=700.0), PROFILE, GateConfig())
    assert failed(report) == ["budget coverage"]


def test_budgets_that_fit_no_more_than_promised_have_saved_tokens(world):
    report = judge(side(world, noise=0.6, budget=1000.0), side(world, noise=0.6, budget=920.0), PROFILE, GateConfig())
    assert failed(report) == []


@pytest.mark.parametrize(
    ("before", "after", "passes"), [(10, 29, True), (10, 31, False), (1, 5, True), (None, None, None)]
)
def test_a_slow_challenger_is_refused_where_no_noise_explains_it(world, before, after, passes):
    sides = (side(world, noise=0.6, latency=ms) for ms in (before, after))
    row = next(row for row in judge(*sides, PROFILE, GateConfig())["checks"] if row["check"] == "ms an answer")
    assert row["passed"] is passes


def test_few_held_out_prompts_decide_nothing(world):
    few = [one._replace(told=one.told.head(40)) for one in (side(world, noise=1.5), side(world, noise=0.1))]
    assert judge(*few, PROFILE, GateConfig())["failed"] == ["held-out prompts"]
    none = [one._replace(told=one.told.head(0), budgets=one.budgets.head(0)) for one in few]
    assert judge(*none, PROFILE, GateConfig())["failed"] == ["held-out prompts"]


def test_prompts_with_one_arm_say_what_verdicts_are_worth_and_nothing_of_the_order(world):
    table, needs = world
    sides = [side((table.assign(modelled=True), needs), noise=noise) for noise in (1.5, 0.2)]
    report = judge(*sides, PROFILE, GateConfig())
    assert report["improved"] == ["improved: net_benefit a prompt"]
    assert report["held_out"]["pairs"] == 0


def drawn(world, right=0.95, n=2000):
    """Decisions whose arm was drawn; the challenger takes the better arm."""
    rng = np.random.default_rng(5)
    better = np.where(rng.random(n) < 0.5, "reasoning", "direct")
    arm = np.where(rng.random(n) < 0.3, "reasoning", "direct")
    return pd.DataFrame(
        {
            "prompt": np.arange(n).astype(str), "arm": arm, "p_reasoning": 0.3, "score": np.where(arm == better, right, 0.5),
            "output_tokens": 100, "arm_champion": "direct", "arm_challenger": better,
        }
    )  # fmt: skip


def test_recent_outcomes_are_judged_by_inverse_propensities(world):
    outcomes = drawn(world)
    sides = side(world, noise=0.6), side(world, noise=0.6)

    def row(frame, *sides):
        report = judge(*sides, PROFILE, GateConfig(), frame)
        return next(row for row in report["checks"] if row["check"] == "net_benefit of recent outcomes"), report

    found, report = row(outcomes, *sides)
    assert report["outcomes"] == 2000
    assert found["challenger"] == pytest.approx(0.95 - 100 / 20_000, abs=0.05)
    assert found["difference"] == pytest.approx(0.225, abs=0.06)
    assert found["passed"] is True
    swapped = outcomes.rename(columns={"arm_champion": "arm_challenger", "arm_challenger": "arm_champion"})
    assert row(swapped, *sides)[1]["failed"] == ["net_benefit of recent outcomes"]
    unknown = outcomes.assign(p_reasoning=np.where(np.arange(2000) < 900, 1.0, 0.3))
    unknown.loc[900:999, "arm_challenger"] = None
    unknown.loc[1000:1049, "score"] = None
    assert row(unknown, *sides)[0]["n"] == 950
    with pytest.raises(InvalidInput, match="lack arm_challenger"):
        judge(*sides, PROFILE, GateConfig(), outcomes.drop(columns="arm_challenger"))
    assert set(OUTCOMES) == set(outcomes.columns)


def test_limits_are_read_and_a_misspelt_one_lists_the_known(tmp_path):
    (tmp_path / "gate.yaml").write_text("slice_loss: 0.05\n")
    assert load_gate(tmp_path / "gate.yaml").slice_loss == 0.05
    (tmp_path / "gate.yaml").write_text("slice_los: 0.05\n")
    with pytest.raises(InvalidInput, match=r"slice_los.*slice_loss"):
        load_gate(tmp_path / "gate.yaml")
