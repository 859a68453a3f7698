"""`thinkworth audit`: in the store, in a folder, in MLflow; a half of it is never seen."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import sqlalchemy as sa
import uuid_utils

from audit import writing
from audit.config import AuditConfig
from audit.report import audit
from contract.store import audit_tables
from contract.store.opening import migrate, open_store, reading

SCORED = {"score": 1.0, "output_tokens": 900}
BAD = {"p_reasoning": 1.0, "expected_gain": -0.3, "expected_gain_lower": -0.4, "expected_gain_upper": -0.2}


def count(engine, table, *where):
    with reading(engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar_one()


@pytest.fixture
def address(engine):
    return engine.url.render_as_string(hide_password=False)


def test_an_audit_is_in_the_store_in_a_folder_and_in_mlflow(
    put, engine, address, tmp_path, thinkworth, monkeypatch, mlflow_database
):  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_database(tmp_path))
    monkeypatch.chdir(tmp_path)
    put(*[(BAD, [SCORED])] * 40, ({"p_reasoning": 1.0, "expected_gain": 0.9}, []))
    with engine.begin() as connection:
        from contract.store.outcomes import new_id, tell

        tell(
            connection,
            [{"outcome_id": new_id(), "request_id": "unknown", "arm": "direct", "source": "x", "score": 0.0}],
        )
    said = thinkworth("audit", "--out", tmp_path / "report", "--store", address, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert told["decisions"] == 41
    assert told["suspected"] > 0
    index = json.loads((tmp_path / "report" / "index.json").read_text())
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["audit_id"] == index["audit_id"] == told["audit_id"]
    for one in index["tables"]:
        text = (tmp_path / "report" / one["file"]).read_text()
        assert text.count("\n") > one["rows"] or not one["rows"]
        assert (tmp_path / "report" / one["file"]).with_suffix(".parquet").is_file()
    suspected = pd.read_csv(tmp_path / "report" / "suspects.csv")
    assert len(suspected) == count(engine, audit_tables.suspects) == told["suspected"]
    assert len(pd.read_csv(tmp_path / "report" / "slices.csv")) == count(engine, audit_tables.slices)
    with reading(engine) as connection:
        row = connection.execute(sa.select(audit_tables.audits)).mappings().one()
    assert row["report"] == {name: value for name, value in report.items() if name != "audit_id"}
    assert row["until"] == datetime.fromisoformat(report["until"])
    from mlflow.tracking import MlflowClient

    run = MlflowClient().get_run(told["mlflow_run"])
    assert run.data.tags["kind"] == "audit"
    assert run.data.metrics["suspects/suspected"] == told["suspected"]
    assert {file.path for file in MlflowClient().list_artifacts(told["mlflow_run"], "report")} >= {
        "report/report.json",
        "report/slices.csv",
    }
    later = thinkworth("audit", "--out", tmp_path / "report", "--log-only")
    assert (later.code, later.out.count(f"is logged already: MLflow run {told['mlflow_run']}")) == (0, 1)
    MlflowClient().set_terminated(told["mlflow_run"], "KILLED")  # it may hold half of it
    later = thinkworth("audit", "--out", tmp_path / "report", "--log-only")
    assert (later.code, "already" in later.out, told["mlflow_run"] in later.out) == (0, False, False)


@pytest.mark.parametrize(
    "more", [("--since", "2026-11-01"), ("--until", "2026-11-01"), ("--store", "s"), ("--config", "c"), ("--no-register",), ("--json",)]
)  # fmt: skip
def test_a_report_is_logged_later_as_it_is(more, thinkworth):
    said = thinkworth("audit", "--log-only", *more)
    assert (said.code, "give it with --out alone" in said.err) == (2, True)


def test_a_table_without_rows_keeps_its_columns_and_no_text_is_a_formula(put, record, tmp_path):
    put(*[({"task": "=HYPERLINK(1)", "expected_net_benefit": -0.1}, [SCORED])] * 12)
    made = audit(record(), AuditConfig(least_decisions=10), time=datetime.now(UTC))
    writing.write_folder(tmp_path, made, "a")
    assert (tmp_path / "drift_days.csv").read_text().startswith("column,day,n,psi")
    assert (tmp_path / "calibration_budgets.csv").read_text().startswith("task,coverage")
    scores = pd.read_csv(tmp_path / "product_scores.csv")
    assert scores.score.dtype == float
    guarded = writing._no_formula(pd.DataFrame({"task": ["=1", "+1", "-1", "@a", "\ta", "a", None], "x": -0.5}))
    assert guarded.task.tolist()[:6] == ["'=1", "'+1", "'-1", "'@a", "'\ta", "a"]
    assert (guarded.x == -0.5).all()


def test_waiting_outcomes_are_joined_before_they_are_read(put, engine, address, tmp_path, thinkworth):
    put(({}, [{"request_id": "r", "score": 1.0}]), ({"request_id": "r"}, []))
    said = thinkworth("audit", "--out", tmp_path / "report", "--store", address, "--no-register", "--json")
    assert said.code == 0, said.err
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["record"]["figures"]["waiting"]["value"] == 0
    assert report["record"]["figures"]["outcomes"]["value"] == 1


def test_an_empty_store_is_no_error(tmp_path, thinkworth):
    said = thinkworth(
        "audit", "--out", tmp_path / "report", "--store", f"sqlite:///{tmp_path / 'new.sqlite'}", "--no-register"
    )
    assert said.code == 0, said.err
    assert "no decision is recorded" in said.out
    again = thinkworth(
        "audit", "--out", tmp_path / "report", "--store", f"sqlite:///{tmp_path / 'new.sqlite'}", "--no-register"
    )
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "no date of ISO 8601"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "not before --until"),
        (["--store", "mysql://x"], "neither a file of SQLite nor PostgreSQL"),
        (["--config", "missing.yaml"], "--config"),
    ],
)
def test_what_is_wrong_is_said_before_the_work(arguments, words, tmp_path, thinkworth):
    said = thinkworth("audit", "--out", tmp_path / "report", *arguments)
    assert said.code == 2
    assert words in said.err
    assert not (tmp_path / "report").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path, thinkworth):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("words")
    said = thinkworth("audit", "--out", tmp_path / "thesis")
    assert said.code == 2
    assert "no report of an audit" in said.err
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "words"


def test_a_file_that_is_no_store_is_one_clear_error(tmp_path, thinkworth):
    (tmp_path / "s.sqlite").write_text("this is no database, and long enough to be read as one " * 40)
    said = thinkworth("audit", "--out", tmp_path / "report", "--store", f"sqlite:///{tmp_path / 's.sqlite'}")
    assert said.code == 1
    assert said.err.startswith("thinkworth: the decision store does not answer")
    assert len(said.err.strip().splitlines()) == 1


@pytest.fixture
def made(put, record):
    put(*[(BAD, [SCORED])] * 30)
    return audit(record(), AuditConfig(), time=datetime.now(UTC))


def test_an_audit_that_is_killed_is_not_seen_and_its_rows_go_with_a_later_one(made, engine, monkeypatch):
    monkeypatch.setattr(writing, "BLOCK", 7)
    written = sa.insert
    calls = []

    def dying(table):
        calls.append(table)
        if table is audit_tables.audits:
            raise KeyboardInterrupt
        return written(table)

    monkeypatch.setattr(writing.sa, "insert", dying)
    with pytest.raises(KeyboardInterrupt):
        writing.write_store(engine, made)
    monkeypatch.setattr(writing.sa, "insert", written)
    assert calls.count(audit_tables.suspects) == 5
    assert count(engine, audit_tables.audits) == 0
    assert count(engine, audit_tables.suspects) == 30
    assert writing.write_store(engine, made)
    assert count(engine, audit_tables.suspects) == 60  # it may be running still
    made.report["time"] = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    kept = writing.write_store(engine, made)
    assert count(engine, audit_tables.audits) == 2
    assert count(engine, audit_tables.suspects) == 60
    assert count(engine, audit_tables.suspects, audit_tables.suspects.c.audit_id == kept) == 30


def test_the_service_writes_while_an_audit_does(made, engine, monkeypatch):
    from contract.store.records import Record
    from contract.store.writing import write

    monkeypatch.setattr(writing, "BLOCK", 5)
    plain = writing.plain

    def between(value):  # called once a block, before its transaction
        with engine.begin() as connection:
            write(
                connection,
                [
                    Record(
                        "gaps",
                        {
                            "gap_id": str(uuid_utils.uuid7()),
                            "since": datetime.now(UTC),
                            "until": datetime.now(UTC),
                            "records": 1,
                        },
                    )
                ],
            )
        return plain(value)

    monkeypatch.setattr(writing, "plain", between)
    writing.write_store(engine, made)
    from contract.store.tables import gaps

    assert count(engine, gaps) >= 6


def test_a_store_in_postgresql_is_audited_and_its_password_told_to_nobody(postgres, tmp_path, thinkworth):
    said = thinkworth("audit", "--out", tmp_path / "report", "--store", postgres, "--no-register")
    assert said.code == 0, said.err
    engine = open_store(postgres)
    migrate(engine)
    assert count(engine, audit_tables.audits) == 1
    engine.dispose()
    wrong = postgres.replace("sonderzeichen", "sonderfarben")
    said = thinkworth("audit", "--out", tmp_path / "other", "--store", wrong, "--no-register")
    assert said.code == 1
    assert "password authentication failed" in said.err
    assert "sonderfarben" not in said.out + said.err
