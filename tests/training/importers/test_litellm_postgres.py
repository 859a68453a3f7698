"""LiteLLM's spend logs read from a real PostgreSQL."""

import csv
import json
import re
import socket
import traceback
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from contract.errors import InvalidInput
from training.importers import litellm_spend
from training.importers.call import Call, Options, Place

psycopg = pytest.importorskip("psycopg", reason="needs the extra postgres")
from psycopg import sql  # noqa: E402 - after the skip
from psycopg.types.json import Jsonb  # noqa: E402

FIXTURE = Path(__file__).parent / "fixtures" / "litellm-spend"
TABLE = "LiteLLM_SpendLogs"

# model LiteLLM_SpendLogs of litellm/proxy/schema.prisma, with the types that Prisma gives its columns
COLUMNS = {
    "request_id": "text PRIMARY KEY",
    "call_type": "text NOT NULL",
    "api_key": "text NOT NULL DEFAULT ''",
    "spend": "double precision NOT NULL DEFAULT 0.0",
    "total_tokens": "integer NOT NULL DEFAULT 0",
    "prompt_tokens": "integer NOT NULL DEFAULT 0",
    "completion_tokens": "integer NOT NULL DEFAULT 0",
    "startTime": "timestamp(3) NOT NULL",
    "endTime": "timestamp(3) NOT NULL",
    "request_duration_ms": "integer",
    "completionStartTime": "timestamp(3)",
    "model": "text NOT NULL DEFAULT ''",
    "model_id": "text DEFAULT ''",
    "model_group": "text DEFAULT ''",
    "custom_llm_provider": "text DEFAULT ''",
    "api_base": "text DEFAULT ''",
    "user": "text DEFAULT ''",
    "metadata": "jsonb DEFAULT '{}'",
    "cache_hit": "text DEFAULT ''",
    "cache_key": "text DEFAULT ''",
    "request_tags": "jsonb DEFAULT '[]'",
    "team_id": "text",
    "organization_id": "text",
    "end_user": "text",
    "requester_ip_address": "text",
    "messages": "jsonb DEFAULT '{}'",
    "response": "jsonb DEFAULT '{}'",
    "session_id": "text",
    "status": "text",
    "mcp_namespaced_tool_name": "text",
    "agent_id": "text",
    "proxy_server_request": "jsonb DEFAULT '{}'",
    "litellm_call_id": "text",
}
OLDER = {name: kind for name, kind in COLUMNS.items() if name not in ("status", "session_id", "request_duration_ms")}

Rows = list[dict[str, Any]]
Fill = Callable[..., str]


def fixture_rows() -> Rows:
    rows: Rows = json.loads((FIXTURE / "spend_logs.json").read_text())["data"]
    with (FIXTURE / "spend_logs.csv").open(newline="") as handle:
        return [*rows, *csv.DictReader(handle)]


def as_stored(row: dict[str, Any], columns: dict[str, str]) -> list[Any]:
    """A row's values as LiteLLM writes them: times in UTC, JSON as jsonb."""
    return [stored(row[name], kind) for name, kind in columns.items()]


def stored(value: Any, kind: str) -> Any:
    if value in (None, ""):
        return None if kind != "text DEFAULT ''" and "NOT NULL" not in kind else ""
    if kind.startswith("timestamp"):
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    if kind.startswith("jsonb"):
        return Jsonb(json.loads(value) if isinstance(value, str) else value)
    return value


@pytest.fixture
def fill(postgres: str) -> Fill:
    """A function that makes the table, fills it and returns the database's address."""

    def filled(rows: Rows, columns: dict[str, str] = COLUMNS, table: str = TABLE, schema: str = "public") -> str:
        name = sql.Identifier(schema, table)
        parts = [sql.Composed([sql.Identifier(column), sql.SQL(f" {kind}")]) for column, kind in columns.items()]
        with psycopg.connect(postgres) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(parts)))
            insert = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
                name,
                sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(sql.Placeholder() * len(columns)),
            )
            connection.cursor().executemany(insert, [as_stored(row, columns) for row in rows])
        return postgres

    return filled


def calls(address: str, **options: Any) -> dict[str, Call]:
    records = litellm_spend.read([address], Options(**options))
    return {record.request_id: record for record in records if isinstance(record, Call)}


def failure(address: str, **options: Any) -> InvalidInput:
    """The error of reading an address; neither it nor what caused it may repeat the password."""
    with pytest.raises(InvalidInput) as caught:
        list(litellm_spend.read([address], Options(**options)))
    whole = "".join(traceback.format_exception(caught.value))
    assert "sonderzeichen" not in whole.replace(f'"{address}"', "")
    return caught.value


def test_a_table_tells_the_story_that_its_export_tells(fill: Fill, check_story: Callable[..., Any]) -> None:
    case = yaml.safe_load((FIXTURE / "case.yaml").read_text())
    check_story("litellm-spend", [fill(fixture_rows())], {**case, "scores": FIXTURE / case["scores"]})


