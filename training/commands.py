"""The verbs of training. Nothing heavy is imported before a verb runs."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contract.errors import InvalidInput, MissingExtra
from contract.locate import ROOT, find

if TYPE_CHECKING:
    import pandas as pd

    from training.overlap import Stratum

_OURS = ("contract", "training", "serving", "audit")


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn the import of something that is not installed into an error that names the extra.

    Raises:
        MissingExtra: a library of the extra is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").split(".")[0]
        if library in _OURS:
            raise
        raise MissingExtra(f"{library} is not installed; install thinkworth[{extra}]", field=library) from error


def label(
    logs: Annotated[list[Path], typer.Argument(help="Log files: .parquet, .jsonl, .csv, the last two also .gz.")],
    out: Annotated[Path, typer.Option(help="Labels to write: .parquet, .jsonl or .csv.")] = Path("labels.parquet"),
    profiles: Annotated[Path | None, typer.Option(help="Profiles; data/profiles.yaml if not given.")] = None,
    accept_flag: Annotated[
        list[str] | None, typer.Option(help="Keep rows with this flag (whole, or up to its first colon). Repeatable.")
    ] = None,
    pseudo_outcomes: Annotated[
        bool, typer.Option(help="Add doubly robust gains of prompts with one arm scored; embeds the prompts.")
    ] = True,
    json_report: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Label logged pairs: one row per (source, prompt, model), `use`, `maybe`, `avoid` or `unscored` per profile.

    A prompt with one arm scored is `unscored`; where a source and model has enough of either arm, gain_dr and extra_tokens_dr
    say what is expected of thinking there, with the variance of that, and the report says how far the arms overlap.

    Bad rows go to OUT.quarantine.jsonl with file, line and reason, and are counted.

    Example: thinkworth label data/sample/attempts.jsonl --out labels.parquet
    """
    with needs("train"):
        from training import files, labels, one_arm
        from training.logs import AllRowsBad, read_logs, write_quarantine
    from contract.profiles import load_profiles

    files.table_format(out)
    if out.resolve() in {path.resolve() for path in logs}:
        raise InvalidInput(f"{out} is one of the logs; name another --out", field="out")
    known = load_profiles(profiles or find("data/profiles.yaml"))
    try:
        read = read_logs(logs, accept_flags=accept_flag or ())
    except AllRowsBad as error:
        write_quarantine(error.logs, out)
        raise
    table = labels.label(read.table, known)
    overlap: tuple[Stratum, ...] = ()
    gains: dict[str, Any] = {}
    if pseudo_outcomes:
        table, overlap = one_arm.with_pseudo_outcomes(table, ROOT / "data" / "cache")
        gains = one_arm.mean_gains(table) if overlap else {}
    files.write_table(table, out)
    quarantine = write_quarantine(read, out)
    counts = {name: _counts(table[f"label_{name}"]) for name in known}
    if json_report:
        places = {"out": str(out), "quarantine": str(quarantine) if quarantine else None, "rows": len(table)}
        told = {
            "labels": counts,
            "logs": read.report.as_dict(),
            "one_arm": [asdict(s) for s in overlap],
            "gains": gains,
        }
        typer.echo(json.dumps({**places, **told}, ensure_ascii=False))
        return
    typer.echo(f"{read.report.text()}\n{_as_lines(counts)}")
    for line in (*(f"one arm: {stratum.text()}" for stratum in overlap), *one_arm.gain_lines(gains)):
        typer.echo(line)
    typer.echo(f"{len(table):,} rows in {out}" + (f", bad rows in {quarantine}" if quarantine else ""))


def _counts(column: "pd.Series[Any]") -> dict[str, int]:
    """Return how often each label stands in a column, the absent ones too."""
    counted = column.value_counts()
    return {word: int(counted.get(word, 0)) for word in ("use", "maybe", "avoid", "unscored")}


def simulate(
    prompts: Annotated[int, typer.Option(min=1, help="Number of prompts.")] = 500,
    out: Annotated[Path, typer.Option(help="Log to write: .parquet, .jsonl or .csv.")] = Path("logs.parquet"),
    attempts: Annotated[int, typer.Option(min=1, help="Attempts in each arm of a prompt.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same log.")] = 0,
) -> None:
    """Write a simulated log, and the truth about each of its prompts to OUT.truth.parquet.

    For tests, tutorials and benchmarks: every row has source `simulated` and says nothing about a real model.

    Example: thinkworth simulate --prompts 200 --out logs.parquet --seed 1
    """
    with needs("train"):
        from training.simulate import simulate_logs, write_simulated
        from training.taxonomy import load_taxonomy

    simulated = simulate_logs(load_taxonomy(), prompts, attempts=attempts, seed=seed)
    truth = write_simulated(simulated, out)
    typer.echo(f"{len(simulated.table):,} simulated attempts at {prompts:,} prompts in {out}; the truth in {truth}")


def _as_lines(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Return one line per profile."""
    rows = {name: "  ".join(f"{word} {number:,}" for word, number in count.items()) for name, count in counts.items()}
    return "\n".join(f"{name:<20} {row}" for name, row in rows.items())
