"""A made-up decision store of any size, written straight into the tables: for the page's benchmark, its pictures and its tests.

Nothing in it was measured; one thing is wrong with its decisions on purpose, so that pages have something to show.
"""

import hashlib
import math
import random
from datetime import UTC, datetime, timedelta
from tempfile import TemporaryDirectory
from typing import Any

import sqlalchemy as sa

from audit.config import AuditConfig
from audit.reading import read
from audit.report import audit
from contract.store.audit_tables import audits, slices, suspects
from contract.store.opening import migrate, open_store, reading
from contract.store.tables import bundles, decisions, gaps, outcomes, prompts, reviews

TASKS = {
    "multi_step_maths": (0.34, 1500), "table_question": (0.18, 900), "code_generation": (0.22, 2400), "report_lookup": (0.01, 700),
    "chit_chat": (-0.01, 350), "translation": (0.0, 500), "summarisation": (0.02, 800), "logic_puzzle": (0.29, 3100),
    "trivial_arithmetic": (0.0, 600), "extraction": (0.03, 450),
}  # fmt: skip
MODELS = ("claude-sonnet-4-5", "gpt-5-mini", "qwen3-32b", "deepseek-v3.2", None)
PROFILES = {"balanced": 20_000, "latency_critical": 2_000, "quality_critical": 100_000}
LANGUAGES = ("en", "en", "en", "de", "fr", "zh", None)
REVISIONS = ("thinkworth/4c1f0aa21e07", "thinkworth/9be2d7715f3c")
FIRST = datetime(2026, 9, 1, 6, tzinfo=UTC)
BLOCK = 5_000
SEED = 7

MOST_AUDITED = 3_000
"""Decisions that an audit really reads here; slices and suspects are made up, for a small store has few."""


def fill(engine: sa.Engine, n: int, *, days: int = 30, seed: int = SEED, suspected: int = 5_000) -> str:
    """Write n decisions over some days, outcomes of two thirds of them and one audit; return the audit's id.

    The report is of a real audit of the store; slices and suspects are made up.
    """
    rng = random.Random(seed)
    misrouted: list[dict[str, Any]] = []
    for start in range(0, n, BLOCK):
        some = [decision(rng, i, FIRST + timedelta(days=days) * (i / n)) for i in range(start, min(n, start + BLOCK))]
        told = [row for decision in some for row in _outcomes(rng, decision)]
        misrouted += [suspicion for decision in some if (suspicion := _suspicion(rng, decision))]
        with engine.begin() as connection:
            connection.execute(sa.insert(decisions), some)
            connection.execute(sa.insert(outcomes), told)
    with engine.begin() as connection:
        connection.execute(sa.insert(bundles), [_bundle(revision) for revision in REVISIONS])
    misrouted.sort(key=lambda row: -row["loss_points"])
    return _audit(engine, rng, n, days, misrouted[:suspected], seed)


def report(engine: sa.Engine, n: int, days: int, seed: int) -> dict[str, Any]:
    """Return what a real audit says of a made-up store; of a smaller one with the same days where it is larger than MOST_AUDITED."""
    if n <= MOST_AUDITED:
        with reading(engine) as connection:
            return audit(read(connection), AuditConfig(resamples=50), time=FIRST + timedelta(days=days)).report
    with TemporaryDirectory() as folder:
        small = open_store(f"sqlite:///{folder}/store.sqlite")
        migrate(small)
        fill(small, MOST_AUDITED, days=days, seed=seed)
        with reading(small) as connection:
            found: dict[str, Any] = connection.execute(sa.select(audits.c.report)).scalar_one()
        small.dispose()
    return found


