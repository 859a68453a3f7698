"""A bundle as a model of MLflow, and a log file as a dataset of it: the one module that imports MLflow with itself."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.sources import LocalArtifactDatasetSource
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

from contract import frames
from contract.bundle import Bundle
from contract.locate import ROOT, find
from contract.model_names import shipped_file

MODEL = "thinkworth"
"""Name of the registered model, and of the model in a run."""

FOLDER = "thinkworth"
"""What MLflow copies below the model's `data/`; `contract.frames` says what lies in it."""

LOADER = "serving.pyfunc"
CODE = ("contract", "serving")
"""Packages that travel with the model: it loads where thinkworth is not installed, as the version that trained it (300 KB)."""

NEEDS = ("numpy", "onnxruntime", "pandas", "pydantic", "pyyaml", "tokenizers", "typer", "uuid-utils")
"""Libraries that loading and answering import, pinned to what is installed: without a list MLflow loads the model once more to guess."""

EXAMPLE = [
    {"prompt": "What is 1 + 9900?", "profile": "balanced"},
    {"prompt": "Prove that there are infinitely many primes.", "profile": "quality_critical"},
]


class LogFile(MetaDataset):  # type: ignore[misc]
    """A log file as a dataset: its place, its digest as far as MLflow stores it, and its rows."""

    def __init__(self, name: str, path: Path, digest: str, rows: int | None) -> None:
        """Take the file's name in the bundle, where it lies, its SHA-256, and its rows, bad ones included (None: not known)."""
        source = LocalArtifactDatasetSource(path.resolve().as_uri())
        super().__init__(source, name=name, digest=digest[:MAX_DATASET_DIGEST_SIZE])
        self.rows = rows

    def to_dict(self) -> dict[str, str]:
        """Return what MLflow stores."""
        told: dict[str, str] = super().to_dict()
        return told if self.rows is None else {**told, "profile": json.dumps({"num_rows": self.rows})}


def log_bundle(folder: Path, tags: Mapping[str, str]) -> ModelInfo:
    """Log a bundle with its encoder as a pyfunc model of the active run, whole: MLflow calls it ready once all its files are stored.

    Signature: a row has prompt or messages, all else is optional. Caps are of any type, for a column of whole numbers with gaps is one of
    floats, which MLflow would refuse for a column of whole numbers.
    """
    inputs = [ColSpec("string", name, required=False) for name in frames.TEXTS]
    inputs += [ColSpec(AnyType(), name, required=False) for name in frames.CAPS]
    outputs = [ColSpec(kind, name, required=name not in frames.NULLABLE) for name, kind in frames.ANSWERS.items()]
    with tempfile.TemporaryDirectory() as place, _modules_kept():
        laid = Path(place) / FOLDER
        shutil.copytree(folder, laid / frames.BUNDLE)
        shutil.copytree(find("models/encoder"), laid / frames.ENCODER)
        for name in (frames.FAMILIES, frames.CONTROLS):
            if shipped := shipped_file(f"data/{name}"):
                shutil.copy(shipped, laid / name)
        code = [shutil.copytree(ROOT / name, Path(place) / "code" / name, ignore=_compiled) for name in CODE]
        return mlflow.pyfunc.log_model(
            name=MODEL, loader_module=LOADER, data_path=str(laid), code_paths=list(map(str, code)),
            signature=ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs)),
            input_example=pd.DataFrame(_example(folder)), pip_requirements=[f"{name}=={version(name)}" for name in NEEDS],
            tags=dict(tags), metadata={"revision": tags["revision"]},
        )  # fmt: skip


@contextmanager
def _modules_kept() -> Iterator[None]:
    """Forget what was imported from the stored code: MLflow loads a model with an example to see that it answers, and puts its code first."""
    path, known = list(sys.path), set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if name.partition(".")[0] in CODE and file and not Path(file).is_relative_to(ROOT):
                del sys.modules[name]


_compiled = shutil.ignore_patterns("__pycache__", "*.pyc")


def _example(folder: Path) -> list[dict[str, str]]:
    """Return EXAMPLE with the profiles that the bundle has."""
    profiles = Bundle(folder).manifest.profiles
    return [{name: value for name, value in row.items() if name != "profile" or value in profiles} for row in EXAMPLE]
