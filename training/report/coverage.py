"""Does thinking fit the recommended budget, and how much smaller is that than one constant budget for all."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.metrics import defined, interval, mean_measured

LEAST_ATTEMPTS = 20
"""Attempts of a source or task under which it is left out, and counted."""

Array = NDArray[Any]


def coverage(thinking_tokens: Array, budget: Array, censored: Array, groups: Array) -> dict[str, Any]:
    """Return how many reasoning attempts' thinking tokens fit their budgets, with 95 % intervals over prompts.

    An attempt that was cut off (`censored`) would have used more: how much is unknown. It is left out of `coverage`, where it
    counts as a miss in `coverage_at_least`.

    Args:
        thinking_tokens: of each attempt, [n].
        budget: the budget recommended for its prompt, in tokens [n].
        censored: whether the attempt was cut off, [n].
        groups: its prompt, [n].

    Returns:
        n and their prompts, censored, coverage, coverage_at_least, mean_budget, mean_tokens, constant_budget (the smallest constant of at least
        that coverage), and saved, 1 - mean_budget / constant_budget; None where no attempt is whole.
    """
    whole = ~censored.astype(bool)
    fits = (thinking_tokens <= budget).astype(float)
    out: dict[str, Any] = {
        "n": int(whole.sum()),
        "prompts": len(np.unique(groups[whole])),
        "censored": int((~whole).sum()),
    }
    if not whole.any():
        return out | dict.fromkeys(
            ("coverage", "coverage_at_least", "mean_budget", "mean_tokens", "constant_budget", "saved")
        )
    used, granted, prompts = thinking_tokens[whole], budget[whole], groups[whole]
    at_least = np.where(whole, fits, 0.0)

    def saved(rows: Array) -> float:
        return 1 - float(granted[rows].mean()) / constant_of(used[rows], float(fits[whole][rows].mean()))

    every = np.arange(len(used))
    return out | {
        "coverage": mean_measured(fits[whole], prompts),
        "coverage_at_least": mean_measured(at_least, groups),
        "mean_budget": float(granted.mean()), "mean_tokens": float(used.mean()),
        "constant_budget": constant_of(used, float(fits[whole].mean())),
        "saved": {"value": defined(saved(every)), "interval": interval(saved, prompts)},
    }  # fmt: skip


def constant_of(thinking_tokens: Array, share: float) -> float:
    """Return the smallest constant budget, at least 1, that a share of the attempts fits."""
    n = len(thinking_tokens)
    rank = min(max(int(np.ceil(share * n - 1e-9)), 1), n)
    return max(float(np.sort(thinking_tokens)[rank - 1]), 1.0)


def coverage_by(
    names: Mapping[str, Array],
    thinking_tokens: Array,
    budget: Array,
    censored: Array,
    groups: Array,
    target_is: Array | None = None,
) -> dict[str, Any]:
    """Return `coverage` of all attempts and by each kind of part (`source`, `task`: names [n]), small parts left out and counted.

    Each has `targets` beside it: how many of its needs were read off what (`training.budget_targets`; `target_is` [n]), cut-off
    attempts included; empty where that is not given.
    """

    def part(rows: Array) -> dict[str, Any]:
        read_off = [] if target_is is None else target_is[rows].astype(str).tolist()
        covered = coverage(thinking_tokens[rows], budget[rows], censored[rows], groups[rows])
        return covered | {"targets": {str(name): read_off.count(name) for name in sorted(set(read_off))}}

    out: dict[str, Any] = {"all": part(np.arange(len(thinking_tokens)))}
    for kind, of in names.items():
        parts, left_out = {}, 0
        for name in sorted({str(value) for value in of}):
            rows = np.flatnonzero(of.astype(str) == name)
            if len(rows) < LEAST_ATTEMPTS:
                left_out += len(rows)
                continue
            parts[name] = part(rows)
        out[kind] = {"parts": parts, "attempts_left_out": left_out}
    return out
