"""Nothing is reported to anyone: the libraries that would are told not to."""

import os
import subprocess
import sys

import pytest

OPENED = "from contract.encoder import Encoder; from contract.locate import find; Encoder(find('models/encoder')).encode('a')"


@pytest.mark.parametrize("imports", ["contract.encoder", "training.inputs", "training.background"])
def test_onnxruntime_keeps_no_id_of_the_device(imports, tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", f"import {imports}; {OPENED}"],
        env=environment | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [str(path) for path in tmp_path.rglob("*") if "onnxruntime" in path.name] == []
