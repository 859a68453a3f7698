"""What the turns around the last one should count for: verdicts on conversations beside those on the same prompts alone, as JSON.

    python benchmarks/conversations.py LOGS... [--prompts 200] [--bundle models/default] [--cache FOLDER] [--out FILE]

Logged prompts are made into conversations whose right verdict is that of the prompt by itself, and scored by a bundle with the
last 0, 1, 2, 4 and all turns before the last user turn in the whole (`contract.conversation.PREVIOUS_TURNS`):

    parted      the material (of a story, all but its last question) in an earlier turn, the question in the last
    small_talk  one to four exchanges of pleasantries before the prompt
    unrelated   three other prompts of the file, each with a short answer, before the prompt
    go_ahead    the prompt, "Shall I go ahead?", "yes, do it"
    offer       the prompt, an offer that restates its question, "yes please"
    system      a system prompt of 20 to 2,000 characters before the prompt

`any` counts the turns before any last user turn that has an ask of its own, `short` those before one of SHORT_TURN characters or
fewer; `transcript` holds all turns as they stand. `system` has the first 0 to all characters of the system prompt in the whole.

Of each: the share of prompts whose verdict is that of the prompt alone, the mean absolute difference of expected gain, and q
within the source beside that of the same prompts alone (`q_alone`; the 95 % intervals are over prompts). The bundle was fitted
on these logs, so that q itself flatters: only differences count. By construction no turn before helps in small_talk and
unrelated, and no system prompt anywhere: they show the harm, `parted` and `offer` what context is worth. Small talk, offers
and system prompts are made up; what the other prompts' answers say is their length in words.
"""

import argparse
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from provenance import RESULTS, provenance, write

import contract.conversation
from contract.ask import asks
from contract.encoder import Encoder
from contract.locate import ROOT, find
from contract.profiles import load_profiles
from contract.prompt import Prompt
from contract.scorer import Scorer
from training.embedding_cache import EmbeddingCache
from training.evaluate import predictions, realised_extra_tokens
from training.evidence import Rows, embed, prompts_of
from training.labels import label
from training.logs import read_logs
from training.metrics import measured, q

ALL = 1_000_000
TRANSCRIPT = "transcript"
PREVIOUS: dict[str, dict[str, int]] = {
    **{f"{'all' if k == ALL else k} any": {"PREVIOUS_TURNS": k, "SHORT_TURN": ALL} for k in (0, 1, 2, 4, ALL)},
    **{f"{'all' if k == ALL else k} short": {"PREVIOUS_TURNS": k} for k in (2, 4)},
    TRANSCRIPT: {},
}
SYSTEM = {"0": 0, "300": 300, "all": ALL}
SMALL_TALK = (
    ("hi", "Hello! How can I help you today?"),
    ("hey, how are you?", "I am well, thank you. What is on your mind?"),
    ("I just got back from a long walk.", "That sounds refreshing. Was the weather kind to you?"),
    ("yes, lovely and sunny", "Glad to hear it! Is there something that I can do for you?"),
    ("can you help me with something?", "Of course. Tell me what you need."),
    ("thanks for yesterday, it worked", "You are welcome! I am happy that it did."),
)
POLICY = (
    "You are the assistant of Northwind Outfitters, a shop for hiking gear. Be friendly and concise, write in the language of the customer "
    "and never speak of internal systems. Orders ship within two working days. Returns are accepted within thirty days with the receipt. "
    "If a customer is upset, apologise once and offer a solution. Do not give legal or medical advice. Prices include taxes. "
)
SYSTEMS = (
    "You are helpful.",
    "You are a helpful assistant. Answer briefly and accurately.",
    POLICY,
    (POLICY * 6)[:2_000],
)

Messages = list[dict[str, str]]


class Headed(Prompt):
    """A prompt whose whole is another: all turns, or its own below the head of the system prompt."""

    head: int | None = None

    @cached_property
    def whole(self) -> str:
        """As the setting has it."""
        return (
            self.transcript if self.head is None else f"{self.turns[0].text[: self.head]}\n\n{super().whole}".lstrip()
        )