def test_the_command_reads_a_database_and_writes_its_password_nowhere(
    fill: Fill, tmp_path: Path, thinkworth: Any
) -> None:
    done = thinkworth("import", "litellm-spend", fill(fixture_rows()), "--out", tmp_path / "logs.jsonl")
    assert done.code == 0, done.err
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert set(written) == {"logs.jsonl", "logs.jsonl.quarantine.jsonl"}
    assert len(written["logs.jsonl"].splitlines()) == 5
    assert "set store_prompts_in_spend_logs: true" in done.out
    for text in (done.out, done.err, *written.values()):
        assert "sonderzeichen" not in text
    assert "tester" not in written["logs.jsonl.quarantine.jsonl"]


def test_the_command_fails_with_one_line_and_writes_nothing(fill: Fill, tmp_path: Path, thinkworth: Any) -> None:
    address = fill(fixture_rows()).replace("sonderzeichen", "sonderfarben")
    done = thinkworth("import", "litellm-spend", address, "--out", tmp_path / "logs.jsonl")
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "password authentication failed" in done.err
    assert "sonderfarben" not in done.out + done.err
    assert not list(tmp_path.iterdir())


def test_rows_come_by_their_time_and_their_place_has_no_user_and_no_password(fill: Fill) -> None:
    address = fill(fixture_rows()[::-1])
    read = calls(address)
    assert list(read) == ["req-3", "req-1", "req-4", "req-2", "req-5", "req-6", "req-7"]
    assert read["req-1"].place == Place(re.sub("//.*@", "//", address), 2)


def test_columns_that_an_older_version_lacks_are_not_asked_for(fill: Fill) -> None:
    read = calls(fill(fixture_rows(), OLDER))
    assert len(read) == 7
    assert read["req-2"].conversation_id is None
    assert not read["req-2"].failed


def test_the_address_that_prisma_takes_works_as_it_is(fill: Fill) -> None:
    address = fill(fixture_rows(), schema="gateway")
    prisma = f"{address}?schema=gateway&connection_limit=10&pool_timeout=60&sslmode=disable"
    assert len(calls(prisma)) == 7
    assert len(calls(address.replace("postgresql:", "postgres:"), table=f"gateway.{TABLE}")) == 7


def test_a_large_table_is_never_held_whole(fill: Fill) -> None:
    row = fixture_rows()[1]
    body = {"model": "model-a", "messages": [{"role": "user", "content": "a longer prompt " * 2_000}]}
    rows = [{**row, "request_id": f"req-{at}", "proxy_server_request": body} for at in range(1_500)]  # 48 MB
    address = fill(rows)
    del rows
    records = litellm_spend.read([address], Options())
    tracemalloc.start()
    try:
        next(records)
        with psycopg.connect(address) as other:
            said = other.execute("SELECT query FROM pg_stat_activity WHERE state = 'idle in transaction'").fetchall()
        count = 1 + sum(1 for _ in records)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1_500
    assert peak < 16 * 2**20
    assert len(said) == 1
    assert said[0][0].startswith("FETCH FORWARD")  # the rest is still with the server


def test_nothing_is_written_to_the_database(fill: Fill, postgres: str) -> None:
    address = fill(fixture_rows())
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE TABLE seen (at integer)")
        connection.execute(
            "CREATE FUNCTION note() RETURNS integer LANGUAGE sql AS 'INSERT INTO seen VALUES (1) RETURNING at'"
        )
        connection.execute(f'CREATE VIEW meddling AS SELECT s.*, note() AS noted FROM "{TABLE}" s WHERE note() = 1')
    assert "read-only transaction" in str(failure(address, table="meddling"))


def test_a_wrong_password_is_one_clear_error(postgres: str) -> None:
    error = failure(postgres.replace("wort", "ein%20anderes%20wort"))
    assert "password authentication failed" in str(error)


def test_a_server_that_is_not_there_is_one_clear_error(postgres: str) -> None:
    with socket.socket() as unused:  # bound, but not listening
        unused.bind(("127.0.0.1", 0))
        address = re.sub(r":\d+/", f":{unused.getsockname()[1]}/", postgres)
        error = failure(address)
    assert str(error).startswith(re.sub("//.*@", "//", address))
    assert "Connection refused" in str(error)


def test_a_missing_table_is_one_clear_error(postgres: str) -> None:
    error = failure(postgres)
    assert f"no table {TABLE}" in str(error)
    assert "--table" in str(error)


def test_an_empty_table_is_one_clear_error(fill: Fill) -> None:
    assert f"the table {TABLE} has no rows" in str(failure(fill([])))


def test_another_table_is_one_clear_error(fill: Fill) -> None:
    address = fill([], {"id": "integer"}, table="other")
    assert "the table other has none of the columns request_id" in str(failure(address, table="other"))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://tester:sonder@zeichen@127.0.0.1/litellm",
        "postgresql://tester:sonderzeichen@127.0.0.1:port/litellm",
        "postgresql://",
    ],
)
def test_an_address_that_is_none_is_one_clear_error(address: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        list(litellm_spend.read([address], Options()))
    assert "zeichen" not in str(caught.value)
    assert "postgresql://" in str(caught.value)
