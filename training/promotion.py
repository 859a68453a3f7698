"""Promote, roll back, and say which version is in use; `training.moves` has the steps and what an interruption leaves."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from contract.bundle import SHARE_EQUAL, Bundle
from contract.errors import BundleMismatch, InvalidInput, Refused
from contract.scorer import Scorer
from training.lock import locked
from training.moves import ROLLED_BACK, Move, Say, carry_out, finish, history, pending, point
from training.register import CHALLENGER, GATE, GATE_REPORT
from training.registry import CHAMPION, PREVIOUS, aliased, fetched, numbered

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient


def promote(
    api: "MlflowClient", version: str, models: Path, *, by: str, why: str | None = None, force: bool = False, say: Say = print
) -> Move | None:  # fmt: skip
    """Make a version the champion; return the move, None where it was the champion already.

    Args:
        api: of the tracking server.
        version: its number.
        models: the folder of `current` and `registry`.
        by: who promotes.
        why: why; needed with `force`.
        force: overrule a gate that is missing, was not passed, or compared with another champion, or an earlier rollback. What cannot
            be served is refused all the same.
        say: told what happens.

    Raises:
        InvalidInput: there is no such version, or `force` without `why`.
        Refused: another promotion is under way, or the gate says no.
        BundleMissing, BundleMismatch, BundleTooNew: the bundle cannot be served here.
    """
    if force and not why:
        raise InvalidInput("--force overrules the gate: say why with --why", field="why")
    with locked(models):
        finish(api, models, verified, say)
        target, champion = numbered(api, version), aliased(api, CHAMPION)
        folder = verified(target, models)
        if champion is not None and champion.version == target.version:
            point(models, folder)
            return None
        objection = _objection(target, champion)
        if objection and not force:
            raise Refused(f"{objection}, or overrule it with --force --why", type="gate")
        over = None if champion is None else str(champion.version)
        move = _move(target, "promote", over=over, previous=over, by=by, why=why, forced=bool(objection))
        carry_out(api, move, models, say)
        return move


def rollback(api: "MlflowClient", models: Path, *, by: str, why: str | None = None, say: Say = print) -> Move:
    """Make the previous version the champion again; return the move.

    The alias previous then names what that version had replaced, never the one that was rolled back: a second rollback goes further back.

    Raises:
        Refused: there is no previous version, or another promotion is under way.
        BundleMissing, BundleMismatch, BundleTooNew: its bundle cannot be served here.
    """
    with locked(models):
        finish(api, models, verified, say)
        champion, target = aliased(api, CHAMPION), aliased(api, PREVIOUS)
        if champion is None or target is None:
            raise Refused(
                f"no version has the alias {PREVIOUS}: nothing to roll back to; promote one with `thinkworth promote VERSION`"
            )
        verified(target, models)
        before = [one.over for one in history(target) if one.action == "promote"]
        previous = before[-1] if before and before[-1] != champion.version else None
        move = _move(target, "rollback", over=str(champion.version), previous=previous, by=by, why=why, forced=False)
        carry_out(api, move, models, say)
        return move


def verified(version: "ModelVersion", models: Path) -> Path:
    """Return the folder of a version's bundle, which can be served here.

    Raises:
        BundleMissing, BundleMismatch, BundleTooNew: it cannot: format, encoder, features, digests, outputs, or no parity in its report.
    """
    folder = fetched(version, models)
    Scorer(Bundle(folder))
    report: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    parity = report.get("parity") or {}
    equal = [value["equal"] for value in parity.values() if isinstance(value, dict)]
    if not parity.get("verdicts_compared") or not equal or min(equal) < SHARE_EQUAL:
        what = f"version {version.version}: its report does not say that the graph equals the fitted heads"
        raise BundleMismatch(
            f"{what} on {SHARE_EQUAL:.1%} of the rows; train it again", field="parity", limit=SHARE_EQUAL
        )
    return folder


def _objection(target: "ModelVersion", champion: "ModelVersion | None") -> str | None:
    """Return why the gate does not let a version pass."""
    what, outcome = f"version {target.version}", target.tags.get(GATE)
    if ROLLED_BACK in target.tags:
        move = Move.model_validate_json(target.tags[ROLLED_BACK])
        return f"{what} was rolled back by {move.by} at {move.at:%Y-%m-%d %H:%M:%S} UTC ({move.why or 'no reason given'}); promote another"
    if outcome is None:
        return f"{what} was compared with no champion; run `thinkworth retrain`"
    if outcome != "promotable":
        report = json.loads(target.tags[GATE_REPORT])
        return f"{what}: the gate says {outcome}{' (' + ', '.join(report['failed']) + ')' if report['failed'] else ''}; see `thinkworth status`"
    compared = json.loads(target.tags[GATE_REPORT])["champion"]
    if champion is None or champion.tags.get("revision") != compared:
        now = "there is none now" if champion is None else f"{champion.tags.get('revision')} is now"
        return f"{what} was compared with champion {compared}, and {now}; run `thinkworth retrain` again"
    return None


def _move(target: "ModelVersion", action: str, **said: Any) -> Move:
    return Move(
        action=action, version=str(target.version), revision=target.tags["revision"], gate=target.tags.get(GATE), at=datetime.now(UTC),
        host=socket.gethostname(), process=os.getpid(), token=uuid4().hex, **said,
    )  # fmt: skip


def status(api: "MlflowClient", models: Path) -> dict[str, Any]:
    """Return which versions have the aliases, how they came by them, what models/current names, and a move that was interrupted."""
    out: dict[str, Any] = {}
    for alias in (CHAMPION, CHALLENGER, PREVIOUS):
        version = aliased(api, alias)
        moves = history(version) if version else []
        out[alias] = None if version is None else {
            "version": str(version.version), "run_id": version.run_id,
            **{name: version.tags.get(name) for name in ("revision", "data_digest", "code_commit", "encoder_sha256", GATE)},
            "gate_report": json.loads(version.tags[GATE_REPORT]) if GATE_REPORT in version.tags else None,
            "moves": [move.model_dump(mode="json") for move in moves],
        }  # fmt: skip
    current, begun = models / "current", pending(api)
    named = current.read_text(encoding="utf-8").strip() if current.is_file() else None
    return out | {"current": named, "pending": begun.model_dump(mode="json") if begun else None}
