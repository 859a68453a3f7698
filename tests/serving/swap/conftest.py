"""Bundles that differ from the shipped one in what they answer, and those that must not be served."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract.bundle import HEADS, MANIFEST, sha256
from contract.encoder import Encoder
from contract.locate import ROOT
from contract.settings import Settings
from serving.swap import loading

DEFAULT = ROOT / "models" / "default"
REQUESTS = (
    "What is 1 + 9900?",
    "Alice is older than Bob, Carol is younger than Bob but older than Dan. Who sits between Bob and Dan by age?",
    "Prove that there are infinitely many primes congruent to 3 modulo 4.",
)


def variant(folder: Path, revision: str, tokens_per_point: int = 20_000, **changed: object) -> Path:
    """Write a bundle of another price of tokens, and so of other expectations and verdicts."""
    shutil.copytree(DEFAULT, folder)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["profiles"]["balanced"]["tokens_per_point"] = tokens_per_point
    (folder / MANIFEST).write_text(json.dumps(manifest | {"revision": revision} | changed), encoding="utf-8")
    return folder


def doubled(folder: Path) -> Path:
    """Write a bundle, whole by its digests, whose probabilities sum to two."""
    variant(folder, "thinkworth/doubled")
    graph = onnx.load(folder / HEADS)
    for node in graph.graph.node:
        for i, name in enumerate(node.output):
            if name == "p_balanced":
                node.output[i] = "p_half"
    two = numpy_helper.from_array(
        numpy_helper.to_array(helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0])), "two"
    )
    graph.graph.initializer.append(two)
    graph.graph.node.append(helper.make_node("Mul", ["p_half", "two"], ["p_balanced"]))
    onnx.save(graph, folder / HEADS)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"][HEADS] = sha256(folder / HEADS)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def one_encoder() -> Iterator[None]:
    """Lets all workers of a module share an encoder, as those of one process never do: opening it costs more than all else."""
    encoder = Encoder(ROOT / "models" / "encoder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "Encoder", lambda folder: encoder)
        yield


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of two bundles, `one` and `two`, and `current`, a file that names the first."""
    folder = tmp_path / "models"
    folder.mkdir()
    variant(folder / "one", "thinkworth/one")
    variant(folder / "two", "thinkworth/two", tokens_per_point=200)
    (folder / "current").write_text("one\n")
    return folder


@pytest.fixture
def settings(models: Path, tmp_path: Path) -> Callable[..., Settings]:
    """What makes settings that serve `models/current` and watch nothing by themselves."""

    def make(**given: object) -> Settings:
        return Settings(
            **{"bundle": str(models / "current"), "bundle_poll_s": 0, "store_folder": tmp_path / "store"} | given
        )

    return make
