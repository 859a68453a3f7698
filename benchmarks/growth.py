"""CPU seconds of what a request's text goes through before the encoder's window bounds it, at 250 kB and at 1 MB, as JSON.

    python benchmarks/growth.py [--rounds 3] [--out benchmarks/results/growth.json]

The texts are those of tests/serving/nasty.py. Of each, four ways to send it are timed in turn, and the least CPU time of the rounds counts, so that a
busy machine tells the same: `parse` (the JSON of a body), `prompt` (the ask and the whole of one prompt), `conversation` (the text as system prompt, as
the assistant's answer and as the last turn, and "yes, do it" below it), `turns` (a conversation of 40 characters a turn) and `envelope` (System One's state). A ratio of
4 is linear. The same of bodies that are deep, wide or long.
"""

import argparse
import importlib.util
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from provenance import RESULTS, provenance, write

from contract.errors import InvalidRequest
from contract.locate import ROOT
from contract.prompt import Prompt
from serving.parsing import parse
from serving.schemas import BatchRequest, OutcomesRequest, PredictRequest
from serving.systemone.envelope import RECENT, SYSTEM, messages_of
from serving.systemone.schemas import SystemOneRequest

SMALL, LARGE = 250_000, 1_000_000
TURN = 40


def corpus() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nasty", ROOT / "tests" / "serving" / "nasty.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def understood(messages: list[dict[str, Any]]) -> None:
    try:
        prompt = Prompt.from_messages(messages)
    except InvalidRequest:
        return
    assert prompt.ask
    assert prompt.whole
    assert prompt.attachments == 0


def conversation(text: str) -> None:
    third = len(text) // 3
    turns = [
        ("system", text[:third]),
        ("user", "Go."),
        ("assistant", text[:third]),
        ("user", "yes, do it"),
        ("user", text[:third]),
    ]
    understood([{"role": role, "content": said} for role, said in turns])


def turns(text: str) -> None:
    said = [text[at : at + TURN] for at in range(0, len(text), TURN)]
    understood([{"role": ("user", "assistant")[i % 2], "content": one} for i, one in enumerate([*said, "and?"])])


def envelope(text: str) -> None:
    for state in (text, SYSTEM + text, RECENT + text):
        messages_of(state)


def parsed(model: Any, raw: bytes) -> None:
    try:
        parse(model, raw)
    except InvalidRequest:
        return


def cpu_s(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def rows(rounds: int) -> list[dict[str, Any]]:
    nasty, found = corpus(), []
    texts: dict[str, Callable[[str], None]] = {
        "prompt": lambda text: understood([{"role": "user", "content": text}]), "conversation": conversation, "turns": turns, "envelope": envelope,
    }  # fmt: skip
    works: dict[tuple[str, str], Callable[[int], Callable[[], None]]] = {}
    for name, unit in nasty.UNITS.items():
        works[name, "parse"] = lambda size, unit=unit: (lambda raw: lambda: parsed(PredictRequest, raw))(
            nasty.body(nasty.largest(unit, size))
        )
        for step, work in texts.items():
            works[name, step] = lambda size, unit=unit, work=work: (lambda text: lambda: work(text))(
                nasty.largest(unit, size)
            )
    for name, body in nasty.bodies(1000).items():
        model = next(
            (
                model
                for key, model in {
                    "requests": BatchRequest,
                    "outcomes": OutcomesRequest,
                    "questions": SystemOneRequest,
                }.items()
                if f'"{key}"' in body
            ),
            PredictRequest,
        )
        works[name, "body"] = lambda size, name=name, model=model: (lambda raw: lambda: parsed(model, raw))(
            nasty.bodies(size)[name].encode()
        )
    for (name, step), work_of in works.items():
        small, large = work_of(SMALL), work_of(LARGE)
        times = [(cpu_s(small), cpu_s(large)) for _ in range(rounds)]
        one, other = (min(column) for column in zip(*times, strict=True))
        found.append(
            {
                "text": name,
                "step": step,
                "small_s": round(one, 4),
                "large_s": round(other, 4),
                "ratio": round(other / max(one, 1e-4), 1),
            }
        )
        print(f"{name:24} {step:12} {one:8.4f} {other:8.4f} x{other / max(one, 1e-4):.1f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "growth.json")
    options = parser.parse_args()
    where = provenance()
    found = rows(options.rounds)
    slow = sorted(found, key=lambda row: -row["large_s"])
    steep = sorted((row for row in found if row["large_s"] > 0.02), key=lambda row: -row["ratio"])
    write(
        {**where, "small": SMALL, "large": LARGE, "cases": len(found), "slowest": slow[:12], "steepest": steep[:12], "rows": found}, options.out,
    )  # fmt: skip


if __name__ == "__main__":
    main()
