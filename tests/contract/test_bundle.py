"""A bundle is verified before it is used, and found in one order."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract import bundle as module
from contract.bundle import FORMAT_VERSION, HEADS, MANIFEST, Bundle, Curve, in_use, sha256
from contract.errors import BundleMismatch, BundleMissing, BundleTooNew, Refused
from contract.locate import ROOT


@pytest.fixture
def folder(tmp_path):
    default = ROOT / "models" / "default"
    if not (default / MANIFEST).is_file():
        pytest.skip("models/default is not there: no bundle to copy")
    return shutil.copytree(default, tmp_path / "bundle")


def edit(folder, **changes):
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def refusal(folder, kind):
    with pytest.raises(Refused) as caught:
        Bundle(folder)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 1
    return caught.value


def test_an_untouched_copy_is_read(folder):
    bundle = Bundle(folder)
    assert bundle.heads == folder / HEADS
    assert bundle.manifest.format_version <= FORMAT_VERSION
    assert bundle.manifest.files[HEADS] == sha256(folder / HEADS)


@pytest.mark.parametrize("name", [MANIFEST, HEADS, "card.md", "report.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    error = refusal(folder, BundleMissing)
    assert str(folder / name) in error.message
    assert error.field == name


def test_a_missing_folder_is_named(tmp_path):
    assert str(tmp_path / "nowhere") in refusal(tmp_path / "nowhere", BundleMissing).message


@pytest.mark.parametrize("name", [HEADS, "card.md", "report.json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_an_altered_file_is_named(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.write_bytes({"flipped": bytes([content[0] ^ 1]) + content[1:], "cut": content[:-1], "emptied": b""}[damage])
    error = refusal(folder, BundleMismatch)
    assert str(path) in error.message
    assert error.field == name


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 10**6])
def test_a_newer_format_is_refused_before_anything_else_is_read(tmp_path, version):
    (tmp_path / MANIFEST).write_text(json.dumps({"format_version": version, "new_key": 1}), encoding="utf-8")
    error = refusal(tmp_path, BundleTooNew)
    assert str(tmp_path / MANIFEST) in error.message
    assert str(version) in error.message
    assert error.limit == FORMAT_VERSION


@pytest.mark.parametrize("content", [b"", b"{", b"not json", b"\xff\xfe\x00", b'{"format_version": 1,}'])
def test_a_manifest_that_is_not_json_is_named(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    error = refusal(tmp_path, BundleMismatch)
    assert str(tmp_path / MANIFEST) in error.message
    assert "JSON" in error.message
    assert error.field == MANIFEST


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}", '{"format_version": 1}'])
def test_json_that_is_no_manifest_is_a_mismatch(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    assert str(tmp_path / MANIFEST) in refusal(tmp_path, BundleMismatch).message


@pytest.mark.parametrize("changes", [{"surprise": 1}, {"files": {}}, {"encoder": {}}, {"format_version": "one"}])
def test_a_manifest_with_a_wrong_key_is_a_mismatch(folder, changes):
    edit(folder, **changes)
    assert str(folder / MANIFEST) in refusal(folder, BundleMismatch).message


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": (0,), "y": (0,)},
        {"x": (), "y": ()},
        {"x": (0, 1), "y": (0,)},
        {"x": (0, 0), "y": (0, 1)},
        {"x": (1, 0), "y": (0, 1)},
        {"x": (0, 1), "y": (1, 0)},
        {"x": (0, 1), "y": (0, 1), "lower": (0,), "upper": (1,)},
        {"x": (0, 1), "y": (0, 1), "lower": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "upper": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "lower": (0.5, 0.5), "upper": (2, 2)},
        {"x": (0, 1), "y": (0, 1), "lower": (0, 0), "upper": (0.5, 0.5)},
        {"x": (0, float("nan")), "y": (0, 1)},
        {"x": (0, float("inf")), "y": (0, 1)},
        {"x": (0, 1), "y": (0, 1), "z": 1},
    ],
)
def test_a_wrong_curve_is_refused(wrong):
    with pytest.raises(ValidationError):
        Curve(**wrong)


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.floats(0, 1), st.floats(-30, 30), st.floats(-30, 30))
def test_a_curve_is_monotone_within_its_band_and_flat_beyond_its_ends(ys, half, a, b):
    ys = sorted(ys)
    curve = Curve(x=range(len(ys)), y=ys, lower=[y - half for y in ys], upper=[y + half for y in ys])
    low, high = sorted((a, b))
    assert curve.at(low) <= curve.at(high) + 1e-9
    lower, upper = curve.band(a)
    assert lower - 1e-9 <= curve.at(a) <= upper + 1e-9
    assert curve.at(-1000) == ys[0]
    assert curve.at(1000) == ys[-1]


def test_a_curve_passes_through_its_knots_and_cannot_be_changed():
    curve = Curve(x=(0, 1, 3), y=(0, 0.5, 0.5))
    assert [curve.at(x) for x in (0, 0.5, 1, 2, 3)] == [0, 0.25, 0.5, 0.5, 0.5]
    assert np.isfinite(curve.at(1e300))
    with pytest.raises(ValidationError):
        curve.x = (1, 2)


@pytest.fixture
def places(tmp_path, monkeypatch):
    """An empty working directory and an empty checkout, both in tmp_path; no environment variable."""
    here, root = tmp_path / "here", tmp_path / "root"
    for place in (here, root):
        (place / "models").mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.delenv("THINKWORTH_BUNDLE", raising=False)
    return here / "models", root / "models"


def test_the_order_of_places(places, tmp_path, monkeypatch):
    here, root = places
    with pytest.raises(BundleMissing, match="thinkworth train"):
        in_use()
    for models in (root, here):  # each later place wins over all before it
        for name in ("default", "current"):
            (models / name).mkdir()
            assert in_use() == models / name
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(tmp_path / "from-environment"))
    assert in_use() == tmp_path / "from-environment"
    assert in_use(tmp_path / "named") == tmp_path / "named"


def test_an_empty_environment_variable_names_nothing(places, monkeypatch):
    (places[0] / "default").mkdir()
    monkeypatch.setenv("THINKWORTH_BUNDLE", "")
    assert in_use() == places[0] / "default"


def test_current_may_be_a_link_or_a_file_with_a_name(places):
    models = places[0]
    for name in ("default", "mine"):
        (models / name).mkdir()
    (models / "current").write_text("mine\n", encoding="utf-8")
    assert in_use() == models / "mine"
    (models / "current").unlink()
    (models / "current").symlink_to("mine", target_is_directory=True)
    assert in_use().resolve() == (models / "mine").resolve()


def test_a_named_bundle_that_is_not_there_is_refused_rather_than_replaced(folder, places, monkeypatch):
    shutil.copytree(folder, places[0] / "default")
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(places[0] / "typo"))
    assert "typo" in refusal(in_use(), BundleMissing).message
