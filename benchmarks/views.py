"""What each view of a prompt is worth: q of boosting on the ask, the whole, the context and the features, alone and together, as JSON.

    python benchmarks/views.py LOGS... [--draws 3] [--out FILE]

Each file by itself, in folds of prompts: the gain of its pairs is regressed as the heads do it (`training.trees.regressor`, principal
components of each embedding fitted on the training folds), and q is that of the order by predicted gain out of fold, within the source,
mean over the draws of folds. The context is the whole without the ask; where the ask is all there is, it is a vector of zeros, as for
linear heads. `above_all` is q less that of ask + whole + features, which the heads read, with the 95 % interval of a paired bootstrap over prompts.
`shares` says of how many prompts the ask is only a part, and the median length of either.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from provenance import RESULTS, provenance, write

from contract.encoder import Encoder
from contract.features import FEATURE_NAMES
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.prompt import Prompt
from training.config import TrainConfig
from training.embedding_cache import EmbeddingCache
from training.evaluate import realised_extra_tokens
from training.evidence import Rows, prompts_of, unit_rows
from training.inputs import components
from training.labels import label
from training.logs import read_logs
from training.metrics import measured, q
from training.trees import fit_tree, regressor

FOLDS = 5
ALL = ("ask", "whole", "features")
SETS = (
    ("features",), ("context",), ("whole",), ("ask",), ("context", "features"), ("whole", "features"), ("ask", "features"),
    ("ask", "whole"), ("ask", "context", "features"), ALL,
)  # fmt: skip


def context(prompt: Prompt) -> str:
    """Return the whole of a prompt without its ask."""
    return prompt.whole.replace(prompt.ask, " ").strip()


def views(units: Rows, prompts: list[Prompt], cache: EmbeddingCache) -> dict[str, Any]:
    """Return each view of the rows, [n, its width]."""
    half = units.embeddings.shape[1] // 2
    contexts = [context(prompt) for prompt in prompts]
    known = sorted({text for text in contexts if text})
    row = {text: i for i, text in enumerate(known)} | {"": len(known)}
    vectors = np.vstack([cache.embed(known)[0], np.zeros((1, half), np.float32)])
    return {
        "ask": units.embeddings[:, :half],
        "whole": units.embeddings[:, half:],
        "context": vectors[[row[text] for text in contexts]],
        "features": units.features[:, : len(FEATURE_NAMES)],
    }


def out_of_fold(parts: list[tuple[str, Any]], gain: Any, fold: Any) -> Any:
    """Return the gain [n] that is predicted of each row by what was fitted on the other folds."""
    predicted = np.empty(len(gain))
    for k in range(FOLDS):
        learn = fold != k
        known = [(name, x) for name, x in parts if np.ptp(x[learn], axis=0).any()]
        z = np.hstack(
            [x if name == "features" else components(x[learn], TrainConfig())(x) for name, x in known or parts]
        )
        tree = fit_tree(regressor(TrainConfig()), z[learn].astype(np.float32), gain[learn])
        predicted[~learn] = tree.predict(z[~learn].astype(np.float32))
    return predicted


def figures_of(path: Path, draws: int, cache: EmbeddingCache) -> dict[str, Any]:
    """Return the figures of one file."""
    labelled = label(read_logs([path]).table, load_profiles(find("data/profiles.yaml")))
    units = unit_rows(labelled[labelled.gain.notna()], cache)
    prompts, pairs = prompts_of(units.table), units.table
    seen = views(units, prompts, cache)
    gain, extra, groups = pairs.gain.to_numpy(float), realised_extra_tokens(pairs), pairs.group.to_numpy(str)
    unique, code = np.unique(groups, return_inverse=True)
    folds = [np.random.default_rng(draw).permutation(len(unique))[code] % FOLDS for draw in range(draws)]
    orders: dict[tuple[str, ...], list[Any]] = {}
    for chosen in SETS:
        orders[chosen] = [out_of_fold([(name, seen[name]) for name in chosen], gain, fold) for fold in folds]
        print(f"{path.stem}: {' + '.join(chosen)}", flush=True)

    def q_of(names: tuple[str, ...]) -> Callable[[Any], float]:
        return lambda rows: float(np.mean([q(order[rows], gain[rows], extra[rows]) for order in orders[names]]))

    def above(names: tuple[str, ...]) -> Callable[[Any], float]:
        return lambda rows: q_of(names)(rows) - q_of(ALL)(rows)

    return {
        "n": len(gain),
        "prompts": len(unique),
        "shares": {
            "with_a_context": float(np.mean([bool(context(prompt)) for prompt in prompts])),
            "ask_characters": float(np.median([len(prompt.ask) for prompt in prompts])),
            "whole_characters": float(np.median([len(prompt.whole) for prompt in prompts])),
        },
        "q": {" + ".join(names): measured(q_of(names), groups) for names in SETS},
        "above_all": {" + ".join(names): measured(above(names), groups) for names in SETS[:-1]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "views.json")
    options, before = parser.parse_args(), provenance()
    cache = EmbeddingCache(ROOT / "data" / "cache", Encoder(find("models/encoder")))
    files = {path.stem: figures_of(path, options.draws, cache) for path in options.logs}
    values = {name: [figures["q"][name]["value"] for figures in files.values()] for name in map(" + ".join, SETS)}
    macro = {name: float(np.mean(value)) for name, value in values.items() if None not in value}
    command = f"python benchmarks/views.py {' '.join(path.name for path in options.logs)} --draws {options.draws}"
    write({**before, "command": command, "macro_q": macro, "files": files}, options.out)


if __name__ == "__main__":
    main()
