"""Shipped files are found in the working directory, else in the checkout."""

from pathlib import Path

import pytest

from contract import locate
from contract.errors import InvalidInput
from contract.locate import ROOT, find


@pytest.fixture
def places(tmp_path, monkeypatch):
    here, root = tmp_path / "here", tmp_path / "root"
    here.mkdir()
    root.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(locate, "ROOT", root)
    return here, root


def test_the_checkout_holds_the_packages():
    assert Path(locate.__file__).resolve() == ROOT / "contract" / "locate.py"
    assert ROOT.is_absolute()


def test_the_working_directory_wins_over_the_checkout(places):
    for place in reversed(places):
        (place / "data").mkdir()
        (place / "data" / "file.yaml").write_text("x", encoding="utf-8")
        assert find("data/file.yaml") == place / "data" / "file.yaml"
        assert find("data") == place / "data"


def test_what_is_nowhere_is_named_with_both_places_and_the_remedy(places):
    with pytest.raises(InvalidInput, match="name it with an option, or run from the checkout") as caught:
        find("data/absent.yaml")
    for place in places:
        assert str(place / "data") in caught.value.message
    assert caught.value.message.startswith("data/absent.yaml ")
    assert caught.value.exit_code == 2


def test_a_link_to_nothing_is_passed_over(places):
    here, root = places
    (here / "file").symlink_to(here / "gone")
    (root / "file").write_text("x", encoding="utf-8")
    assert find("file") == root / "file"


@pytest.mark.parametrize("name", ["data/profiles.yaml", "data/taxonomy.yaml", "models/encoder", "models/default"])
def test_what_is_shipped_is_found_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find(name) == ROOT / name
