"""What the noise of labels is worth knowing: their confidence on held-out attempts, and training that follows it, as JSON.

    python benchmarks/noise.py LOGS... [--draws 10] [--out FILE]

Confidence: of logs with repeats, each pair is labelled by one, two or three attempts an arm, drawn at random, and judged by the
others: the Brier score of label_confidence against the sign of the gain that these show (an even one counts half), and the mean
squared error of the expected gain; beside them the same without shrinkage of the mean (the gain as it is, over its standard
error). Negative differences say that shrinkage is better.

Training: by folds of prompts, boosting on both views and the features as the heads use it, fitted on hard labels or on targets
and weights that follow the posterior, orders the held-out pairs, whose gains are means of all their attempts; q of each way, and
its difference to hard labels. Where there are repeats, the attempts that training sees are thinned to a random number from 1 on,
each arm its own. `weighted` weighs by the precision of a gain (regression) or by label_confidence (classes); `shrunk` replaces
gains by posterior means, `soft` classes by their posterior probabilities. All draws count alike; intervals are over prompts.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from contract.encoder import Encoder
from contract.features import FEATURE_NAMES
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.records import PAIR_KEY
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import realised_extra_tokens
from training.evidence import Rows, fraction, unit_rows
from training.inputs import components
from training.label_confidence import ArmScores, Posterior, normal, posterior, standard_error
from training.labels import label
from training.log_rows import group_codes
from training.logs import read_logs
from training.metrics import measured, q
from training.soft_labels import labels_of
from training.trees import fit_classifier, fit_tree, regressor

KEY = list(PAIR_KEY)
ARMS = ("direct", "reasoning")
ATTEMPTS = (1, 2, 3)
LEAST_PAIRS = 100
FOLDS = 5


class Known(NamedTuple):
    """What some attempts say of each pair: its gain, the standard error and the posterior."""

    gain: Any
    error: Any
    likely: Posterior


def known(attempts: pd.DataFrame, pairs: pd.DataFrame) -> Known:
    """Return what attempts say of pairs (key and task), which all have both arms."""
    group = attempts.groupby([*KEY, "arm"]).score
    found = pd.DataFrame({"count": group.size(), "mean": group.mean(), "squares": group.var(ddof=0) * group.size()})
    keys = pd.MultiIndex.from_frame(pairs[KEY])
    arms: list[Any] = [found.xs(arm, level="arm").reindex(keys).astype(float) for arm in ARMS]
    gain = (arms[1]["mean"] - arms[0]["mean"]).to_numpy()
    scores = [ArmScores(**{name: arm[name].to_numpy() for name in ("count", "mean", "squares")}) for arm in arms]
    source, model, task = (group_codes(pairs, tuple(key)) for key in (["source"], KEY[::2], [*KEY[::2], "task"]))
    error = standard_error(scores[0], scores[1], source)
    return Known(gain, error, posterior(gain, error, task, model))


def shuffled(attempts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the attempts in random order, `turn` counting those of an arm from 0 on."""
    out = attempts.sample(frac=1, random_state=seed)
    return out.assign(turn=out.groupby([*KEY, "arm"]).cumcount())


