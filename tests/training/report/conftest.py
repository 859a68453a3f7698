"""Predictions beside outcomes of a known truth, as the parts of the report take them."""

import numpy as np
import pandas as pd
import pytest

from contract.profiles import Profile


@pytest.fixture
def profile():
    return Profile(tokens_per_point=20_000, max_thinking_tokens=8192)


@pytest.fixture
def told():
    """What makes a table of n pairs: gain -1, 0 or 1 as likely as the prediction says, `noise` of how far the order is off."""

    def make(n=400, *, seed=0, noise=0.0, source="logs", models=1, **columns):
        rng = np.random.default_rng(seed)
        expected = np.repeat(rng.uniform(-0.3, 0.9, n // models), models)[:n]
        gain = np.where(rng.uniform(size=n) < np.abs(expected), np.sign(expected), 0.0)
        worth = expected + noise * rng.normal(size=n)
        net = worth - 0.05
        table = pd.DataFrame(
            {
                "source": source, "prompt_id": [f"{i // models}" for i in range(n)], "model": [f"m{i % models}" for i in range(n)],
                "task": ["sums" if i % 2 else "words" for i in range(n)], "group": [f"{source}{i // models}" for i in range(n)],
                "gain": gain, "score_direct": np.where(gain > 0, 0.0, np.where(gain < 0, 1.0, 0.5)),
                "extra_tokens": rng.integers(100, 2000, n).astype(float), "worth": worth, "expected_gain": worth,
                "expected_extra_tokens": 1000.0, "net_benefit": net, "p_use": np.clip(expected, 0.0, 1.0),
                "verdict": np.select([net > 0.1, net < -0.1], ["use", "avoid"], "maybe"),
                "familiarity": rng.uniform(0.5, 1.0, n), "expected_score_direct": rng.uniform(size=n),
                "characters": rng.integers(20, 4000, n).astype(float), "modelled": False,
            }
        )  # fmt: skip
        return table.assign(**columns)

    return make