def turns(*texts: str) -> Messages:
    """Return texts as messages, user and assistant in turn, the last by the user."""
    roles = ("user", "assistant") if len(texts) % 2 else ("assistant", "user")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def parted(prompt: Prompt) -> Messages | None:
    """Return the material in one turn and the question in the next; None where there is only a question."""
    question = prompt.ask
    if question == prompt.whole.strip():
        question = last_question(question)
    material = prompt.whole[: prompt.whole.rfind(question)].strip().removesuffix("Question:").strip()
    return turns(material, "Thank you, I have read it. What would you like to know?", question) if material else None


def last_question(text: str) -> str:
    """Return the last sentence of a text that asks, with all after it; the text itself where none does."""
    starts = [0, *(end.end() for end in re.finditer(r"[.?!]\s+", text))]
    return next((text[i:] for i in reversed(starts) if asks(text[i:][: text.find("?", i) + 1 - i or None])), text)


def kinds(prompts: Sequence[Prompt], others: Sequence[Prompt]) -> dict[str, list[Messages | None]]:
    """Return, by kind, the conversation of each prompt, or None where it has none."""
    dice = random.Random(7)
    made: dict[str, list[Messages | None]] = {
        name: [] for name in ("parted", "small_talk", "unrelated", "go_ahead", "offer", "system")
    }
    for prompt in prompts:
        text = prompt.whole
        talk = [line for pair in dice.sample(SMALL_TALK, dice.randint(1, 4)) for line in pair]
        before = [
            line for other in dice.sample(others, 3) for line in (other.whole, f"It is {len(other.ask.split())}.")
        ]
        question = last_question(prompt.ask).split("\n")[0].split("Answer Choices")[0].strip()
        made["parted"].append(parted(prompt))
        made["small_talk"].append(turns(*talk, text))
        made["unrelated"].append(turns(*before, text))
        made["go_ahead"].append(turns(text, "I can work that out from what you sent. Shall I go ahead?", "yes, do it"))
        made["offer"].append(turns(text, f"Understood. Would you like me to answer this: {question}", "yes please"))
        made["system"].append([{"role": "system", "content": dice.choice(SYSTEMS)}, *turns(text)])
    return made


def read(conversations: Sequence[Messages], *, system: bool) -> Iterator[tuple[str, list[Prompt]]]:
    """Yield each setting and the conversations as it reads them."""
    if system:
        for name, head in SYSTEM.items():
            with patch.object(Headed, "head", head):
                yield name, [Headed.from_messages(messages) for messages in conversations]
        return
    for name, constants in PREVIOUS.items():
        kind = Headed if name == TRANSCRIPT else Prompt
        with ExitStack() as stack:
            for constant, value in constants.items():
                stack.enter_context(patch.object(contract.conversation, constant, value))
            yield name, [kind.from_messages(messages) for messages in conversations]


def scored(prompts: Sequence[Prompt], scorer: Scorer, cache: EmbeddingCache) -> pd.DataFrame:
    """Return the bundle's expected gain (`worth`) and verdict of each prompt."""
    return predictions(scorer, Rows(*embed(prompts, cache), pd.DataFrame({"model": [None] * len(prompts)})))


def beside(alone: pd.DataFrame, found: pd.DataFrame, pairs: pd.DataFrame, row: Any) -> dict[str, Any]:
    """Return how answers [n prompts] differ from those alone; pairs [m] judge both, `row` being the prompt of each."""
    gain, extra, groups = pairs.gain.to_numpy(float), realised_extra_tokens(pairs), pairs.group.to_numpy(str)

    def q_of(answers: pd.DataFrame) -> Callable[[Any], float]:
        worth = answers.worth.to_numpy(float)[row]
        return lambda rows: q(worth[rows], gain[rows], extra[rows])

    own, theirs = q_of(alone), q_of(found)
    return {
        "prompts": len(found),
        "verdicts_equal": float(np.mean(found.verdict.to_numpy(str) == alone.verdict.to_numpy(str))),
        "gain_difference": float(np.abs(found.worth.to_numpy(float) - alone.worth.to_numpy(float)).mean()),
        "q": measured(theirs, groups),
        "q_alone": measured(own, groups),
        "q_difference": measured(lambda rows: theirs(rows) - own(rows), groups),
    }


