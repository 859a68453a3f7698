"""examples/loop.sh, whole, with fewer requests: what was planted is found and nothing else, the gate lets the challenger pass, and regret falls."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contract.locate import ROOT


@pytest.mark.timeout(1500)
def test_the_loop_finds_what_was_planted_and_loses_less_after(tmp_path, mlflow_database):
    (tmp_path / "loop").mkdir()
    mlflow_database(tmp_path / "loop")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("THINKWORTH_", "MLFLOW_"))}
    environment |= {"BIN": str(Path(sys.executable).parent), "REQUESTS": "1000"}
    done = subprocess.run([ROOT / "examples" / "loop.sh", tmp_path / "loop"], env=environment, capture_output=True, text=True, check=False, timeout=1400)  # fmt: skip
    assert done.returncode == 0, (
        done.stdout[-3000:] + done.stderr[-3000:] + (tmp_path / "loop" / "train.log").read_text()[-2000:]
    )
    recall, false = re.search(r"recall ([\d.]+), falsely accused (\d+)", done.stdout).groups()
    assert (float(recall) >= 0.9, int(false)) == (True, 0)
    before, after = map(
        float, re.search(r"regret a request: ([\d.]+) points before, ([\d.]+) after", done.stdout).groups()
    )
    assert after < 0.8 * before
    for report in ("report", "report-after"):
        assert "<h1" in (tmp_path / "loop" / report / "index.html").read_text(encoding="utf-8")
