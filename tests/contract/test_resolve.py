"""A bundle is a folder, or an address that what is installed turns into one."""

from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from contract import resolve
from contract.bundle import in_use
from contract.errors import InvalidInput, MissingExtra


@pytest.fixture
def known(monkeypatch):
    """Entry points of the test's own: `models` fetches, `away` is of a library that is not installed."""
    points = EntryPoints(
        EntryPoint(name, value, resolve.GROUP)
        for name, value in (("models", "tests_fetch:fetch"), ("away", "no_such_library:fetch"))
    )
    monkeypatch.setattr(resolve, "entry_points", lambda group: points)
    monkeypatch.setattr(EntryPoint, "load", load)
    return points


def load(point):
    if point.name == "away":
        raise ModuleNotFoundError("No module", name="no_such_library")
    return lambda address: f"/fetched/{address}"


@pytest.mark.parametrize("named", ["models/default", "/nowhere/at/all", "C:/bundle"])
def test_a_path_is_left_as_it_is(known, named):
    assert resolve.resolved(Path(named)) == Path(named)


def test_an_address_is_fetched(known):
    assert resolve.resolved(Path("models:/thinkworth@champion")) == Path("/fetched/models:/thinkworth@champion")


def test_a_folder_whose_name_is_an_address_is_a_folder(known, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models:/x").mkdir(parents=True)
    assert resolve.resolved(Path("models:/x")) == Path("models:/x")


def test_what_nothing_fetches_names_what_is_known(known):
    with pytest.raises(InvalidInput, match=r"s3:/bucket/x.*known: away:/, models:/"):
        resolve.resolved(Path("s3:/bucket/x"))


def test_what_is_not_installed_names_the_extra(known):
    with pytest.raises(MissingExtra, match=r"no_such_library; install thinkworth\[train\]"):
        resolve.resolved(Path("away:/x"))


@pytest.mark.parametrize("way", ["option", "environment"])
def test_the_bundle_in_use_may_be_an_address(known, monkeypatch, way):
    address = "models:/thinkworth/7"
    monkeypatch.setenv("THINKWORTH_BUNDLE", address if way == "environment" else "elsewhere")
    assert in_use(Path(address) if way == "option" else None) == Path(f"/fetched/{address}")
