"""The verb keys: a key is shown once, its entry goes to the file, and what a person wrote there stays."""

import json
import os

import pytest

from serving.access.keys import Keys, given_keys, read_keys


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys.yaml"


def made(thinkworth, *arguments):
    said = thinkworth("keys", "new", *arguments, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)


def test_a_key_is_shown_once_with_the_lines_to_put_somewhere(thinkworth, file):
    said = thinkworth(
        "keys", "new", "--name", "gateway", "--scope", "predict", "--scope", "outcomes", "--expires", "90d"
    )
    key, entry, line = (text.strip() for text in said.out.splitlines() if text.startswith("  "))
    assert said.out.count(key) == 1
    file.write_text(f"keys:\n  {entry}\n")
    for entries in (read_keys(file), given_keys(line)):
        (one,) = entries
        assert (one.name, one.scopes) == ("gateway", ("predict", "outcomes"))
        assert Keys(entries).of(key.encode()) is one
    assert read_keys(file) == given_keys(line)


def test_a_file_is_made_for_its_owner_alone_and_grows(thinkworth, file):
    first = made(thinkworth, "--name", "a", "--scope", "predict", "--file", file)
    file.write_text(file.read_text().replace("keys:", "# mine\nkeys:"))
    made(thinkworth, "--name", "b", "--scope", "audit", "--burst", 5, "--requests-per-second", 2.5, "--file", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [(key.name, key.burst) for key in read_keys(file)] == [("a", None), ("b", 5)]
    assert first["key"] not in file.read_text()
    assert "# mine" in file.read_text()
    assert "b: audit; never expires, 2.5 a second" in thinkworth("keys", "list", "--file", file).out
    listed = json.loads(thinkworth("keys", "list", "--file", file, "--json").out)
    assert [key["name"] for key in listed["keys"]] == ["a", "b"]


def test_a_file_keeps_the_rights_that_it_was_given_whatever_the_umask(thinkworth, file):
    made(thinkworth, "--name", "a", "--scope", "predict", "--file", file)
    file.chmod(0o644)
    before = os.umask(0o077)
    try:
        made(thinkworth, "--name", "b", "--scope", "predict", "--file", file)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_key_is_taken_away_and_the_last_one_too(thinkworth, file):
    for name in ("a", "a.b", "ab"):
        made(thinkworth, "--name", name, "--scope", "predict", "--file", file)
    assert thinkworth("keys", "revoke", "a.b", "--file", file).code == 0
    assert [key.name for key in read_keys(file)] == ["a", "ab"]
    for name in ("a", "ab"):
        assert thinkworth("keys", "revoke", name, "--file", file).code == 0
    assert read_keys(file) == ()
    made(thinkworth, "--name", "new", "--scope", "predict", "--file", file)
    assert [key.name for key in read_keys(file)] == ["new"]
    said = thinkworth("keys", "revoke", "a", "--file", file)
    assert said.code == 2
    assert "it has new" in said.err


def test_a_file_in_another_form_is_left_as_it_is(thinkworth, file):
    made(thinkworth, "--name", "a", "--scope", "predict", "--file", file)
    entry = read_keys(file)[0]
    file.write_text(f"keys:\n- name: a\n  hash: {entry.hash}\n  scopes:\n  - predict\n")
    before = file.read_text()
    for arguments in (["revoke", "a"], ["new", "--name", "b", "--scope", "audit"]):
        said = thinkworth("keys", *arguments, "--file", file)
        assert (said.code, file.read_text()) == (2, before)
        assert "by hand" in said.err
    assert [path.name for path in file.parent.iterdir()] == ["keys.yaml"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--name", "a", "--scope", "predct"], "'predict', 'outcomes'"),
        (["--name", "two words", "--scope", "predict"], "name is"),
        (["--name", "a", "--scope", "predict", "--expires", "soon"], "give 2027-06-30"),
        (["--name", "a", "--scope", "predict", "--burst", "0"], "burst"),
    ],
)
def test_what_cannot_be_is_refused(thinkworth, arguments, told):
    said = thinkworth("keys", "new", *arguments)
    assert said.code == 2
    assert told in said.err
    assert "correct the file" not in said.err
    assert said.out == ""


def test_a_name_is_taken_once(thinkworth, file):
    made(thinkworth, "--name", "a", "--scope", "predict", "--file", file)
    said = thinkworth("keys", "new", "--name", "a", "--scope", "predict", "--file", file)
    assert said.code == 2
    assert "name the new one otherwise" in said.err


def test_the_file_of_the_settings_is_meant_where_none_is_named(thinkworth, file, monkeypatch):
    assert "--file" in thinkworth("keys", "list").err
    made(thinkworth, "--name", "a", "--scope", "predict", "--file", file)
    monkeypatch.setenv("THINKWORTH_API_KEYS_FILE", str(file))
    assert thinkworth("keys", "list").out.startswith("a: predict")
