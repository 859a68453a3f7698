"""A bundle beside the routers of others on the same held-out prompts: q and microseconds per prompt, as JSON.

    python benchmarks/peers.py BUNDLE LOGS... [--leave-out-task TASK] [--out FILE]

Judged are the scored pairs that the bundle was not fitted on: all of a source that it never saw, the holdout split of others. `ours` is
its `worth`, gain per token, as evaluation orders. LiteLLM's complexity router says a score (`heuristic`) or how likely its lowest tier is not
enough (`heuristic_v2`), and both a tier; thinkrouter's patterns say a tier. They get the last user turn, which is what they read. Beside
them the length of the prompt, a random order, and `task_mean`, which knows the true task: its mean gain in four folds of the logs'
prompts, for the fifth, less the mean of the four; without that, a fold of low gains would come first, a source of one task upside down.

Timed is all from text to number, in one thread, of TIMED prompts a source at most: each goes through the routers in a random order of its
own, ROUNDS times; the figures are the median and the 95th percentile over prompts of a prompt's median, and the median of the processor's
time, which other work on the machine changes less. A last table shows the verdicts on prompts of kinds that LiteLLM's users saw misrouted.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from importlib.metadata import version
from operator import or_
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

from contract.bundle import Manifest
from contract.locate import ROOT
from contract.policy import decide
from contract.profiles import default_name
from contract.prompt import Prompt
from contract.records import Verdict
from contract.scorer import Scorer
from training.commands_train import without_tasks
from training.embedding_cache import EmbeddingCache
from training.evaluate import predictions, realised_extra_tokens, telling
from training.evidence import fraction, prompts_of, unit_rows
from training.labels import label
from training.logs import read_logs
from training.metrics import UNDEFINED, measured, q, ranged

OURS, FOLDS, SEED, TIMED, ROUNDS = "ours", 5, 3, 300, 3
MISROUTED = (  # kind, the verdict that is asked for, a prompt of the kind; after issues 39226 and 37500 of LiteLLM
    ("number-theory proof", Verdict.USE, "Prove that infinitely many primes leave remainder 5 when divided by 6."),
    ("the same, reworded", Verdict.USE, "Show that infinitely many primes leave remainder 5 when divided by 6."),
    ("word problem", Verdict.USE, "A baker fills 18 trays with 12 rolls each. A third of the rolls go to a hotel, then 5 of every 8 that are left are sold at 0.60 each and the others at half that price. How much money do the sold rolls bring in?"),
    ("logic puzzle", Verdict.USE, "Four friends sit in a row. Ines is next to Omar but not to Petra. Ruth is at an end, and Petra is somewhere left of Omar. The one in the second seat drinks tea. Who drinks tea?"),
    ("spectroscopy", Verdict.USE, "A compound C5H10O absorbs at 1715 cm-1. Its proton spectrum has a triplet at 1.05 ppm and a quartet at 2.40 ppm, in the ratio 3 to 2, and nothing else. Which structure fits, and why not its isomers?"),
    ("reaction chemistry", Verdict.USE, "2-Methylcyclohexanone is treated with LDA at -78 degrees, then with benzyl bromide; a second batch uses sodium ethoxide at reflux instead. Name the main product of each and account for the difference."),
    ("legal", Verdict.USE, "A tenant withheld two rents because of mould; the lease forbids set-off and the landlord gave notice after five weeks. Weigh whether the notice stands, and what changes if the mould was reported in writing first."),
    ("clinical", Verdict.USE, "A woman of 71 on lithium and a new diuretic is confused, with a coarse tremor and sodium of 128. Rank the likely causes and say which drug to stop first."),
    ("capital", Verdict.AVOID, "What is the capital of Portugal?"),
    ("copying out", Verdict.AVOID, "Return every telephone number in this text, unchanged: call Mia on 555-0134 or the desk on 555-0178 after nine."),
    ("chat with marker words", Verdict.AVOID, "hey, good morning! step by step, pros and cons, you know me. how are you?"),
)  # fmt: skip


class Answer(NamedTuple):
    """What a router says of a prompt: numbers by the order that they make, a word, and the verdict that the word comes to."""

    orders: dict[str, float]
    word: str = ""
    verdict: Verdict = Verdict.MAYBE


Router = Callable[[Prompt], Answer]
VERDICTS, US = (Verdict.AVOID, Verdict.USE), ("median", "p95", "median_of_processor")


def ours(scorer: Scorer) -> Router:
    manifest, profile = scorer.manifest, scorer.manifest.profiles[default_name(scorer.manifest.profiles)]

    def route(prompt: Prompt) -> Answer:
        fresh = replace(prompt)  # a prompt remembers its ask once it is found
        scores = scorer.score(fresh).scores
        decision = decide(scores, profile, manifest.calibration)
        return Answer({OURS: scores.worth}, str(decision.verdict), decision.verdict)

    return route


def peers() -> dict[str, Router]:
    """Return the routers of others; exit with 1 where they are not installed."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its import asks the network for prices otherwise
    try:
        from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter
        from litellm.router_strategy.complexity_router.config import TIER_SEVERITY_ORDER as TIERS
        from thinkrouter import get_classifier
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed; run pip install -c requirements.lock -e '.[bench]'")

    def litellm(kind: str) -> Router:
        name, router = f"litellm_{kind}", ComplexityRouter(kind, None, {"classifier_type": kind})

        def route(prompt: Prompt) -> Answer:
            said = finished(router.aclassify(prompt.last_user_text))
            forecast, tier = said.heuristic_v2_forecast, TIERS.index(said.tier)
            number = said.score if forecast is None else 1 - forecast["probabilities"][TIERS[0].value]
            return Answer({name: number, f"{name}_tier": tier}, said.tier.value, VERDICTS[tier > 0])

        return route

    classifier = get_classifier("heuristic")

    def thinkrouter(prompt: Prompt) -> Answer:
        tier = classifier.predict(prompt.last_user_text).tier
        return Answer({"thinkrouter": int(tier)}, tier.name, VERDICTS[tier > 0])

    return {f"litellm_{k}": litellm(k) for k in ("heuristic", "heuristic_v2")} | {"thinkrouter": thinkrouter}


