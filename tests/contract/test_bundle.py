"""A bundle is verified before it is used, and found in one order."""

import hashlib
import json
import shutil
from itertools import pairwise

import pytest
from pydantic import ValidationError

from contract import bundle as module
from contract.bundle import (
    FORMAT_VERSION,
    HEADS,
    LEAST_NEIGHBOURS,
    MANIFEST,
    OLDEST_FORMAT,
    QUANTILES,
    Bundle,
    TargetModel,
    in_use,
    sha256,
)
from contract.calibration import Calibration, Curve
from contract.errors import BundleMismatch, BundleMissing, BundleTooNew, Refused
from contract.locate import ROOT

DIGEST = "0" * 64
BANDED = {"x": [-1, 1], "y": [-1, 1], "lower": [-1, 0.9], "upper": [-0.9, 1]}
FILES = {HEADS: b"a graph", "card.md": b"# a card", "report.json": b"{}"}
WRITTEN = {
    "format_version": FORMAT_VERSION, "revision": "thinkworth/0", "created": "2026-11-29T00:00:00+00:00", "thinkworth_version": "1",
    "files": {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()},
    "encoder": {"name": "an encoder", "sha256": DIGEST, "dimension": 4, "max_tokens": 16},
    "feature_names": ["length", "questions"], "tasks": ["proof", "chit_chat"], "quantiles": QUANTILES,
    "profiles": {"balanced": {"tokens_per_point": 20_000, "max_thinking_tokens": 8192}},
    "calibration": {
        "gain_logs": BANDED, "gain_prior": BANDED, "familiarity": {"x": [0, 1], "y": [0, 1]}, "nearness": {"x": [0, 1], "y": [0, 1]}, "certainty": {"x": [0, 1], "y": [0, 1]},
        "unfamiliar_below": 0.5, "small_budget": 1024,
    },
    "models": {"qwen3-8b": {"direct": 0.1, "gain": -0.2, "log_tokens": 0.7}},
    "population": {"direct": 0.0, "gain": 0.0, "log_tokens": 0.0}, "training": {}, "metrics": {}, "licences": {},
    "neighbourhoods": [{"task": "proof", "n": LEAST_NEIGHBOURS, "gain": 0.2, "extra_tokens": None}], "usual_features": [80.0, 1.0],
}  # fmt: skip
"""A manifest over FILES."""


@pytest.fixture
def folder(tmp_path):
    """A bundle as far as `Bundle` looks: its heads are no graph."""
    (tmp_path / "bundle").mkdir()
    for name, content in FILES.items():
        (tmp_path / "bundle" / name).write_bytes(content)
    (tmp_path / "bundle" / MANIFEST).write_text(json.dumps(WRITTEN), encoding="utf-8")
    return tmp_path / "bundle"


def edit(folder, **changes):
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8")


def refusal(folder, kind):
    with pytest.raises(Refused) as caught:
        Bundle(folder)
    assert type(caught.value) is kind
    assert caught.value.exit_code == 1
    return caught.value


def test_what_was_written_is_read(folder):
    bundle = Bundle(folder)
    assert bundle.heads == folder / HEADS
    assert bundle.manifest.format_version == FORMAT_VERSION
    assert bundle.manifest.files[HEADS] == sha256(folder / HEADS)
    assert bundle.manifest.models == {"qwen3-8b": TargetModel(direct=0.1, gain=-0.2, log_tokens=0.7)}
    assert json.loads(bundle.manifest.model_dump_json()).keys() == WRITTEN.keys()


def test_the_shipped_bundle_is_of_this_format():
    default = ROOT / "models" / "default"
    if not (default / MANIFEST).is_file():
        pytest.skip("models/default is not there")
    assert Bundle(default).manifest.format_version == FORMAT_VERSION


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
    assert f"up to {FORMAT_VERSION}; upgrade" in error.message
    assert (error.field, error.limit) == ("format_version", FORMAT_VERSION)


@pytest.mark.parametrize(
    ("version", "named"),
    [("99", '"99"'), ("1", '"1"'), (0, "0"), (True, "true"), (False, "false"), (-1, "-1"), (1.0, "1.0"), (99.5, "99.5"),
     (None, "null"), ([2], "a list"), ({}, "a mapping")],
)  # fmt: skip
def test_a_format_that_is_no_whole_number_from_one_up_is_refused(folder, version, named):
    edit(folder, format_version=version)
    error = refusal(folder, BundleMismatch)
    assert (
        f"has format_version {named}; this thinkworth reads whole numbers from {OLDEST_FORMAT} up to {FORMAT_VERSION}; "
        in error.message
    )
    assert "thinkworth train" in error.message
    assert (error.field, error.limit) == ("format_version", FORMAT_VERSION)


