"""The console command from outside: its verbs, their help, its exit codes and what it does not import."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

VERBS = [
    "audit", "collect", "encoder", "evaluate", "import", "keys", "label", "outcomes", "predict", "promote", "purge", "retrain", "rollback", "serve", "simulate",
    "status", "store", "train",
]  # fmt: skip
HEAVY = ("pandas", "sklearn", "mlflow", "torch", "skl2onnx", "matplotlib", "bentoml")
RUN = "import sys; sys.argv[0] = 'thinkworth'; from contract.cli import main; main()"


def run(*arguments, code=RUN, cwd=None):
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=environment,
        cwd=cwd,
        check=False,
    )


def test_help_lists_the_verbs(tmp_path):
    done = run("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    commands = done.stdout.partition("Commands:")[2].splitlines()
    assert [line.split()[0] for line in commands if line.startswith("  ") and not line.startswith("   ")] == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_each_help_has_an_example(verb, tmp_path):
    done = run(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    assert f"thinkworth {verb}" in done.stdout
    assert "Traceback" not in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_an_unknown_verb_is_bad_input(tmp_path):
    done = run("ponder", cwd=tmp_path)
    assert done.returncode == 2
    assert "ponder" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_bad_input(tmp_path):
    done = run("--ponder", cwd=tmp_path)
    assert done.returncode == 2
    assert "--ponder" in done.stderr


def test_the_version_is_that_of_the_package(tmp_path):
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, version("thinkworth"))


def test_an_error_of_ours_is_one_line_and_its_exit_code(tmp_path):
    code = (
        "import contract.cli as cli\nfrom contract.errors import {name}\n"
        "def fail(): raise {name}('a value, a limit, a remedy')\ncli.app = fail\ncli.main()"
    )
    for name, exit_code in (("InvalidInput", 2), ("MissingExtra", 2), ("NoUsableRows", 1), ("BundleMissing", 1)):
        done = run(code=code.format(name=name), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (exit_code, "thinkworth: a value, a limit, a remedy\n")
        assert done.stdout == ""


@pytest.mark.parametrize("code", ["import contract.cli", RUN], ids=["import", "help"])
def test_the_command_itself_imports_nothing_heavy(code, tmp_path):
    probe = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('loaded', sorted({set(HEAVY)!r} & set(sys.modules)), file=sys.stderr))\n{code}"
    )
    done = run(*(["--help"] if code is RUN else []), code=probe, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded []"
