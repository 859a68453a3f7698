"""Logs with a known truth, for tests, tutorials and scale benchmarks; every row says that it is simulated.

The generative model, for each prompt i:

1. a family f of the taxonomy and one of its prompts, both uniform, made distinct by a number at its end;
2. expected scores, per arm: s ~ Beta(30 m, 30 (1 - m)), m the family's prior score of the arm;
3. expected visible tokens: 180 x L(0.5) in both arms; expected thinking tokens: the prior's x L(0.4), 0 for direct;
   L(sigma) is a lognormal draw of mean 1;
4. attempts: score 0 or 1 with P(1) = s in the regimes medium and hopeless (a checked answer), ~ Beta(10 s, 10 (1 - s))
   in the regime easy (a graded one); visible tokens x L(0.3), thinking tokens x L(0.35), rounded, at least 1;
   output_tokens their sum; latency 0.4 s + output_tokens / 60.

So the three regimes are those of the taxonomy: easy (thinking wastes), medium (it pays), hopeless (both fail).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from contract.errors import InvalidInput
from contract.records import COLUMNS, Arm, column_kind
from training.files import table_format, write_table
from training.taxonomy import Family

SOURCE = "simulated"
CONCENTRATION, GRADING = 30.0, 10.0
VISIBLE_TOKENS, TOKENS_A_SECOND, FIRST_TOKEN_S = 180.0, 60.0, 0.4
ARMS = ((Arm.DIRECT, "off"), (Arm.REASONING, "on"))
_NEARLY_NONE = 1e-3
_TYPES: dict[type, Any] = {
    str: pd.StringDtype("pyarrow"),
    int: pd.Int64Dtype(),
    float: np.dtype("float64"),
    bool: pd.BooleanDtype(),
    datetime: pd.DatetimeTZDtype("us", "UTC"),
}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Simulated:
    """Simulated attempts (the log table) and the truth about each prompt (its expectations per arm)."""

    table: pd.DataFrame
    truth: pd.DataFrame


def simulate_logs(families: Sequence[Family], prompts: int, *, attempts: int = 2, seed: int = 0) -> Simulated:
    """Return `attempts` attempts in each arm for each of `prompts` prompts; the same arguments give the same rows.

    Raises:
        InvalidInput: a number is not positive, or there is no family.
    """
    if prompts < 1 or attempts < 1 or seed < 0 or not families:
        raise InvalidInput("simulate needs at least one prompt, one attempt and one family, and a seed from 0 up")
    rng = np.random.default_rng(seed)
    family = rng.integers(len(families), size=prompts)
    texts = _texts(families, family, rng)
    truth = _truth(families, family, rng)
    truth.insert(0, "prompt_id", pd.array([f"{SOURCE}-{seed}-{i}" for i in range(prompts)], dtype=_TYPES[str]))
    truth["task"] = _repeated([f.name for f in families], family)
    truth["regime"] = _repeated([f.regime for f in families], family)
    return Simulated(attempts_at(truth, texts, attempts, rng), truth)


def write_simulated(simulated: Simulated, out: Path) -> Path:
    """Write the log to `out` and the truth to `<out>.truth.parquet`, whose path is returned.

    Raises:
        InvalidInput: the suffix is unknown, or the place cannot be written.
    """
    table_format(out)
    truth = out.with_name(f"{out.name}.truth.parquet")
    write_table(simulated.truth, truth)
    write_table(simulated.table, out)
    return truth


def _repeated(names: Sequence[str], at: npt.NDArray[np.int64]) -> Any:
    return pd.array(names, dtype=_TYPES[str]).take(at)


def _texts(families: Sequence[Family], family: npt.NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    sizes = np.array([len(f.prompts) for f in families])
    chosen = rng.integers(sizes[family])
    return [
        f"{families[f].prompts[p]} (no. {i})"
        for i, (f, p) in enumerate(zip(family.tolist(), chosen.tolist(), strict=True), 1)
    ]


def _spread(rng: np.random.Generator, sigma: float, size: int) -> Floats:
    """Return lognormal draws of mean 1."""
    return rng.lognormal(-(sigma**2) / 2, sigma, size)


def _beta(rng: np.random.Generator, mean: Floats, concentration: float) -> Floats:
    mean = np.clip(mean, _NEARLY_NONE, 1 - _NEARLY_NONE)
    return rng.beta(concentration * mean, concentration * (1 - mean))


def _truth(families: Sequence[Family], family: npt.NDArray[np.int64], rng: np.random.Generator) -> pd.DataFrame:
    """Return the expectations of each prompt, per arm."""
    size = len(family)
    score = {
        Arm.DIRECT: np.array([f.prior.score_direct for f in families])[family],
        Arm.REASONING: np.array([f.prior.score_reasoning for f in families])[family],
    }
    expected = {arm: np.clip(_beta(rng, score[arm], CONCENTRATION), _NEARLY_NONE, 1 - _NEARLY_NONE) for arm in score}
    visible = VISIBLE_TOKENS * _spread(rng, 0.5, size)
    thinking = np.array([f.prior.thinking_tokens for f in families])[family] * _spread(rng, 0.4, size)
    return pd.DataFrame(
        {
            "expected_score_direct": expected[Arm.DIRECT],
            "expected_score_reasoning": expected[Arm.REASONING],
            "expected_gain": expected[Arm.REASONING] - expected[Arm.DIRECT],
            "expected_output_tokens_direct": visible,
            "expected_output_tokens_reasoning": visible + thinking,
            "expected_thinking_tokens_reasoning": thinking,
            "expected_extra_tokens": thinking,
        }
    )


def attempts_at(truth: pd.DataFrame, texts: Sequence[str], attempts: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return `attempts` drawn in each arm for each row of `truth`, as a log table: a prompt's together, direct first."""
    size = len(truth)
    graded = (truth["regime"] == "easy").to_numpy(bool)
    prompt = pd.array(texts, dtype=_TYPES[str])
    parts = []
    for arm, setting in ARMS:
        expected = truth[f"expected_score_{arm.value}"].to_numpy(np.float64)
        for attempt in range(1, attempts + 1):
            checked = (rng.random(size) < expected).astype(np.float64)
            columns: dict[str, Any] = {"prompt": prompt, "prompt_id": truth["prompt_id"], "task": truth["task"]}
            columns |= {"arm": arm.value, "thinking_setting": setting, "attempt": attempt}
            columns["score"] = np.where(graded, _beta(rng, expected, GRADING), checked)
            columns |= _tokens(truth, arm, rng)
            parts.append(pd.DataFrame(columns))
    rows = pd.concat(parts, ignore_index=True)
    rows = rows.iloc[np.arange(len(rows)).reshape(-1, size).T.ravel()].reset_index(drop=True)
    return _as_log(rows)