@pytest.mark.parametrize("version", range(1, OLDEST_FORMAT))
def test_a_format_older_than_any_that_is_read_is_refused(folder, version):
    edit(folder, format_version=version)
    assert f"has format_version {version}" in refusal(folder, BundleMismatch).message


def test_a_manifest_without_a_format_is_refused(folder):
    path = folder / MANIFEST
    raw = json.loads(path.read_text(encoding="utf-8"))
    del raw["format_version"]
    path.write_text(json.dumps(raw), encoding="utf-8")
    error = refusal(folder, BundleMismatch)
    assert (
        f"has no format_version; this thinkworth reads whole numbers from {OLDEST_FORMAT} up to {FORMAT_VERSION}; "
        in error.message
    )
    assert "thinkworth train" in error.message


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"not json", b"\xff\xfe\x00", b'{"format_version": 1,}', b'{"format_version": NaN}', b"[" * 100_000],
)
def test_a_manifest_that_is_not_json_is_named(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    error = refusal(tmp_path, BundleMismatch)
    assert str(tmp_path / MANIFEST) in error.message
    assert "JSON" in error.message
    assert error.field == MANIFEST


@pytest.mark.parametrize("content", ["[]", "null", "3", '"text"', "{}", f'{{"format_version": {FORMAT_VERSION}}}'])
def test_json_that_is_no_manifest_is_a_mismatch(tmp_path, content):
    (tmp_path / MANIFEST).write_text(content, encoding="utf-8")
    assert str(tmp_path / MANIFEST) in refusal(tmp_path, BundleMismatch).message


@pytest.mark.parametrize(
    "changes",
    [{"surprise": 1}, {"files": {}}, {"encoder": {}}, {"format_version": "one"}, {"models": ["qwen3-8b"]}, {"population": None}],
)  # fmt: skip
def test_a_manifest_with_a_wrong_key_is_a_mismatch(folder, changes):
    edit(folder, **changes)
    assert str(folder / MANIFEST) in refusal(folder, BundleMismatch).message


@pytest.mark.parametrize(
    "name", ["../heads.onnx", "/etc/passwd", "a/b", "a\\b", "..", ".", "", "heads.onnx\0", "./card.md", "card.md/"]
)
def test_a_listed_file_lies_in_the_folder_itself(folder, name):
    edit(folder, files={HEADS: sha256(folder / HEADS), name: DIGEST})
    error = refusal(folder, BundleMismatch)
    assert "named without any path" in error.message
    assert error.field == "files"


@pytest.mark.parametrize("digest", ["", "00", "0" * 63, "0" * 65, "g" * 64, "A" * 64, "0" * 64 + "\n", 0, None])
def test_a_digest_has_64_hexadecimal_digits(folder, digest):
    edit(folder, files={HEADS: digest})
    error = refusal(folder, BundleMismatch)
    assert f"files.{HEADS}" in error.message
    assert error.field == "files"


def test_a_manifest_that_lists_no_heads_says_so(folder):
    edit(folder, files={"card.md": sha256(folder / "card.md")})
    assert "files: lists no heads.onnx; restore it, or make it again" in refusal(folder, BundleMismatch).message


def test_a_folder_in_the_place_of_a_file_is_not_there(folder):
    (folder / HEADS).unlink()
    (folder / HEADS).mkdir()
    assert f"{folder / HEADS} cannot be read" in refusal(folder, BundleMissing).message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("feature_names", []),
        ("feature_names", ["a", ""]),
        ("feature_names", ["a", "b", "a"]),
        ("tasks", []),
        ("tasks", [3]),
        ("tasks", ["proof", "proof"]),
        ("quantiles", []),
        ("quantiles", [0.5, 0.25, 0.75, 0.9, 0.95]),
        ("quantiles", [0.1, 0.25, 0.5, 0.75, 1.9]),
        ("quantiles", [0.1, 0.25, 0.5, 0.75, 0.95]),
        ("quantiles", [*QUANTILES, 0.95]),
        ("quantiles", QUANTILES[:-1]),
        ("quantiles", ["0.1", 0.25, 0.5, 0.75, 0.9]),
        ("profiles", {}),
        ("profiles", {"": {"tokens_per_point": 1, "max_thinking_tokens": 1}}),
        ("profiles", {"p": {"tokens_per_point": "1", "max_thinking_tokens": 1}}),
        ("profiles", {"p": {"tokens_per_point": 1, "max_thinking_tokens": True}}),
        ("models", {"": WRITTEN["population"]}),
        ("models", {"m": {"direct": 0.0, "gain": 0.0}}),
        ("models", {"m": WRITTEN["population"] | {"score": 0.5}}),
        ("population", WRITTEN["population"] | {"gain": None}),
        ("population", {}),
        ("neighbourhoods", [{"task": "proof", "n": LEAST_NEIGHBOURS - 1, "gain": 0.2, "extra_tokens": None}]),
        ("neighbourhoods", [{"task": "proof", "n": LEAST_NEIGHBOURS, "gain": 0.2}]),
        (
            "neighbourhoods",
            [{"task": "proof", "n": LEAST_NEIGHBOURS, "gain": 0.2, "extra_tokens": None, "prompt": "x"}],
        ),
        ("usual_features", [None, 1.0]),
    ],
)
def test_what_serving_reads_of_a_manifest_is_sane(folder, key, value):
    edit(folder, **{key: value})
    error = refusal(folder, BundleMismatch)
    assert str(folder / MANIFEST) in error.message
    assert key in error.message
    assert "thinkworth train" in error.message
    assert error.field == key


