"""What docs/access.md shows is what there is."""

import re
from typing import get_args

import pytest

from contract.locate import ROOT
from contract.settings import Limits, Settings
from serving.access.keys import SCOPES, Scope, read_keys

TEXT = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")


def test_its_file_of_keys_is_read(tmp_path):
    (tmp_path / "keys.yaml").write_text(re.search(r"```yaml\n(keys:.*?)```", TEXT, re.DOTALL)[1])
    assert [key.name for key in read_keys(tmp_path / "keys.yaml")] == ["gateway", "analyst"]


@pytest.mark.parametrize("name", Limits.model_fields)
def test_its_limits_are_those_of_the_settings(name):
    assert f"| {name} | {Limits.model_fields[name].default} |" in TEXT


def test_it_names_every_scope_and_setting():
    assert get_args(Scope) == SCOPES
    assert all(f"\n| {scope} |" in TEXT for scope in SCOPES)
    for setting in ("api_keys_file", "key_requests_per_second", "key_burst", "allow_anonymous", "session_key_file"):
        assert setting in Settings.model_fields
        assert setting in TEXT


def test_its_commands_are_there(thinkworth, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^thinkworth (keys new .*?)(?:\s+#.*)?$", TEXT, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        assert thinkworth(*command.split()).code == 0
    assert [key.name for key in read_keys(tmp_path / "keys.yaml")] == ["gateway", "analyst", "prometheus"]