def uuid7(when: datetime, number: int) -> str:
    """Return an id in the order of time, the same for the same arguments."""
    text = f"{int(when.timestamp() * 1000):012x}7{number % 4096:03x}8{hashlib.sha256(str(number).encode()).hexdigest()[:15]}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def decision(rng: random.Random, i: int, when: datetime) -> dict[str, Any]:
    task = rng.choices(list(TASKS), weights=[9, 6, 12, 10, 8, 5, 7, 3, 4, 6])[0]
    profile = rng.choices(list(PROFILES), weights=[8, 2, 2])[0]
    gain = TASKS[task][0] + rng.gauss(0, 0.05)
    extra = TASKS[task][1] * math.exp(rng.gauss(0, 0.4))
    net = gain - extra / PROFILES[profile]
    verdict = "use" if net > 0.03 else "avoid" if net < -0.03 else "maybe"
    policy = "reasoning" if verdict == "use" or (verdict == "maybe" and rng.random() < 0.3) else "direct"
    drawn = rng.random() < 0.1
    arm = rng.choice(("direct", "reasoning")) if drawn else policy
    budget = 0 if arm == "direct" else int(2 ** rng.uniform(9, 13))
    low, high = gain - 0.06, gain + 0.06
    p_use = min(0.97, max(0.01, 0.5 + gain))
    return {
        "decision_id": uuid7(when, i), "request_id": f"req-{i:07d}", "conversation_id": f"chat-{i // 3:06d}" if i % 4 else None,
        "time": when, "revision": REVISIONS[i % 1000 > 600], "profile": profile, "model": rng.choice(MODELS), "model_known": rng.random() < 0.8,
        "task": task, "language": rng.choice(LANGUAGES), "verdict": verdict, "arm": arm, "policy_arm": policy,
        "p_reasoning": 0.5 if drawn else float(policy == "reasoning"), "not_explored": None, "thinking_budget": budget,
        "reasoning_budget": budget or 2048, "effort": "none" if not budget else "low" if budget < 1500 else "medium", "enforced": True,
        "truncated": rng.random() < 0.02, "familiarity": min(1.0, max(0.0, rng.betavariate(4, 2))), "p_use": p_use, "p_maybe": (1 - p_use) / 4,
        "p_avoid": (1 - p_use) * 3 / 4, "expected_score_direct": rng.uniform(0.4, 0.9), "expected_gain": gain, "expected_gain_lower": low,
        "expected_gain_upper": high, "expected_extra_tokens": extra, "expected_net_benefit": net, "expected_cost_usd": extra * 1e-5,
        "expected_latency_s": extra / 80, "max_thinking_tokens": None, "max_latency_ms": None, "max_output_tokens": 4096, "cached_tokens": None,
        "prompt_characters": int(math.exp(rng.gauss(6, 1))), "prompt_digest": hashlib.sha256(str(i // 5).encode()).hexdigest(),
        "reasons": [f"nearest task family: {task} (probability 0.9)", f"expected gain {gain:+.3f} points; {extra:.0f} extra tokens"],
        "shadow": {"thinkworth/0a0b0c0d0e0f": {"verdict": "maybe", "arm": "reasoning", "net_benefit": round(net / 2, 3)}} if i % 7 == 0 else None,
    }  # fmt: skip


def _outcomes(rng: random.Random, decision: dict[str, Any]) -> list[dict[str, Any]]:
    if rng.random() < 0.33:
        return []
    arms = [
        decision["arm"],
        *(["direct" if decision["arm"] == "reasoning" else "reasoning"] if rng.random() < 0.03 else []),
    ]
    found = []
    for arm in arms:
        gain = 0.02 if _wrong(decision) else decision["expected_gain"]
        truth = decision["expected_score_direct"] + (gain if arm == "reasoning" else 0)
        tokens = int(
            200 * math.exp(rng.gauss(0, 0.5)) + (decision["expected_extra_tokens"] if arm == "reasoning" else 0)
        )
        row = {
            "decision_id": decision["decision_id"], "request_id": decision["request_id"], "arm": arm, "attempt": 0, "overridden": False,
            "score": float(rng.random() < truth) if rng.random() < 0.8 else None, "score_kind": "exact", "defect": rng.random() < 0.02,
            "output_tokens": tokens, "thinking_tokens": tokens // 2 if arm == "reasoning" else 0, "input_tokens": 300, "cost_usd": tokens * 1e-5,
            "gpu_seconds": None, "latency_s": 0.4 + tokens / 80 * math.exp(rng.gauss(0, 0.3)), "finish_reason": "stop", "source": "service",
            "time": decision["time"] + timedelta(seconds=40), "contradicts": False, "late": False,
        }  # fmt: skip
        found.append(row)
        if rng.random() < 0.01 and row["score"] is not None:
            again = row | {
                "score": 1 - row["score"],
                "contradicts": True,
                "time": row["time"] + timedelta(days=2),
                "late": True,
            }
            found.append(again)
    for row in found:
        name = f"{row['decision_id']} {row['arm']} {row['contradicts']}"
        row["outcome_id"] = uuid7(row["time"], int(hashlib.sha256(name.encode()).hexdigest()[:12], 16))
        row["digest"] = hashlib.sha256(name.encode()).hexdigest()
    return found


def _wrong(decision: dict[str, Any]) -> bool:
    """Where the made-up bundle is wrong: it thinks on code for one model, which gains nothing there."""
    return decision["task"] == "code_generation" and decision["model"] == "qwen3-32b"


def _suspicion(rng: random.Random, decision: dict[str, Any]) -> dict[str, Any] | None:
    net, reasoning = decision["expected_net_benefit"], decision["arm"] == "reasoning"
    p = 0.5 + 0.45 * rng.random() if _wrong(decision) and reasoning else 0.5 * rng.random() * math.exp(-abs(net) * 3)
    if p < 0.25:
        return None
    regret = abs(net) + 0.05
    kind = "overthinking" if reasoning else "underthinking"
    drawn = 0 < decision["p_reasoning"] < 1
    why = [
        f"the slice {decision['task']} says that the other arm was better",
        f"familiarity {decision['familiarity']:.2f}",
    ]
    return {
        "decision_id": decision["decision_id"], "kind": kind, "evidence": "explored" if drawn else "modelled", "p_misroute": p,
        "regret_points": regret, "loss_points": p * regret, "regret_tokens": decision["expected_extra_tokens"] * (1 if reasoning else -1), "why": why,
    }  # fmt: skip


def _audit(engine: sa.Engine, rng: random.Random, n: int, days: int, misrouted: list[dict[str, Any]], seed: int) -> str:
    end = FIRST + timedelta(days=days)
    audit_id = uuid7(end, 1)
    with engine.begin() as connection:
        if misrouted:
            connection.execute(sa.insert(suspects), [row | {"audit_id": audit_id} for row in misrouted])
        connection.execute(sa.insert(slices), [_slice(rng, i, audit_id, n) for i in range(60)])
        connection.execute(
            sa.insert(gaps),
            {"gap_id": uuid7(end, 2), "since": FIRST, "until": FIRST + timedelta(hours=1), "records": 12},
        )
        some = connection.execute(
            sa.select(decisions.c.decision_id, decisions.c.time).order_by(decisions.c.time).limit(40)
        ).all()
        connection.execute(
            sa.insert(reviews), [_review(i, decision_id, end) for i, (decision_id, _) in enumerate(some[::2])]
        )
        turns = '[["system", "Answer briefly."], ["user", "Write a function that merges two sorted lists."]]'
        kept = [{"decision_id": i, "time": when, "turns": turns, "tools": 0} for i, when in some]
        connection.execute(sa.insert(prompts), kept)
    row = {
        "audit_id": audit_id,
        "time": end,
        "since": FIRST,
        "until": end,
        "decisions": n,
        "report": report(engine, n, days, seed),
    }
    with engine.begin() as connection:
        connection.execute(sa.insert(audits), row)
    return audit_id


def _bundle(revision: str) -> dict[str, Any]:
    return {
        "revision": revision,
        "time": FIRST,
        "profiles": {
            name: {"tokens_per_point": price, "max_thinking_tokens": 8192} for name, price in PROFILES.items()
        },
        "unfamiliar_below": 0.5,
        "small_budget": 512,
        "data_digest": None,
    }


def _review(i: int, decision_id: str, end: datetime) -> dict[str, Any]:
    when = end + timedelta(minutes=i)
    mark = ("right", "wrong", "unsure")[i % 3]
    return {
        "review_id": uuid7(when, i),
        "decision_id": decision_id,
        "mark": mark,
        "comment": "",
        "reviewer": "ada",
        "time": when,
    }


def _slice(rng: random.Random, i: int, audit_id: str, n: int) -> dict[str, Any]:
    own: dict[str, Any] = dict.fromkeys(("task", "model", "profile", "language", "familiarity", "revision", "day"))
    name, values = (
        ("task", list(TASKS)), ("model", MODELS[:4]), ("profile", list(PROFILES)), ("language", ("en", "de", "fr", "zh")),
        ("familiarity", ("unfamiliar", "low", "middle", "high")), ("revision", REVISIONS),
    )[i % 6]  # fmt: skip
    own[name] = values[i // 6 % len(values)]
    if i == 0:
        own |= {"task": "code_generation", "model": "qwen3-32b"}
    over = i % 2 == 0
    mean = -0.11 if i == 0 else rng.gauss(0.09 if over else -0.07, 0.05)
    half = 0.02 + 0.06 * rng.random()
    lost = -mean if over else mean
    regret = max(0.0, lost)
    evidence = ("explored", "modelled", "observed_pairs")[i % 3 if i else 0]
    wrong = evidence != "modelled" and ((mean + half < 0) if over else (mean - half > 0))
    members = int(n * rng.uniform(0.01, 0.2))
    kind = "overthinking" if over else "underthinking"
    return own | {
        "audit_id": audit_id, "slice_id": i, "kind": kind, "title": f"{', '.join(f'{key} {value}' for key, value in own.items() if value)}: {kind}",
        "evidence": evidence,
        "found": "search" if i in (0, 7) else "dimension", "misrouted": wrong, "decisions": members,
        "evidence_n": members // 9, "net_benefit": mean, "net_benefit_lower": mean - half, "net_benefit_upper": mean + half,
        "p_value": None if evidence == "modelled" else 0.0004 if wrong else rng.random(),
        "p_adjusted": None if evidence == "modelled" else 0.024 if wrong else rng.uniform(0.2, 1), "regret_points": regret,
        **_bounded("points", regret, max(0.0, lost - half), max(0.0, lost + half), members),
        **_bounded("tokens", regret, max(0.0, lost - half), max(0.0, lost + half), members * 900),
        **_bounded("usd", regret, max(0.0, lost - half), max(0.0, lost + half), members * 0.009 if i % 4 else None),
    }  # fmt: skip


def _bounded(unit: str, mean: float, lower: float, upper: float, times: float | None) -> dict[str, float | None]:
    """Return a total of regret with its bounds; None where its unit has no price."""
    ends = {"": mean, "_lower": lower, "_upper": upper}
    return {f"regret_{unit}_total{end}": None if times is None else value * times for end, value in ends.items()}