@pytest.mark.parametrize("usual", [[], [1.0], [1.0, 2.0, 3.0]])
def test_there_is_one_usual_value_of_each_feature(folder, usual):
    edit(folder, usual_features=usual)
    assert f"has {len(usual)} usual_features for 2 features" in refusal(folder, BundleMismatch).message


def test_the_quantiles_that_are_read_are_named(folder):
    edit(folder, quantiles=[0.1, 0.9])
    assert f"quantiles: (0.1, 0.9), where this thinkworth reads {QUANTILES}" in refusal(folder, BundleMismatch).message


def test_the_quantiles_increase_between_zero_and_one():
    assert all(0 < a < b < 1 for a, b in pairwise(QUANTILES))


def calibration_of(folder):
    return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["calibration"]


@pytest.mark.parametrize(
    ("key", "value"),
    [("small_budget", 1), ("small_budget", 32_768), ("unfamiliar_below", 0.0), ("unfamiliar_below", 1.0)],
)
def test_the_limits_of_a_calibration_are_sane(folder, key, value):
    edit(folder, calibration=calibration_of(folder) | {key: value})
    assert getattr(Bundle(folder).manifest.calibration, key) == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("small_budget", 0),
        ("small_budget", -1),
        ("small_budget", True),
        ("small_budget", "1024"),
        ("small_budget", 1024.5),
        ("small_budget", 32_769),
        ("small_budget", None),
        ("budget_scale", 1.0),
        ("unfamiliar_below", 1.1),
        ("unfamiliar_below", -0.1),
        ("nearness", None),
        ("nearness", {"x": [0, 1], "y": [1, 0]}),
        ("certainty", None),
    ],
)
def test_a_calibration_out_of_range_is_refused(folder, key, value):
    edit(folder, calibration=calibration_of(folder) | {key: value})
    error = refusal(folder, BundleMismatch)
    assert f"calibration.{key}" in error.message
    assert error.field == "calibration"


@pytest.mark.parametrize("key", [*WRITTEN["calibration"]])
def test_no_part_of_a_calibration_may_be_missing(folder, key):
    edit(folder, calibration={name: part for name, part in calibration_of(folder).items() if name != key})
    assert f"calibration.{key}" in refusal(folder, BundleMismatch).message


def test_a_gain_curve_without_a_band_is_refused_on_load(folder):
    calibration = calibration_of(folder)
    for key in ("gain_logs", "gain_prior"):
        edit(folder, calibration=calibration | {key: {"x": [0, 1], "y": [0, 1]}})
        error = refusal(folder, BundleMismatch)
        assert f"calibration.{key}: has no lower and upper" in error.message
        assert "thinkworth train" in error.message
        with pytest.raises(ValidationError, match="has no lower and upper"):
            Calibration.model_validate(calibration | {key: Curve(x=(0, 1), y=(0, 1))})


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
    assert in_use() == in_use(models / "current") == models / "mine"
    (models / "current").write_bytes(b"\xff\xfe")
    with pytest.raises(BundleMissing, match="current names no folder of a bundle"):
        in_use()
    (models / "current").unlink()
    (models / "current").symlink_to("mine", target_is_directory=True)
    assert in_use().resolve() == (models / "mine").resolve()


def test_a_named_bundle_that_is_not_there_is_refused_rather_than_replaced(folder, places, monkeypatch):
    shutil.copytree(folder, places[0] / "default")
    monkeypatch.setenv("THINKWORTH_BUNDLE", str(places[0] / "typo"))
    assert "typo" in refusal(in_use(), BundleMissing).message
