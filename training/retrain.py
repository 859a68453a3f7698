"""A challenger from new logs and the champion's own training set, compared with the champion before it is registered."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from contract.bundle import Bundle, sha256
from contract.errors import InvalidInput
from contract.profiles import Profile
from training import pipeline
from training.compare import compare
from training.config import TrainConfig
from training.gate import GateConfig
from training.logs import Logs
from training.recipe import Known, Options, located
from training.taxonomy import Family


def training_set(known: Known, folders: Sequence[Path], without: Collection[str] = ()) -> list[Path]:
    """Return the files of an earlier training, in the order they were read, found by digest.

    Args:
        known: what the training's run recorded.
        folders: where to look for files that are not where they lay.
        without: names of files to do without.

    Raises:
        InvalidInput: a file is nowhere, or a name of `without` is none of them.
    """
    wanted = known.recipe.files
    if strange := [name for name in without if name not in wanted]:
        what = f"{', '.join(strange)}: no file of that training; its files: {', '.join(wanted)}"
        raise InvalidInput(what, field="without", limit=list(wanted))
    found, missing = located({k: v for k, v in wanted.items() if k not in without}, known.places, folders)
    if missing:
        what = ", ".join(f"{name} (sha256 {wanted[name][:12]}.., was at {known.places.get(name, 'a place not recorded')})" for name in missing)  # fmt: skip
        raise InvalidInput(
            f"no file with the digest of {what}; name its folder with --data, or leave it out with --without {missing[0]!r}",
            field="data", limit=missing,
        )  # fmt: skip
    return list(found.values())


def new_files(new: Sequence[Path], before: Mapping[str, str]) -> list[Path]:
    """Return the new log files.

    Raises:
        InvalidInput: one is not there, or the champion was trained on it.
    """
    for path in new:
        if not path.is_file():
            raise InvalidInput(f"{path}: no such file; give log files", field="logs")
        if sha256(path) in before.values():
            raise InvalidInput(
                f"{path}: the champion was trained on it, so it is read anyway; leave it out", field="logs"
            )
    return list(new)


def check_new(logs: Logs, files: Sequence[Path], new: Sequence[Path]) -> None:
    """Refuse new files of which no row can be used: an hour of training would give the champion again.

    Args:
        logs: what was read.
        files: what it was read from.
        new: those of them that are new.

    Raises:
        InvalidInput: each of their rows is bad, or the champion was trained on it.
    """
    bad, read = logs.quarantined.file.value_counts(), dict(zip(files, logs.rows_of_files, strict=True))
    rows = sum(read[path] for path in new)
    if rows == sum(int(bad.get(str(path), 0)) for path in new):
        told = ", ".join(
            f"{n:,} {rule}"
            for rule, n in logs.quarantined[logs.quarantined.file.isin(list(map(str, new)))].rule.value_counts().items()
        )
        raise InvalidInput(
            f"nothing is new: none of the {rows:,} rows of {', '.join(path.name for path in new)} can be used ({told}); give others",
            field="logs",
        )


def retrain(
    logs: Logs, files: Sequence[Path], out: Path, *, champion: Path, known: Known, options: Options, profiles: dict[str, Profile],
    taxonomy: Sequence[Family], config: TrainConfig, gate: GateConfig, cache_folder: Path, drawn: pd.DataFrame | None = None, counts: Mapping[str, int] | None = None,
    say: Callable[[str], None] = print,
) -> pipeline.Trained:  # fmt: skip
    """Train a challenger, compare it with the champion, and register it with the gate's report; nothing is promoted.

    Args:
        logs: the champion's training set and what is new.
        files: those they were read from: logs, and the rows of recorded outcomes and reviews where there are any.
        out: the challenger's folder.
        champion: folder of the version in use.
        known: what the champion's run recorded; a challenger starts from the bundle that the champion started from.
        options: how the files were read.
        profiles: what a point is worth.
        taxonomy: the families.
        config: the settings; another seed or holdout_share than the champion's leaves fewer rows to compare on.
        gate: the limits.
        cache_folder: where embeddings are kept.
        drawn: recorded decisions whose arm was drawn (`training.recorded.Recorded.drawn`); None: the store was not read.
        counts: what became of the recorded decisions, for the gate's report.
        say: told what happens.

    Raises:
        InvalidInput, BundleMismatch, ParityFailed: see `training.pipeline.run` and `training.compare.compare`.
    """

    def judge(challenger: Path) -> dict[str, Any]:
        say("comparing with the champion")
        report = compare(champion, challenger, logs, cache_folder=cache_folder, config=gate, drawn=drawn)
        return report | {"recorded": None if counts is None else dict(counts)}

    return pipeline.run(
        logs, out, files=files, profiles=profiles, taxonomy=taxonomy, config=config, cache_folder=cache_folder,
        start=Bundle(known.start) if known.start else None, options=options, judge=judge, say=say,
    )  # fmt: skip
