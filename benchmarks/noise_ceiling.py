"""How far q can be expected to go where attempts are noise: how well one half of a prompt's attempts orders the other half, as JSON.

    python benchmarks/noise_ceiling.py LOGS... [--draws 20] [--out FILE]

Of each pair with two scored attempts or more in both arms, the attempts of each arm are parted into halves at random, DRAWS times. The
gain of one half, per extra token of its attempts, orders the pairs; the other half judges. So `other_attempts` is what an order reaches
that has already asked this very prompt so often. It is a reference and no bound: an order that knew each prompt's expected gain would
reach more, and this one too, were there more attempts. Beside it the task's mean gain in the first half.
Logs of one attempt an arm say nothing of it: they are left out, and so are their figures.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from contract.records import PAIR_KEY, Arm
from training.evidence import prompts_of
from training.labels import label
from training.logs import read_logs
from training.metrics import held, qs, resampled

KEY = list(PAIR_KEY)
LEAST_PAIRS = 30


def halves(attempts: pd.DataFrame, seed: int) -> list[pd.DataFrame]:
    """Return gain and extra tokens of each pair by each half of its attempts, in the order of the keys."""
    mixed = attempts.sample(frac=1, random_state=seed)
    turn = mixed.groupby([*KEY, "arm"]).cumcount() % 2
    found = []
    for half in (0, 1):
        mean = mixed[turn == half].groupby([*KEY, "arm"])[["score", "output_tokens"]].mean().unstack("arm")
        gain, extra = (mean[name][Arm.REASONING] - mean[name][Arm.DIRECT] for name in ("score", "output_tokens"))
        found.append(pd.DataFrame({"gain": gain, "extra": extra.clip(lower=1.0)}).sort_index())
    return found


def ceiling(log: pd.DataFrame, draws: int) -> dict[str, Any] | None:
    """Return q of what one half of the attempts says, judged by the other; None of too few pairs of repeated attempts."""
    scored = log[log.score.notna() & log.output_tokens.notna()].astype({"score": float, "output_tokens": float})
    size = scored.groupby([*KEY, "arm"]).size().unstack("arm").reindex(columns=[*Arm])
    repeated = size[(size >= 2).all(axis=1)]
    if len(repeated) < LEAST_PAIRS:
        return None
    own = scored.merge(repeated.reset_index()[KEY], on=KEY)
    first = own.drop_duplicates(KEY).set_index(KEY).sort_index()
    task, groups = first.task.astype("string").fillna(""), np.array([prompt.digest for prompt in prompts_of(first)])
    drawn = [halves(own, draw) for draw in range(draws)]
    names = ("other_attempts", "task_means")

    def means(rows: Any) -> Any:
        found = []
        for seen, judge in drawn:
            gain, extra = judge.gain.to_numpy()[rows], judge.extra.to_numpy()[rows]
            by_task = seen.gain.groupby(task.to_numpy()).transform("mean").to_numpy()[rows]
            found.append(qs([(seen.gain / seen.extra).to_numpy()[rows], by_task], gain, extra))
        return np.mean(found, axis=0)

    value, again = means(np.arange(len(first))), resampled(means, groups)
    figures = {name: held(value[i], again[:, i]) for i, name in enumerate(names)}
    return {"n": len(first), "attempts_an_arm": float(repeated.to_numpy().mean()), **figures}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS / "noise_ceiling.json")
    options, before = parser.parse_args(), provenance()
    figures = {}
    for path in options.logs:
        log = read_logs([path]).table
        pairs = label(log, {}).query("gain.notna()")
        figures[path.stem] = ceiling(log.merge(pairs[KEY], on=KEY), options.draws)
        print(path.stem, figures[path.stem], flush=True)
    write({**before, "draws": options.draws, **figures}, options.out)


if __name__ == "__main__":
    main()
