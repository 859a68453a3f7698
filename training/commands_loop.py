"""The verbs `retrain`, `promote`, `rollback` and `status`. Nothing heavy is imported before a verb runs."""

import getpass
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contract.errors import BundleMissing, InvalidInput, StoreDown
from contract.locate import ROOT
from training.commands import needs
from training.commands_train import BudgetFlags, Data, Flags, LeaveOut, read_files, registration, to_terminal

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

    from training.recipe import Known

SERVED = "a service that follows it swaps within bundle_poll_s, or at once: POST /admin/reload"

Models = Annotated[
    Path | None, typer.Option(help="Folder of `current` and `registry`; models/ here, else the checkout's.")
]
By = Annotated[str | None, typer.Option(help="Who; the name of the user if not given.")]
Why = Annotated[str | None, typer.Option(help="Why; it is recorded.")]


def retrain(
    logs: Annotated[
        list[Path] | None,
        typer.Argument(help="New log files, which the champion was not trained on; none: what is recorded alone."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the challenger; replaced whole.")] = Path("models/challenger"),
    config: Annotated[Path | None, typer.Option(help="YAML of training settings; the champion's if not given.")] = None,
    profiles: Annotated[Path | None, typer.Option(help="Profiles; the champion's if not given.")] = None,
    taxonomy: Annotated[Path | None, typer.Option(help="Taxonomy; the champion's if not given.")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="YAML of the gate's limits; the documented ones if not given.")
    ] = None,
    data: Data = None,
    without: Annotated[
        list[str] | None, typer.Option(help="File of the champion's training set to do without, by name. Repeatable.")
    ] = None,
    accept_flag: Flags = None,
    accept_budget_flag: BudgetFlags = None,
    leave_out_task: LeaveOut = None,
    recorded: Annotated[
        bool,
        typer.Option(help="Also learn from recorded decisions: outcomes whose arm was drawn, shadow runs and reviews."),
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the gate's report as JSON.")] = False,
) -> None:
    """Train a challenger on new logs, on what is recorded and on the champion's own training set, and compare it with the champion.

    Both answer the same held-out prompts, and recent decisions whose arm was drawn. The gate's report is registered with the challenger;
    nothing is promoted. Exit code 1 where the gate refuses it.

    Example: thinkworth retrain data/september.parquet --data data
    """
    with needs("train"):
        from training import tracking_server
        from training.config import load_config
        from training.files import check_replaceable
        from training.gate import REFUSED, load_gate
        from training.gate_text import gate_text
        from training.lock import alone
        from training.recipe import Options
        from training.retrain import check_new, new_files, retrain, training_set
        from training.taxonomy import load_taxonomy
    from contract.profiles import load_profiles

    check_replaceable(out, of="bundle")
    limits, api = load_gate(gate), tracking_server.client()
    with alone(out, "training"), tempfile.TemporaryDirectory() as place:
        with tracking_server.reached():
            version, known, folder = _champion(api, Path(place))
        to_terminal(f"champion: version {version.version}, {version.tags['revision']}")
        before = training_set(known, data or (), without or ())
        new, drawn, counts = [*new_files(logs or [], known.recipe.files)], None, None
        if recorded:
            path, drawn, counts = _recorded(before)
            new += [path] if path else []
        if not new:
            raise InvalidInput(_nothing_new(counts), field="logs")
        files = [*before, *new]
        options = known.recipe.options.and_also(
            Options(
                accept_flags=accept_flag or (),
                accept_budget_flags=accept_budget_flag or (),
                leave_out_tasks=leave_out_task or (),
            )
        )
        read = read_files(files, options, out)
        check_new(read, files, new)
        made = retrain(
            read, files, out, champion=folder, known=known, options=options,
            profiles=load_profiles(profiles) if profiles else known.recipe.profiles,
            taxonomy=load_taxonomy(taxonomy) if taxonomy else known.recipe.taxonomy,
            config=load_config(config) if config else known.recipe.config,
            gate=limits, cache_folder=ROOT / "data" / "cache", drawn=drawn, counts=counts, say=to_terminal,
        )  # fmt: skip
    assert made.gate is not None
    told = f"{gate_text(made.gate)}\n{registration(out, made.registered)}"
    typer.echo(json.dumps(made.gate, allow_nan=False) if as_json else told)
    if made.gate["outcome"] == REFUSED:
        raise typer.Exit(1)


def _nothing_new(counts: Mapping[str, int] | None) -> str:
    """Return why there is nothing to retrain on, and what to do."""
    if counts is None:
        return "nothing is new: no log is given, and the record is left out; give log files"
    told = ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "no decision with an outcome or a review"
    remedy = "give log files, or let the service keep what can teach (store_prompts, exploration)"
    return f"nothing is new: no log is given, and of what is recorded nothing teaches ({told}); {remedy}"


def _champion(api: "MlflowClient", place: Path) -> tuple["ModelVersion", "Known", Path]:
    """Return the version in use, what its run recorded (what it started from is below `place`), and the folder of its bundle."""
    from training import registry

    version = registry.aliased(api, registry.CHAMPION)
    if version is None or version.run_id is None:
        what = "no version is the champion: there is nothing to compare with"
        raise BundleMissing(
            f"{what}; train one with `thinkworth train` and promote it with `thinkworth promote VERSION`"
        )
    return version, registry.recipe_of(api, version.run_id, place), registry.fetched(version, registry.models_folder())


def _recorded(before: Sequence[Path]) -> tuple[Path | None, "pd.DataFrame", dict[str, int]]:
    """Return the log file of what is recorded (None where nothing teaches), the decisions whose arm was drawn, and counts."""
    from contract.encoder import Encoder
    from contract.locate import find
    from contract.settings import load_settings
    from contract.store.opening import migrate, open_store, reached
    from training.recorded import read_before, read_recorded, write_recorded

    settings = load_settings()
    engine = open_store(settings.store_address)
    try:
        with reached():
            migrate(engine)
            told = read_recorded(engine, Encoder(find("models/encoder")).sha256, before=read_before(before))
    except StoreDown as error:
        raise StoreDown(f"{error.message}, or leave what is recorded out: --no-recorded") from error
    finally:
        engine.dispose()
    to_terminal(f"recorded: {', '.join(f'{n:,} {name}' for name, n in told.counts.items())}")
    return write_recorded(told, settings.training_folder) if len(told.log) else None, told.drawn, dict(told.counts)


def promote(
    version: Annotated[str, typer.Argument(help="Number of the version.")],
    why: Why = None,
    by: By = None,
    force: Annotated[bool, typer.Option(help="Overrule the gate; needs --why.")] = False,
    models: Models = None,
) -> None:
    """Make a registered version the champion, and models/current name it.

    Refused where the gate did not let it pass, and where this thinkworth cannot serve it. An interrupted promotion is finished first.

    Example: thinkworth promote 7 --why "September's logs"
    """
    with needs("train"):
        from training import promotion, registry, tracking_server
    place, who = models or registry.models_folder(), by or getpass.getuser()
    with tracking_server.reached():
        move = promotion.promote(
            tracking_server.client(), version, place, by=who, why=why, force=force, say=to_terminal
        )
    if move is None:
        typer.echo(f"version {version} is the champion already")
    else:
        typer.echo(f"version {version} ({move.revision}) is the champion; {SERVED}")


def rollback(why: Why = None, by: By = None, models: Models = None) -> None:
    """Make the previous version the champion again, and models/current name it.

    The alias previous then names what that version had replaced: a second rollback goes further back.

    Example: thinkworth rollback --why "misroutes of translations rose"
    """
    with needs("train"):
        from training import promotion, registry, tracking_server
    place, who = models or registry.models_folder(), by or getpass.getuser()
    with tracking_server.reached():
        move = promotion.rollback(tracking_server.client(), place, by=who, why=why, say=to_terminal)
    typer.echo(f"version {move.version} ({move.revision}) is the champion again; {SERVED}")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, with the gates' reports.")] = False,
    models: Models = None,
) -> None:
    """Say which versions are champion, challenger and previous, how they came to be, and which bundle models/current names.

    Example: thinkworth status --json
    """
    with needs("train"):
        from training import promotion, registry, tracking_server
        from training.gate_text import gate_text
    with tracking_server.reached():
        told = promotion.status(tracking_server.client(), models or registry.models_folder())
    if as_json:
        typer.echo(json.dumps(told, allow_nan=False))
        return
    for alias in (registry.CHAMPION, registry.PREVIOUS, "challenger"):
        typer.echo(f"{alias:<12} {_line(told[alias])}")
    typer.echo(f"{'in use':<12} {told['current'] or 'no models/current'}")
    if move := told["pending"]:
        what = f"{move['action']} of version {move['version']}, begun by {move['by']} at {move['at']}"
        typer.echo(f"unfinished   {what}; the next promote or rollback finishes it")
    challenger = told["challenger"]
    if challenger and challenger["gate_report"]:
        typer.echo(gate_text(challenger["gate_report"]))


def _line(version: Mapping[str, Any] | None) -> str:
    if version is None:
        return "none"
    line = f"version {version['version']}, {version['revision']}, gate: {version['gate'] or 'none'}"
    if version["moves"]:
        move = version["moves"][-1]
        line += f"; {move['action']} by {move['by']} at {move['at'][:19]} UTC, {'forced, ' if move['forced'] else ''}why: {move['why'] or 'not said'}"
    return line
