"""Where and when a figure was measured, and how it is written."""

import datetime
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from contract.locate import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def provenance() -> dict[str, Any]:
    """Return commit, date, machine and load as they are before a run; the commit ends in -dirty where more than results differ from it."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return {
        "commit": commit + ("-dirty" if changed else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_1_min": round(os.getloadavg()[0], 2),
    }


def write(figure: dict[str, Any], out: Path) -> None:
    """Print a figure and write it."""
    text = json.dumps(figure, indent=1, ensure_ascii=False, allow_nan=False)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()