def finished(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine that waits for nothing returns, without the cost of an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("the router waits for something: it is no local heuristic")


def held_out_pairs(labelled: pd.DataFrame, manifest: Manifest) -> pd.DataFrame:
    """Return the pairs that the bundle was not fitted on, why not, and the mean gain of their task in all pairs (out of fold)."""
    pairs, training = labelled[labelled.gain.notna()].reset_index(drop=True), manifest.training
    digests = pd.Series([prompt.digest for prompt in prompts_of(pairs)], dtype=str)
    split = fraction(digests, training["config"]["seed"]) < training["config"]["holdout_share"]
    why = np.select([~pairs.source.isin([*training["pairs"]]), split], ["source not trained on", "holdout split"], "")
    pairs = pd.DataFrame(pairs.assign(task_mean=task_mean(pairs, digests), held_out=why))
    return pairs.query("held_out != ''").reset_index(drop=True)


def task_mean(pairs: pd.DataFrame, digests: pd.Series) -> Any:
    """Return the mean gain of each pair's task [n] in the other folds of its source, less the mean gain of these."""
    fold = np.random.default_rng(SEED).permutation(len(pairs))[pd.factorize(digests, sort=True)[0]] % FOLDS
    out, task = np.zeros(len(pairs)), pairs.source.astype(str) + "\n" + pairs.task.astype("string").fillna("")
    for k in range(FOLDS):
        known, judged = pairs.gain[fold != k].astype(float), fold == k
        source = pairs.source[judged].map(known.groupby(pairs.source).mean())
        out[judged] = (task[judged].map(known.groupby(task).mean()) - source).fillna(0.0)
    return out


def timed(routers: Mapping[str, Router], prompts: Sequence[Prompt]) -> dict[str, dict[str, float]]:
    rng, clocks = np.random.default_rng(SEED), (time.perf_counter_ns, time.thread_time_ns)
    prompts = [prompts[i] for i in rng.permutation(len(prompts))[:TIMED]]
    taken = {name: np.empty((ROUNDS, len(prompts), len(clocks))) for name in routers}
    for turn, i in np.ndindex(ROUNDS, len(prompts)):
        for name in rng.permutation(list(routers)):
            begun = [clock() for clock in clocks]
            routers[name](prompts[i])
            taken[name][turn, i] = [clock() - start for clock, start in zip(clocks, begun, strict=True)]
    each = {name: np.median(ns / 1000, axis=0).T for name, ns in taken.items()}
    figures = {name: (np.median(wall), np.quantile(wall, 0.95), np.median(cpu)) for name, (wall, cpu) in each.items()}
    return {name: dict(zip(US, (round(float(us), 1) for us in found), strict=True)) for name, found in figures.items()}


def compared(table: pd.DataFrame, sources: Sequence[str], orders: Sequence[str]) -> dict[str, Any]:
    """Return the mean over sources of q of each order, and how far ours is above it on the same resamples."""
    gain, extra, source = table.gain.to_numpy(float), realised_extra_tokens(table), table.source.to_numpy(str)
    worth, groups = {name: table[name].to_numpy(float) for name in orders}, table.group.to_numpy(str)

    def mean_q(order: str, rows: Any) -> float:
        parts = [rows[source[rows] == name] for name in sources]
        return float(np.mean([q(worth[order][part], gain[part], extra[part]) for part in parts]))

    def above(order: str, rows: Any) -> float:
        return mean_q(OURS, rows) - mean_q(order, rows)

    out = {name: {"q": measured(partial(mean_q, name), groups), "ours_above": None} for name in orders}
    for name in orders[1:]:  # the first is ours
        found = measured(partial(above, name), groups)
        low, high = found["interval"] or (0.0, 0.0)
        out[name]["ours_above"] = {**found, "excludes_0": low > 0 or high < 0}
    return out


def figures_of(scorer: Scorer, pairs: pd.DataFrame, routers: Mapping[str, Router]) -> dict[str, Any]:
    """Return the figures of each source, and of the mean over those that tell something (`telling`)."""
    rows = unit_rows(pairs, EmbeddingCache(ROOT / "data" / "cache", scorer.encoder))
    table, told = rows.table, predictions(scorer, rows)
    prompts = {prompt.digest: prompt for prompt in prompts_of(table)}
    answers = ([route(prompt).orders for route in list(routers.values())[1:]] for prompt in prompts.values())
    said = pd.DataFrame([reduce(or_, found) for found in answers], index=list(prompts))
    table[OURS] = told.worth
    table[said.columns] = said.loc[table.group].to_numpy(float)
    table["random"] = np.random.default_rng(SEED).random(len(table))
    orders, sources = [OURS, *said.columns, "task_mean", "random"], {}
    for name, part in table.groupby("source"):
        some = [prompts[group] for group in part.group.unique()]
        us = timed(routers, some)
        sources[str(name)] = {
            "held_out": part.held_out.iloc[0], "n": len(part), "prompts": len(some), "mean_gain": float(part.gain.mean()),
            "median_characters": float(np.median([len(prompt.whole) for prompt in some])), "timed_prompts": min(len(some), TIMED),
            "orders": {order: {**found, "us": us.get(order)} for order, found in compared(part, [str(name)], orders).items()},
        }  # fmt: skip
    large = list(telling(sources))
    return {"sources": sources, "macro": {"sources": large, "orders": compared(table, large, orders)}}


def misrouted(routers: Mapping[str, Router]) -> dict[str, Any]:
    """Return what each router says of the kinds, and of how many it says the opposite of the verdict that is asked for."""
    kinds: dict[str, dict[str, str]] = {}
    opposite = dict.fromkeys(list(routers)[:-1], 0)  # the last is the length, which has no verdict
    for kind, asked_for, prompt in MISROUTED:
        said = {name: routers[name](Prompt.from_text(prompt)) for name in opposite}
        kinds[kind] = {"asked_for": str(asked_for), **{name: answer.word for name, answer in said.items()}}
        for name, answer in said.items():
            opposite[name] += answer.verdict not in (asked_for, Verdict.MAYBE)
    return {"kinds": kinds, "opposite": opposite}


def text(figure: Mapping[str, Any]) -> str:
    rows = [
        [name, order, *(ranged(x["value"], x["interval"]) if x else UNDEFINED for x in (said["q"], said["ours_above"])), *us.values()]
        for name, part in (figure["sources"] | {"mean of the sources": figure["macro"]}).items()
        for order, said in part["orders"].items() for us in [said.get("us") or dict.fromkeys(US)]
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["source", "order", "q", "q of ours less that", *(f"us, {name}" for name in US)])
    kinds = {**figure["misrouted"]["kinds"], "opposite": {"asked_for": "", **figure["misrouted"]["opposite"]}}
    return f"{table.to_string(index=False, na_rep=UNDEFINED)}\n\n{pd.DataFrame(kinds, dtype=object).T.to_string()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--leave-out-task", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=RESULTS / "peers.json")
    options, before, others = parser.parse_args(), provenance(), peers()
    scorer = Scorer.load(options.bundle)
    routers = {OURS: ours(scorer), **others, "length": lambda prompt: Answer({"length": len(prompt.whole)})}
    table = without_tasks(read_logs(options.logs), options.leave_out_task).table
    pairs = held_out_pairs(label(table, scorer.manifest.profiles), scorer.manifest)
    if pairs.empty:
        sys.exit("no scored pair that the bundle was not fitted on; give a log of another source, or a longer one")
    figure = {
        **before, "bundle": scorer.manifest.revision, "files": [path.name for path in options.logs],
        "left_out_tasks": options.leave_out_task, "peers": {name: version(name) for name in ("litellm", "thinkrouter")},
        **figures_of(scorer, pairs, routers), "misrouted": misrouted(routers),
    }  # fmt: skip
    write(figure, options.out)
    print(text(figure))


if __name__ == "__main__":
    main()