def figures_of(path: Path, count: int, scorer: Scorer, cache: EmbeddingCache) -> dict[str, Any]:
    """Return the figures of one file."""
    labelled = label(read_logs([path]).table, load_profiles(find("data/profiles.yaml")))
    pairs = labelled[labelled.gain.notna()].reset_index(drop=True)
    pairs = pairs.assign(group=[prompt.digest for prompt in prompts_of(pairs)])
    chosen = random.Random(7).sample(sorted(set(pairs.group)), min(count, pairs.group.nunique()))
    pairs = pairs[pairs.group.isin(chosen)].reset_index(drop=True)
    first = pairs.drop_duplicates("group").reset_index(drop=True)
    prompts = prompts_of(first)
    alone = scored(prompts, scorer, cache)
    figures: dict[str, Any] = {}
    for kind, conversations in kinds(prompts, prompts).items():
        kept = [i for i, messages in enumerate(conversations) if messages]
        mine = pairs[pairs.group.isin(first.group[kept])].reset_index(drop=True)
        row = mine.group.map({first.group[i]: j for j, i in enumerate(kept)}).to_numpy(int)
        for setting, seen in read([conversations[i] or [] for i in kept], system=kind == "system"):
            found = scored(seen, scorer, cache)
            figures.setdefault(kind, {})[setting] = beside(alone.iloc[kept].reset_index(drop=True), found, mine, row)
            said = {key: round(shown, 3) for key, shown in figures[kind][setting].items() if isinstance(shown, float)}
            print(
                f"{path.stem} {kind} {setting}: {json.dumps(said)} q {figures[kind][setting]['q']['value']}", flush=True
            )
    return {"prompts": len(prompts), "pairs": len(pairs), "kinds": figures}


def means(files: dict[str, Any]) -> dict[str, Any]:
    """Return, by setting, the means over files and kinds of what they share: how near answers are to those alone, and q."""
    table: dict[str, Any] = {}
    for name, system in (("turns_before", False), ("system_characters", True)):
        rows = [
            row for figures in files.values() for kind, row in figures["kinds"].items() if (kind == "system") is system
        ]
        cells = [cell for row in rows for cell in row.items()]
        for which in dict.fromkeys(which for which, _ in cells):
            mine = [cell for key, cell in cells if key == which]
            table.setdefault(name, {})[which] = {
                "verdicts_equal": float(np.mean([cell["verdicts_equal"] for cell in mine])),
                "gain_difference": float(np.mean([cell["gain_difference"] for cell in mine])),
                "q_difference": float(np.mean([cell["q_difference"]["value"] for cell in mine])),
            }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", nargs="+", type=Path)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models" / "default")
    parser.add_argument("--cache", type=Path, default=ROOT / "data" / "cache")
    parser.add_argument("--out", type=Path, default=RESULTS / "conversations.json")
    options, before = parser.parse_args(), provenance()
    scorer = Scorer.load(options.bundle)
    cache = EmbeddingCache(options.cache, Encoder(find("models/encoder")))
    files = {path.stem: figures_of(path, options.prompts, scorer, cache) for path in options.logs}
    command = (
        f"python benchmarks/conversations.py {' '.join(path.name for path in options.logs)} --prompts {options.prompts}"
    )
    write(
        {**before, "command": command, "bundle": scorer.manifest.revision, "mean": means(files), "files": files},
        options.out,
    )


if __name__ == "__main__":
    main()
