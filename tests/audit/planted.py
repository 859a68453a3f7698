"""A decision store with a known truth, made from the tables alone: it shares no code with the audit that is to find what is planted.

Each (task, model) has its own expected scores in both arms; prompts differ around them. The bundle expects the truth, but for noise, and
the policy takes the arm that the bundle expects to be better: right in the mean of every slice, or even where thinking neither gains nor
loses. In planted slices the bundle is wrong, and the policy takes the worse arm.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import sqlalchemy as sa

from contract.store import tables

TASKS = tuple(f"task_{i:02d}" for i in range(12))
MODELS = ("small", "middle", "large")
LANGUAGES = ("en", "de", "zh", None)
START = datetime(2026, 3, 1, tzinfo=UTC)
PROFILES = {
    "balanced": {
        "tokens_per_point": 20000, "seconds_per_point": None, "max_thinking_tokens": 8192, "max_latency_s": 30, "margin": 0.02,
        "maybe_arm": "small_budget",
    },
    "quality_critical": {
        "tokens_per_point": 100000, "seconds_per_point": None, "max_thinking_tokens": 32768, "max_latency_s": None, "margin": 0.02,
        "maybe_arm": "small_budget",
    },
}  # fmt: skip
DOLLARS_PER_TOKEN = 1e-5


@dataclass(frozen=True)
class Slice:
    """A planted slice: its conditions, the arm that the policy wrongly takes there, and the mean net_benefit lost by it, in points."""

    where: dict[str, str]
    kind: str = "overthinking"
    loss: float = 0.15

    def rows(self, table: pd.DataFrame) -> np.ndarray:
        mask = np.ones(len(table), bool)
        for name, value in self.where.items():
            mask &= (table[name] == value).to_numpy(bool)
        return mask


def truth(
    n: int, planted: tuple[Slice, ...] = (), *, seed: int = 0, repeats: float = 1.5, even: float = 0.3
) -> pd.DataFrame:
    """Return decisions with what is true of them: theta_direct, theta_reasoning, extra_tokens, net_benefit (of the prompt) and
    mean_net_benefit (of all prompts like it); and what the bundle expects.

    Args:
        n: decisions.
        planted: slices where the policy is wrong.
        seed: of all.
        repeats: decisions a prompt, on average.
        even: share of the (task, model) where thinking neither gains nor loses, so that either arm is right.
    """
    rng = np.random.default_rng(seed)
    prompts = max(int(n / repeats), 1)
    prompt = rng.integers(0, prompts, n)
    of = pd.DataFrame(
        {
            "task": rng.choice(TASKS, prompts, p=rng.dirichlet(np.full(len(TASKS), 8.0))),
            "language": rng.choice(np.array(LANGUAGES, dtype=object), prompts, p=[0.6, 0.15, 0.15, 0.1]),
            "ease": rng.normal(0, 0.12, prompts), "worth": rng.normal(0, 0.06, prompts), "familiarity": rng.beta(4, 1.5, prompts),
            "prompt_characters": rng.lognormal(6, 1, prompts).astype(int) + 1,
        }
    ).iloc[prompt].reset_index(drop=True)  # fmt: skip
    table = of.assign(
        prompt=prompt, model=rng.choice(MODELS, n, p=[0.5, 0.3, 0.2]), profile=rng.choice(list(PROFILES), n, p=[0.7, 0.3]),
        revision=rng.choice(["r1", "r2"], n), time=[START + timedelta(seconds=float(s)) for s in np.sort(rng.uniform(0, 20 * 86400, n))],
    )  # fmt: skip
    cell = table.groupby(["task", "model"]).ngroup().to_numpy()
    cells = cell.max() + 1
    base, gain = rng.uniform(0.3, 0.7, cells)[cell], rng.choice([-0.12, 0.0, 0.15, 0.25], cells)[cell]
    per_point = table.profile.map({name: p["tokens_per_point"] for name, p in PROFILES.items()}).to_numpy(float)
    extra = rng.lognormal(6.3, 0.4, cells)[cell] * np.exp(rng.normal(0, 0.3, n) - 0.045)
    typical = pd.Series(extra).groupby(cell).transform("mean").to_numpy()
    net = gain - typical / per_point  # of the cell in this profile
    coin = np.random.default_rng((seed, 1))
    net = np.where(coin.random(cells)[cell] < even, 0.0, net)
    arm, expected = np.where(net == 0, coin.random(cells)[cell] < 0.5, net > 0), net.copy()
    for slice_ in planted:
        rows = slice_.rows(table)
        sign = -1.0 if slice_.kind == "overthinking" else 1.0
        net[rows], arm[rows] = sign * slice_.loss, slice_.kind == "overthinking"
        expected[rows] = -sign * 0.1
    direct = np.clip(base + table.ease - net / 2, 0.02, 0.98)
    reasoning = np.clip(base + table.ease + net / 2 + typical / per_point + table.worth, 0.02, 0.98)
    return table.assign(
        theta_direct=direct, theta_reasoning=reasoning, extra_tokens=extra, net_benefit=reasoning - direct - extra / per_point,
        mean_net_benefit=net, policy_reasoning=arm, per_point=per_point,
        expected_score_direct=np.clip(direct + rng.normal(0, 0.05, n), 0, 1), expected_net_benefit=expected + rng.normal(0, 0.02, n),
        expected_extra_tokens=typical,
    )  # fmt: skip


def rows(
    true: pd.DataFrame, *, rate: float = 0.2, shadow: float = 0.0, scored: float = 0.9, lost_if_wrong: float = 0.0, graded: bool = False,
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, list[dict]]:  # fmt: skip
    """Return rows of the tables decisions, outcomes and bundles on a truth.

    Args:
        true: of `truth`.
        rate: share of decisions whose arm is drawn.
        shadow: share of decisions that have an outcome in either arm.
        scored: share of outcomes with a score.
        lost_if_wrong: share of the reasoning arm's scores below a half that are never told.
        graded: scores are multiples of a quarter rather than 0 or 1.
        seed: of draws and outcomes.
    """
    rng = np.random.default_rng((seed, 5))
    n, policy = len(true), true.policy_reasoning.to_numpy(bool)
    p_reasoning = np.where(policy, 1 - rate / 2, rate / 2)
    drawn = rng.random(n) < p_reasoning
    ids = np.array([f"{i:012x}-{seed:08x}" for i in range(n)])
    told = [_outcomes(true, drawn, rng, scored, lost_if_wrong, graded).assign(decision_id=ids)]
    both = rng.random(n) < shadow
    if both.any():
        other = _outcomes(true, ~drawn, rng, scored, lost_if_wrong, graded).assign(decision_id=ids)
        told.append(other[both])
    outcomes = pd.concat(told, ignore_index=True)
    outcomes["outcome_id"] = outcomes["digest"] = [f"{i:012x}" for i in range(len(outcomes))]
    bundle = {
        "time": START,
        "profiles": PROFILES,
        "unfamiliar_below": 0.3,
        "small_budget": 1024,
        "data_digest": "0" * 64,
    }
    return _decisions(true, ids, drawn, p_reasoning), outcomes, [{"revision": r, **bundle} for r in ("r1", "r2")]


def fill(engine: sa.Engine, decided: pd.DataFrame, outcomes: pd.DataFrame, bundles: list[dict]) -> None:
    """Write rows into a migrated, empty store."""
    with engine.begin() as connection:
        if bundles:
            connection.execute(sa.insert(tables.bundles), bundles)
        for table, frame in ((tables.decisions, decided), (tables.outcomes, outcomes)):
            listed = frame.astype(object).where(frame.notna(), None).to_dict("records")
            for start in range(0, len(listed), 20_000):
                connection.execute(sa.insert(table), listed[start : start + 20_000])


def _outcomes(
    true: pd.DataFrame, arm: np.ndarray, rng: np.random.Generator, scored: float, lost_if_wrong: float, graded: bool
) -> pd.DataFrame:
    n = len(true)
    theta = np.where(arm, true.theta_reasoning, true.theta_direct)
    score = rng.binomial(4, theta) / 4 if graded else (rng.random(n) < theta).astype(float)
    lost = (rng.random(n) > scored) | (arm & (score < 0.5) & (rng.random(n) < lost_if_wrong))
    thinking = np.where(arm, true.extra_tokens * np.exp(rng.normal(0, 0.3, n) - 0.045), 0)
    tokens = (rng.gamma(4, 30, n) + thinking).astype(int)
    return pd.DataFrame(
        {
            "arm": np.where(arm, "reasoning", "direct"), "attempt": 0, "score": np.where(lost, np.nan, score),
            "overridden": False, "output_tokens": tokens, "thinking_tokens": np.minimum(thinking.astype(int), tokens),
            "latency_s": tokens / 80 + rng.gamma(2, 0.1, n), "defect": score < 0.25, "cost_usd": tokens * DOLLARS_PER_TOKEN,
            "finish_reason": np.where(rng.random(n) < 0.01, "length", "stop"), "source": "planted",
            "time": true.time + timedelta(minutes=1), "contradicts": False, "late": False,
        }
    )  # fmt: skip


def _decisions(true: pd.DataFrame, ids: np.ndarray, drawn: np.ndarray, p_reasoning: np.ndarray) -> pd.DataFrame:
    net, policy = true.expected_net_benefit, true.policy_reasoning.to_numpy(bool)
    gain = net + true.expected_extra_tokens / true.per_point
    budget = np.where(policy | drawn, 4096, 1024)
    columns = ["time", "revision", "profile", "model", "task", "language", "familiarity", "prompt_characters"]
    expected = ["expected_score_direct", "expected_extra_tokens", "expected_net_benefit"]
    return true[[*columns, *expected]].assign(
        decision_id=ids, model_known=True, verdict=np.where(policy, "use", "avoid"), arm=np.where(drawn, "reasoning", "direct"),
        policy_arm=np.where(policy, "reasoning", "direct"), p_reasoning=p_reasoning, thinking_budget=np.where(drawn, budget, 0),
        reasoning_budget=budget, effort="low", enforced=True, truncated=False, p_use=np.clip(0.5 + 2 * net, 0, 1), p_maybe=0.0,
        p_avoid=1 - np.clip(0.5 + 2 * net, 0, 1), expected_gain=gain, expected_gain_lower=gain - 0.05, expected_gain_upper=gain + 0.05,
        expected_cost_usd=true.expected_extra_tokens * DOLLARS_PER_TOKEN, prompt_digest=[f"{p:016x}" for p in true.prompt],
        reasons=[[]] * len(true),
    )  # fmt: skip


def logged_pairs(log: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of a log of real attempts: task, model, language, prompt, and the first scored attempt of either arm."""
    usable = log[(log.pair_kind == "toggle") & log.flag.isna() & log.score.notna()]
    key = ["source", "prompt_id", "model", "task"]
    first = usable.sort_values("attempt", kind="stable").drop_duplicates([*key, "arm"])
    wide = first.pivot(index=key, columns="arm", values=["score", "output_tokens"]).dropna(
        subset=[("score", "direct"), ("score", "reasoning")]
    )
    wide.columns = [f"{name}_{arm}" for name, arm in wide.columns]
    return wide.reset_index()


