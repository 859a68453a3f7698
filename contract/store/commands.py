"""The verbs `store` and `purge`: the tables of the decision store, and what it forgets of prompts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from contract.errors import InvalidInput
from contract.settings import load_settings

store = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    help="The tables of the decision store.\n\nExample: thinkworth store status",
)


@store.command()
def upgrade() -> None:
    """Bring the tables up to date; the service does so by itself when it starts.

    Example: thinkworth store upgrade
    """
    _migrate("head")


@store.command()
def downgrade(
    to: Annotated[str, typer.Argument(help="Revision of the tables, such as 0001; base takes all of them away.")],
) -> None:
    """Bring the tables back to those of an earlier thinkworth; what only later ones hold is lost.

    Example: thinkworth store downgrade 0001
    """
    from contract.store.opening import revisions

    if to not in (known := [*revisions(), "base"]):
        raise InvalidInput(f"{to} is no revision of the tables; there are {', '.join(known)}", field="to", limit=known)
    _migrate(to)


@store.command()
def status() -> None:
    """Say where the store is, the revision of its tables, and how many rows each has.

    Example: thinkworth store status
    """
    import sqlalchemy as sa

    from contract.store.opening import found_revision, open_store, reached, reading, shown

    engine = open_store(load_settings().store_address)
    with reached(), reading(engine) as connection:
        typer.echo(f"{shown(engine.url)}: revision {found_revision(connection)}")
        for name in sorted(sa.inspect(connection).get_table_names()):
            if name != "alembic_version":
                n = connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
                typer.echo(f"  {name}: {n:,}")


def purge(
    before: Annotated[str, typer.Option(help="A day such as 2026-11-01 (UTC), or days ago such as 30d.")],
) -> None:
    """Forget texts, embeddings and digests of the prompts of decisions before a day; what was decided and what came of it stay.

    Example: thinkworth purge --before 30d
    """
    from contract.store.opening import migrate, open_store, reached, squeeze
    from contract.store.writing import forget, forget_files

    settings = load_settings()
    engine = open_store(settings.store_address)
    when = _day(before)
    with reached():
        migrate(engine)
        with engine.begin() as connection:
            gone = forget(connection, when)
        overwritten = squeeze(engine)
    files = forget_files(settings.training_folder, when)
    typer.echo(
        f"before {when:%Y-%m-%d %H:%M} UTC: {gone['prompts']:,} prompts and {gone['digests']:,} digests forgotten"
    )
    if not overwritten:
        typer.echo(
            "they are still in SQLite's write-ahead log, as somebody reads the store just now: purge again, or wait an hour"
        )
    for name in files:
        typer.echo(
            f"{name}, made of them for training, is removed: `thinkworth retrain --without {name}` does without it"
        )
    if waiting := [path for path in (settings.folder / "journal").rglob("*.jsonl") if path.stat().st_size]:
        typer.echo(
            f"{len(waiting)} journals in {settings.folder / 'journal'} wait for the store; purge again once they are in it"
        )


def _day(text: str) -> datetime:
    try:
        if text.endswith("d"):
            return datetime.now(UTC) - timedelta(days=int(text[:-1]))
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"--before {text[:40]} is neither a day such as 2026-11-01 nor days ago such as 30d", field="before"
        ) from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _migrate(to: str) -> None:
    from contract.store.opening import found_revision, migrate, open_store, reached, reading, shown

    engine = open_store(load_settings().store_address)
    with reached():
        migrate(engine, to)
        with reading(engine) as connection:
            found = found_revision(connection)
    typer.echo(f"{shown(engine.url)}: {f'revision {found}' if found else 'no tables'}")
