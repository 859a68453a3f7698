"""A move of the champion, one step after another, so that an interruption anywhere leaves a valid champion.

MLflow cannot move two aliases at once. So a move is written down first, in one tag of the registered model, and then carried out:

    1. tag promotion.pending of the model   what is to happen, by whom and why
    2. alias previous                       the version that a rollback brings back
    3. alias champion                       the version in use
    4. models/current                       names its folder, models/registry/VERSION
    5. tag promotion.TIME of the version    the same record, kept; and rolled_back of a version that was rolled back
    6. the pending tag goes

Each step may be repeated: whoever promotes or rolls back next carries out what is pending first. Before the first, the bundle is fetched
and verified. One at a time on a machine, by a lock; of two machines the second sees the pending tag and is refused (MLflow has no
compare-and-set: two that begin within the same few milliseconds are told apart by reading the tag back, which is no guarantee).
"""

import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from contract.errors import InvalidInput, Refused
from training.files import write_text
from training.lock import may_run
from training.registry import CHAMPION, PREVIOUS, numbered
from training.tracking_server import MODEL

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

PENDING, RECORD, ROLLED_BACK = "promotion.pending", "promotion.", "rolled_back"
"""Tags; `RECORD` is the beginning of those that are kept."""

ABANDONED_AFTER = timedelta(minutes=10)
"""Age from which a pending move is carried out by whoever comes next; earlier where its process was of this machine and is gone."""

Say = Callable[[str], None]


class Move(BaseModel):
    """One promotion or rollback, as it is recorded.

    Attributes:
        action: `promote` or `rollback`.
        version: the new champion.
        over: the champion before; None: there was none.
        previous: the version that the alias previous names afterwards; None: none.
        revision: of the new champion's bundle.
        by: who.
        why: why; None where nobody said.
        forced: whether the gate was overruled.
        gate: the gate's outcome; None: there was no gate.
        at: when, UTC.
        host: where it ran.
        process: its process id there.
        token: tells it from others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: str
    version: str
    over: str | None
    previous: str | None
    revision: str
    by: str
    why: str | None
    forced: bool
    gate: str | None
    at: datetime
    host: str
    process: int
    token: str


def carry_out(api: "MlflowClient", move: Move, models: Path, say: Say) -> None:
    """Carry a move out; each step may be repeated.

    Raises:
        Refused: another machine's move took its place before it began.
    """
    api.set_registered_model_tag(MODEL, PENDING, move.model_dump_json())
    say(f"{move.action} of version {move.version}: written down")
    if (found := pending(api)) is None or found.token != move.token:
        raise Refused("another promotion began at the same time; see `thinkworth status`, and try again", type="busy")
    if move.previous is None:
        api.delete_registered_model_alias(MODEL, PREVIOUS)
    else:
        api.set_registered_model_alias(MODEL, PREVIOUS, move.previous)
    say(f"{PREVIOUS}: {'none' if move.previous is None else f'version {move.previous}'}")
    api.set_registered_model_alias(MODEL, CHAMPION, move.version)
    say(f"{CHAMPION}: version {move.version}")
    point(models, models / "registry" / move.version)
    say(f"{models / 'current'}: registry/{move.version}")
    record = move.model_dump_json()
    api.set_model_version_tag(MODEL, move.version, f"{RECORD}{move.at:%Y-%m-%dT%H:%M:%S.%fZ}", record)
    if move.action == "promote" and ROLLED_BACK in numbered(api, move.version).tags:
        api.delete_model_version_tag(MODEL, move.version, ROLLED_BACK)
    if move.action == "rollback" and move.over:
        api.set_model_version_tag(MODEL, move.over, ROLLED_BACK, record)
    say("recorded")
    api.delete_registered_model_tag(MODEL, PENDING)


def finish(api: "MlflowClient", models: Path, verified: "Callable[[ModelVersion, Path], Path]", say: Say) -> None:
    """Carry out a move that was interrupted, once its bundle is `verified` to be in place.

    Raises:
        Refused: it still runs, as far as can be told.
    """
    move = pending(api)
    if move is None:
        return
    own = (move.host, move.process) == (socket.gethostname(), os.getpid())  # begun and broken off: we hold the lock
    if not own and may_run(move.host, move.process, move.at, ABANDONED_AFTER):
        who = f"{move.by} on {move.host} (process {move.process}) since {move.at:%Y-%m-%d %H:%M:%S} UTC"
        raise Refused(f"a {move.action} of version {move.version} is under way by {who}; try again later", type="busy")
    say(
        f"finishing the {move.action} of version {move.version} that {move.by} began at {move.at:%Y-%m-%d %H:%M:%S} UTC"
    )
    verified(numbered(api, move.version), models)
    carry_out(api, move, models, say)


def pending(api: "MlflowClient") -> Move | None:
    """Return the move that was begun and is not finished."""
    found = api.search_registered_models(f"name='{MODEL}'")
    text = found[0].tags.get(PENDING) if found else None
    return None if text is None else Move.model_validate_json(text)


def history(version: "ModelVersion") -> list[Move]:
    """Return the moves that made a version the champion, oldest first."""
    kept = [text for name, text in version.tags.items() if name.startswith(RECORD)]
    return sorted((Move.model_validate_json(text) for text in kept), key=lambda move: move.at)


def point(models: Path, folder: Path) -> None:
    """Let models/current name a bundle's folder below it; readers see the old name or the new one.

    Raises:
        InvalidInput: current is a folder, or cannot be written.
    """
    current = models / "current"
    if current.is_dir() and not current.is_symlink():
        raise InvalidInput(
            f"{current} is a folder, where the name of one is kept; give it another name", field="models"
        )
    name = folder.relative_to(models).as_posix()
    if current.is_symlink() or not current.is_file() or current.read_text(encoding="utf-8").strip() != name:
        write_text(current, f"{name}\n")