def hidden(pairs: pd.DataFrame, *, wrong: float, p: float, seed: int) -> tuple[pd.DataFrame, tuple]:
    """Return real pairs as decisions with one arm hidden, and the rows of the tables for them.

    The policy takes the arm that is better in the mean of a pair's task and model, but in a share `wrong` of those where that matters
    (250 pairs, .15 points) it takes the other. The arm is the policy's with the probability 1 - p.

    Returns:
        The pairs with net_benefit, policy_reasoning and `planted`, and (decisions, outcomes, bundles).
    """
    rng = np.random.default_rng((seed, 3))
    n, per_point = len(pairs), PROFILES["balanced"]["tokens_per_point"]
    extra = (pairs.output_tokens_reasoning - pairs.output_tokens_direct).astype(float)
    net = (pairs.score_reasoning - pairs.score_direct).astype(float) - extra.fillna(extra.median()) / per_point
    cell = pairs.groupby(["task", "model"], dropna=False).ngroup().to_numpy()
    mean, size = net.groupby(cell).transform("mean").to_numpy(), net.groupby(cell).transform("size").to_numpy()
    planted = (np.abs(mean) >= 0.15) & (size >= 250) & (rng.random(cell.max() + 1) < wrong)[cell]
    policy = (mean > 0) != planted
    p_reasoning = np.where(policy, 1 - p, p)
    drawn = rng.random(n) < p_reasoning
    true = pd.DataFrame(
        {
            "task": pairs.task, "model": pairs.model, "language": "en", "profile": "balanced", "revision": "r1", "familiarity": 0.7,
            "time": [START + timedelta(minutes=i) for i in range(n)], "prompt_characters": 100, "prompt": pd.factorize(pairs.prompt_id)[0],
            "expected_score_direct": pairs.score_direct.mean(), "expected_extra_tokens": float(extra.mean()), "per_point": per_point,
            "expected_net_benefit": np.where(policy, 0.1, -0.1), "policy_reasoning": policy, "net_benefit": net, "planted": planted,
        }
    )  # fmt: skip
    ids = np.array([f"{i:012x}-{seed:08x}" for i in range(n)])
    outcomes = pd.DataFrame(
        {
            "decision_id": ids, "arm": np.where(drawn, "reasoning", "direct"), "attempt": 0, "overridden": False,
            "score": np.where(drawn, pairs.score_reasoning, pairs.score_direct).astype(float),
            "output_tokens": np.where(drawn, pairs.output_tokens_reasoning, pairs.output_tokens_direct), "source": "planted",
            "time": true.time, "contradicts": False, "late": False, "outcome_id": ids, "digest": ids,
        }
    )  # fmt: skip
    bundle = {
        "revision": "r1",
        "time": START,
        "profiles": PROFILES,
        "unfamiliar_below": 0.3,
        "small_budget": 1024,
        "data_digest": "0" * 64,
    }
    return true, (_decisions(true, ids, drawn, p_reasoning), outcomes, [bundle])