def thinned(attempts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return of each pair and arm a random number of its attempts, at least one, at random."""
    mixed = shuffled(attempts, seed)
    sizes = mixed.groupby([*KEY, "arm"]).turn.transform("size")
    share = mixed[[*KEY, "arm"]].drop_duplicates().assign(share=lambda t: np.random.default_rng(seed).random(len(t)))
    drawn = mixed[[*KEY, "arm"]].merge(share, on=[*KEY, "arm"], how="left").share.to_numpy()
    return mixed[(mixed.turn <= np.floor(drawn * sizes)).to_numpy(bool)]


def confidence(attempts: pd.DataFrame, pairs: pd.DataFrame, count: int, draws: int) -> dict[str, Any] | None:
    """Return how far labels by `count` attempts an arm are trusted, and how far the other attempts bear them out."""
    sizes = attempts.groupby([*KEY, "arm"]).size().unstack().min(axis=1)
    enough = sizes.reindex(pd.MultiIndex.from_frame(pairs[KEY])).to_numpy() > count
    chosen = pairs[enough].reset_index(drop=True)
    if len(chosen) < LEAST_PAIRS:
        return None
    own = attempts.merge(chosen[KEY], on=KEY)
    columns: dict[str, list[Any]] = {}
    for draw in range(draws):
        mixed = shuffled(own, draw)
        seen, rest = known(mixed[mixed.turn < count], chosen), known(mixed[mixed.turn >= count], chosen)
        right = np.where(rest.gain == 0, 0.5, np.sign(seen.gain) == np.sign(rest.gain))
        trust = {
            "shrunk": seen.likely.of_sign(seen.gain, np.zeros(len(right))), "plain": normal(np.abs(seen.gain) / seen.error)
        }  # fmt: skip
        said = seen.gain != 0
        found = {"right": right}
        for name, sure in trust.items():
            found |= {f"confidence_{name}": sure, f"brier_{name}": (sure - right) ** 2}
        found = {name: np.where(said, values, np.nan) for name, values in found.items()}
        for name, expected in {"shrunk": seen.likely.mean, "plain": seen.gain}.items():
            found[f"error_{name}"] = (expected - rest.gain) ** 2
        for name, values in found.items():
            columns.setdefault(name, []).append(values)
    table = {name: np.column_stack(values) for name, values in columns.items()}
    groups = chosen.group.to_numpy(str)

    def mean(values: Any) -> dict[str, Any]:
        return measured(lambda rows: float(np.nanmean(values[rows])), groups)

    return {
        "n": len(chosen),
        "labels_by_draw": float(np.isfinite(table["right"]).sum() / draws),
        **{name: mean(values) for name, values in table.items()},
        "brier_difference": mean(table["brier_shrunk"] - table["brier_plain"]),
        "error_difference": mean(table["error_shrunk"] - table["error_plain"]),
    }


def fitted(x: Any, pairs: pd.DataFrame, attempts: pd.DataFrame, extra: Any) -> dict[str, Callable[[Any], Any]]:
    """Return, for each way of using labels, what orders prompts: from inputs x of pairs, their attempts and their price."""
    config, profile = TrainConfig(), load_profiles(find("data/profiles.yaml"))["balanced"]
    said = known(attempts, pairs)
    likely, one, price = said.likely, np.ones(len(x)), extra / profile.tokens_per_point
    signal = np.mean(likely.deviation**2)
    gains = {
        "gain_hard": (said.gain, one),
        "gain_weighted": (said.gain, 1 / (signal + said.error**2)),
        "gain_shrunk": (likely.mean, one),
    }
    found: dict[str, Callable[[Any], Any]] = {
        name: fit_tree(regressor(config), x, y, w / w.mean()).predict for name, (y, w) in gains.items()
    }
    hard = labels_of(said.gain, price, profile.margin)
    chances = np.column_stack(
        [
            likely.of_sign(one, price + profile.margin),
            likely.of_band(price, profile.margin),
            likely.of_sign(-one, price - profile.margin),
        ]
    )
    each, three = np.arange(len(x)), np.repeat([0, 1, 2], len(x))
    trust = chances[each, hard]
    for name, (rows, labels, w) in {
        "class_hard": (each, hard, one),
        "class_weighted": (each, hard, trust / trust.mean()),
        "class_soft": (np.tile(each, 3), three, chances.T.ravel()),
    }.items():
        found[name] = _use_above_avoid(fit_classifier(x[rows], labels, w, config))
    return found


def _use_above_avoid(model: Any) -> Callable[[Any], Any]:
    return lambda z: np.subtract(*model.predict_proba(z)[:, [0, 2]].T)


def training(attempts: pd.DataFrame, units: Rows, draws: int) -> dict[str, Any]:
    """Return q of each way of using labels, and its difference to hard ones."""
    pairs, half = units.table, units.embeddings.shape[1] // 2
    gain, extra = pairs.gain.to_numpy(float), realised_extra_tokens(pairs)
    repeated = int(attempts.groupby([*KEY, "arm"]).size().median()) > 1
    draws = draws if repeated else 1  # nothing to thin
    worth: dict[str, list[Any]] = {}
    for draw in range(draws):
        mixed = thinned(attempts, draw) if repeated else attempts
        fold = (fraction(pairs.group, 100 + draw) * FOLDS).astype(int)
        for k in range(FOLDS):
            learn, judged = fold != k, fold == k
            views = [units.embeddings[:, :half], units.embeddings[:, half:]]
            reduced = [components(view[learn], TrainConfig())(view) for view in views]
            z = np.hstack([*reduced, units.features[:, : len(FEATURE_NAMES)]]).astype(np.float32)
            seen = pairs[learn].reset_index(drop=True)
            ways = fitted(z[learn], seen, mixed.merge(seen[KEY], on=KEY), extra[learn])
            for name, order in ways.items():
                columns = worth.setdefault(name, [])
                if len(columns) == draw:
                    columns.append(np.empty(len(gain)))
                columns[draw][judged] = order(z[judged])
        print(f"draw {draw + 1} of {draws}", flush=True)
    groups = pairs.group.to_numpy(str)

    def q_of(name: str) -> Callable[[Any], float]:
        return lambda rows: float(np.mean([q(one[rows], gain[rows], extra[rows]) for one in worth[name]]))

    def against(name: str) -> Callable[[Any], float]:
        hard = f"{name.partition('_')[0]}_hard"
        return lambda rows: q_of(name)(rows) - q_of(hard)(rows)

    return {
        "n": len(gain),
        "prompts": len(set(groups)),
        "draws": draws,
        "q": {name: measured(q_of(name), groups) for name in worth},
        "above_hard": {name: measured(against(name), groups) for name in worth if not name.endswith("hard")},
    }


def figures_of(path: Path, draws: int) -> dict[str, Any]:
    """Return the figures of one file."""
    log = read_logs([path]).table
    labelled = label(log, {})
    cache = EmbeddingCache(ROOT / "data" / "cache", Encoder(find("models/encoder")))
    units = unit_rows(labelled[labelled.gain.notna()], cache)
    attempts = log[log.score.notna()].merge(units.table[KEY], on=KEY)[[*KEY, "arm", "score"]]
    trusted = {str(count): confidence(attempts, units.table, count, draws) for count in ATTEMPTS}
    return {
        "confidence": {count: figures for count, figures in trusted.items() if figures},
        "training": training(attempts, units, draws),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--out", type=Path, default=RESULTS / "noise.json")
    options, before = parser.parse_args(), provenance()
    command = f"python benchmarks/noise.py {' '.join(map(str, options.logs))} --draws {options.draws}"
    figures = {path.stem: figures_of(path, options.draws) for path in options.logs}
    write({**before, "command": command, **figures}, options.out)


if __name__ == "__main__":
    main()