def _tokens(truth: pd.DataFrame, arm: Arm, rng: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    size = len(truth)
    visible = truth["expected_output_tokens_direct"].to_numpy(np.float64) * _spread(rng, 0.3, size)
    visible = np.maximum(np.rint(visible), 1).astype(np.int64)
    thinking = np.zeros(size, dtype=np.int64)
    if arm is Arm.REASONING:
        expected = truth["expected_thinking_tokens_reasoning"].to_numpy(np.float64)
        thinking = np.maximum(np.rint(expected * _spread(rng, 0.35, size)), 1).astype(np.int64)
    output = visible + thinking
    latency = np.round(FIRST_TOKEN_S + output / TOKENS_A_SECOND, 3)
    return {"output_tokens": output, "thinking_tokens": thinking, "latency_s": latency}


def _as_log(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with every column of the log table, in its types."""
    said = {
        "source": SOURCE,
        "model": "simulated-model",
        "score_kind": "simulated (known truth)",
        "pair_kind": "toggle",
        "language": "en",
        "finish_reason": "stop",
        "licence": "Apache-2.0",
    }
    columns = {
        name: rows[name].astype(_TYPES[column_kind(name)])
        if name in rows
        else pd.Series(said.get(name), index=rows.index, dtype=_TYPES[column_kind(name)])
        for name in COLUMNS
    }
    return pd.DataFrame(columns)
