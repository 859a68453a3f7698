"""What a training was told beside its logs: enough, with the files, to run it again."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_info

from contract.bundle import sha256
from contract.errors import InvalidInput
from contract.manifest_file import Digest
from contract.profiles import Profile
from training.config import TrainConfig
from training.files import SUFFIXES
from training.taxonomy import Family


def threads() -> int:
    """Return how many threads numeric libraries may use."""
    return max((int(pool["num_threads"]) for pool in threadpool_info()), default=1)


class Options(BaseModel):
    """Which rows of the logs count.

    Attributes:
        accept_flags: flags whose rows are kept.
        accept_budget_flags: flags whose rows are kept for thinking budgets alone.
        leave_out_tasks: tasks whose rows are left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    accept_flags: tuple[str, ...] = ()
    accept_budget_flags: tuple[str, ...] = ()
    leave_out_tasks: tuple[str, ...] = ()

    def and_also(self, other: "Options") -> "Options":
        """Return these and those of another, each once."""
        names = type(self).model_fields
        return Options(**{n: tuple(dict.fromkeys((*getattr(self, n), *getattr(other, n)))) for n in names})


class Recipe(BaseModel):
    """All that decides a training's heads beside the encoder and the code: `recipe.json` of a run in MLflow.

    Attributes:
        files: SHA-256 of the log files, by the name they have in the bundle, in the order they were read.
        config: the settings.
        options: which rows of the files count.
        profiles: the profiles, as they were.
        taxonomy: the families, as they were.
        started_from: revision of the bundle that it started from, which lies in the run's folder `start`; None: of none.
        thinkworth_version: what trained.
        threads: of the numeric libraries: with another number the last digits differ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[dict[str, Digest], Field(min_length=1)]
    config: TrainConfig
    options: Options
    profiles: dict[str, Profile]
    taxonomy: tuple[Family, ...]
    started_from: str | None
    thinkworth_version: str = Field(default_factory=lambda: version("thinkworth"))
    threads: int = Field(default_factory=lambda: threads(), ge=1)


class Known(NamedTuple):
    """What a run recorded: its recipe, where its files lay by name, and the folder of the bundle that it started from."""

    recipe: Recipe
    places: dict[str, Path]
    start: Path | None


def digests_of(files: Mapping[str, Path]) -> dict[str, str]:
    """Return the SHA-256 of files that were read a moment ago.

    Raises:
        InvalidInput: one is gone.
    """
    try:
        return {name: sha256(path) for name, path in files.items()}
    except FileNotFoundError as error:
        what = f"{error.filename} was read and is gone since (a purge removes what is made of recorded decisions)"
        raise InvalidInput(f"{what}; start again without it", field="logs") from error


def located(
    wanted: Mapping[str, str], places: Mapping[str, Path], folders: Sequence[Path]
) -> tuple[dict[str, Path], list[str]]:
    """Return the files of a training by name, found by their digest, and the names of those that are nowhere.

    A file is looked for where it lay, then among the log files below the folders, those of its name first. One whose digest
    differs is not it: a log that has grown, say.

    Args:
        wanted: SHA-256 by name.
        places: where each lay, by name.
        folders: where else to look.
    """
    found, missing = {}, []
    digests: dict[Path, str] = {}

    def is_it(path: Path, digest: str) -> bool:
        if path not in digests and path.is_file():
            digests[path] = sha256(path)
        return digests.get(path) == digest

    below = sorted({path for folder in folders for path in _logs_below(folder)})
    for name, digest in wanted.items():
        place = places.get(name)
        own = sorted(below, key=lambda path: path.name != name)
        path = next((path for path in [*filter(None, [place]), *own] if is_it(path, digest)), None)
        if path is None:
            missing.append(name)
        else:
            found[name] = path
    return found, missing


def _logs_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.name.lower().endswith(tuple(SUFFIXES)))
