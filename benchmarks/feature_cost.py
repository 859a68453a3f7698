"""Microseconds of the ask and of the features with the ask's words, beside one encoder call on the same prompt, as JSON.

    python benchmarks/feature_cost.py [--rounds 30] [--out benchmarks/results/feature_cost.json]

The prompts are made up, 2,000 characters each: a page of one kind of material and a question below it. All three are
timed in turn, round by round, so that a busy machine slows them alike: the mean of 50 calls (of one call of the encoder)
a round, and the median of the rounds.
`vector_us` includes finding the ask, as a request does. A last table times the ask of pastes of one megabyte that a
pattern could choke on.
"""

import argparse
import statistics
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provenance import RESULTS, provenance, write

from contract.ask import find_ask
from contract.encoder import Encoder
from contract.features import vector
from contract.locate import ROOT
from contract.prompt import Prompt

CHARACTERS = 2_000
CALLS = 50
TABLE_HEAD = "| Region | 2019 | 2020 | 2021 | Change |\n|---|---|---|---|---|\n"
PAGES = {
    "prose": (
        "The council met on Tuesday to discuss the new bridge. Several members said that the costs had risen, because "
        "steel is dearer than before, and that the work would not be finished until spring. ",
        "By how much did the costs rise?",
    ),
    "code": (
        "def total(items, rate=0.2):\n    result = {}\n    for item in items:\n        if item.price > 10 and item.kind != "
        "'book':\n            result[item.name] = item.price * (1 + rate)\n    return result\n\n",
        "Why does this function skip books?",
    ),
    "numbers": (
        "Invoice 4711 of 12.03.2024 lists 14 items at 3.99, 27 at 12,450.00 and 9 at 0.75; tax 19 % gives 1,204.33. ",
        "What is the sum of all invoices?",
    ),
    "table": ("| North | 1,204.5 | 1,377.1 | 1,402.9 | 2.3 % |\n", "Which region grew most?"),
    "chinese": (
        "公司在第三季度的收入增长了百分之十二，主要原因是出口订单增加。管理层认为，明年的成本可能会上升，因此需要控制开支。",
        "收入增长了多少？",
    ),
}
PASTES = ("```", "```\n", '"""', "<data>", "<data>\n", "|", "| a | b |\n", ">", "> \n", "`", "Q: ", "\nq", "。", ". ")


def prompts() -> dict[str, str]:
    texts = {}
    for kind, (page, question) in PAGES.items():
        material = (TABLE_HEAD if kind == "table" else "") + page * CHARACTERS
        texts[kind] = f"{material[: CHARACTERS - len(question) - 2]}\n\n{question}"
    return texts


def microseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    return timeit.timeit(call, number=calls) / calls * 1e6


def cost(text: str, encoder: Encoder, rounds: int) -> dict[str, float]:
    timed: dict[str, tuple[Callable[[], object], int]] = {
        "find_ask_us": (lambda: find_ask(text), CALLS),
        "vector_us": (lambda: vector(Prompt.from_text(text)), CALLS),
        "encode_us": (lambda: encoder.encode(text), 1),
    }
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(rounds):
        for name, call in timed.items():
            taken[name].append(microseconds(*call))
    figures = {name: round(statistics.median(values), 1) for name, values in taken.items()}
    return figures | {
        "find_ask_per_encode": round(figures["find_ask_us"] / figures["encode_us"], 4),
        "vector_per_encode": round(figures["vector_us"] / figures["encode_us"], 4),
    }


def seconds_of_paste(unit: str) -> float:
    paste = unit * (1_000_000 // len(unit))
    taken = []
    for text in (paste, f"Summarise this.\n\n{paste}", f"{paste}\n\nSummarise this."):
        begun = time.process_time()
        find_ask(text)
        taken.append(time.process_time() - begun)
    return round(max(taken), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path, default=RESULTS / "feature_cost.json")
    options = parser.parse_args()
    encoder = Encoder(ROOT / "models" / "encoder")
    figure: dict[str, Any] = {
        **provenance(),
        "characters": CHARACTERS,
        "rounds": options.rounds,
        "prompts": {kind: cost(text, encoder, options.rounds) for kind, text in prompts().items()},
        "megabyte_pastes_find_ask_s": {unit: seconds_of_paste(unit) for unit in PASTES},
    }
    write(figure, options.out)


if __name__ == "__main__":
    main()
