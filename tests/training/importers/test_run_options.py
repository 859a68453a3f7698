"""What the operator says of a log: the rows' source, options that a format does not take, the arms of silent models."""

import json
from dataclasses import replace

import pytest

from contract.errors import InvalidInput
from contract.records import Arm
from training.importers import importer
from training.importers.blocks import Told
from training.importers.call import Options
from training.importers.run import NothingImported, import_log
from training.importers.scores import parse_scale
from training.logs import read_logs

ROW = {"prompt": "Why?", "model": "m", "arm": "direct"}
LOGGED = {
    "request": {"model": "m", "messages": [{"role": "user", "content": "Why?"}], "reasoning_effort": "low"},
    "response": {"id": "c-1", "model": "m", "choices": [{"finish_reason": "stop"}]},
}


@pytest.fixture
def sources(tmp_path):
    """Return what imports records of files given by name, and gives the sources of the rows."""

    def imported(name, told=None, **files):
        places = [tmp_path / file.replace("_", ".") for file in files]
        for place, records in zip(places, files.values(), strict=True):
            place.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        out = tmp_path / "logs.parquet"
        import_log(importer(name), list(map(str, places)), out, told or Told())
        return read_logs([out]).table["source"].tolist(), [
            read_logs([place]) for place in places if name == "canonical"
        ]

    return imported


def test_rows_of_a_table_are_named_after_their_own_file_as_training_names_them(sources):
    named = {**ROW, "source": "mine"}
    found, read = sources("canonical", monday_jsonl=[ROW, named], tuesday_v2_jsonl=[ROW])
    assert found == ["monday", "mine", "tuesday.v2"]
    assert found == [source for logs in read for source in logs.table["source"]]


def test_calls_of_all_files_of_one_log_have_one_source(sources):
    second = {**LOGGED, "response": {**LOGGED["response"], "id": "c-2"}}
    assert sources("openai-jsonl", monday_jsonl=[LOGGED], tuesday_jsonl=[second])[0] == ["monday"] * 2


@pytest.mark.parametrize(("name", "record"), [("canonical", ROW), ("openai-jsonl", LOGGED)])
def test_a_source_that_is_given_names_all_rows_without_one(sources, name, record):
    assert sources(name, Told(source="given"), monday_jsonl=[record])[0] == ["given"]


@pytest.mark.parametrize(
    ("name", "told", "options", "message"),
    [
        ("otel", Told(), Options(experiment="e"), "otel takes no --experiment; mlflow does"),
        ("mlflow", Told(), Options(table="t"), "mlflow takes no --table; litellm-spend does"),
        ("openai-jsonl", Told(score="s"), Options(), "openai-jsonl takes no --score; otel, langfuse, mlflow do"),
        ("canonical", Told(default_arms={"*": Arm.DIRECT}), Options(), "canonical takes no --default-arm; openai-jsonl"),
        ("canonical", Told(scale=parse_scale("1..5")), Options(), "--scale has no scores to read"),
        ("litellm-spend", Told(), Options(table="t"), "--table names a table of a database"),
    ],
)  # fmt: skip
def test_an_option_that_would_do_nothing_is_refused(tmp_path, name, told, options, message):
    (tmp_path / "log.jsonl").write_text("{}\n")
    with pytest.raises(InvalidInput, match=message):
        import_log(
            importer(name), [str(tmp_path / "log.jsonl")], tmp_path / "logs.parquet", replace(told), options=options
        )
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_a_scale_may_be_that_of_a_scores_file(tmp_path):
    (tmp_path / "log.jsonl").write_text(json.dumps({**ROW, "request_id": "a"}))
    (tmp_path / "scores.csv").write_text("request_id,score\na,4\n")
    out = tmp_path / "logs.parquet"
    told = Told(scale=parse_scale("1..5"))
    import_log(importer("canonical"), [str(tmp_path / "log.jsonl")], out, told, scores=tmp_path / "scores.csv")
    assert read_logs([out]).table["score"].tolist() == [0.75]


def test_the_report_names_the_models_that_say_nothing(run, call):
    silent = [call(line, model=f"model-{line % 7}", parameters={}) for line in range(30)]
    odd = [call(40 + at, model=model, parameters={}) for at, model in enumerate([None, "a whole prompt", "x" * 500])]
    said = call(50, model="model-9", parameters={"reasoning_effort": "turbo"})
    done = run(*silent, *odd, said, call(60))
    assert done.report.undecided == {
        "model-0": 5, "model-1": 5, "model-2": 4, "model-3": 4, "model-4": 4, "other models": 11,
    }  # fmt: skip
    text = done.report.text()
    assert "34  arm undecidable: declare what a model does by itself with --default-arm MODEL=direct or MODEL=r" in text
    assert "=reasoning: model-0 (5), model-1 (5), model-2 (4), model-3 (4), model-4 (4), other models (11)\n" in text
    assert "model-9" not in text


def test_models_that_say_nothing_are_counted_in_bounded_memory(tmp_path, log, call):
    calls = (call(line, model=f"model-{line}", parameters={}) for line in range(3000))
    with pytest.raises(NothingImported) as failed:
        import_log(log(*calls), ["x"], tmp_path / "logs.parquet", Told())
    assert sum(failed.value.report.undecided.values()) == 3000
    assert len(failed.value.report.undecided) == 6


def test_no_arm_is_asked_for_where_the_parameters_disagree(run, call):
    done = run(call(1, parameters={"reasoning_effort": "none", "thinking": True}), call(2))
    assert done.report.quarantined == {"arm undecidable": 1}
    assert done.report.undecided == {}
    assert "--default-arm" not in done.report.text()
