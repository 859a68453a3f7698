"""Retrains and promotes in processes that are killed at each stage, and writes what each leaves behind: a line of JSON each.

A program of its own, started in a folder with `models/`, MLFLOW_TRACKING_URI set: it forks, which a process of pytest's should not. Itself it
never opens that database (but a copy, which loads what forks would each load): each question to it is a fork's.
"""

import json
import os
import shutil
import signal
import sqlite3
import sys
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path

from mlflow.tracking import MlflowClient
from mlflow.utils import requirements_utils

import training.mlflow_model  # noqa: F401 - loaded once, for all forks
from contract import encoder as encoders
from contract import scorer
from contract.bundle import Bundle, sha256
from contract.encoder import Encoder
from contract.locate import ROOT
from contract.profiles import load_profiles
from training import metrics, promotion, registry, tracking_server
from training.config import TrainConfig
from training.gate import GateConfig
from training.logs import read_logs
from training.recipe import Known, Options, Recipe
from training.register import GATE, GATE_REPORT, register
from training.retrain import retrain
from training.tracking_server import MODEL

DEFAULT, OUT = ROOT / "models" / "default", Path("challenger")
metrics.RESAMPLES = 30
# a fork has none of the threads that a session started: a text would wait for them for ever
encoders.THREADS_A_TEXT = 1
encoder = Encoder(ROOT / "models" / "encoder")
scorer.Encoder = lambda folder: encoder  # opened once, for all forks


STAGES = {
    "labelled": ["fitting"], "fitting": ["cross-fitting"], "cross-fitting": ["exporting", "comparing"],
    "logging the run": ["storing", "registering", "moving", "never"],
}  # fmt: skip
"""Stages of a retraining: at each a fork goes on for each of the later ones, where it is killed."""


class Enough(Exception):
    """The forks have seen all."""


def forked(work):
    """Run work in a fork; return None where it ended well, the signal that killed it, or fail."""
    sys.stdout.flush()
    if not (pid := os.fork()):
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        sys.stdout.flush()
        os._exit(0)
    return pid


def ended(pid):
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == 0 else "killed" if code == -signal.SIGKILL else f"failed ({code})"


def killed_at(stage):
    def say(text):
        if text.startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    return say


def quiet(_):
    pass


def report(what, how):
    """Write what is left: aliases, versions and whether their bundles are whole, models/current, what is pending; read from the tables."""
    with closing(sqlite3.connect("file:mlflow.db?mode=ro", uri=True)) as tables:

        def pairs(query):
            return dict(tables.execute(query).fetchall())

        places = pairs("SELECT 'models:/' || model_id, artifact_location FROM logged_models")
        manifests = pairs("SELECT version, value FROM model_version_tags WHERE key = 'manifest_sha256'")
        whole = []
        for version, source in pairs("SELECT version, source FROM model_versions").items():
            bundle = Path(places[source].removeprefix("file://")) / "data" / "thinkworth" / "bundle"
            whole.append(bool(Bundle(bundle)) and sha256(bundle / "manifest.json") == manifests[version])
        current = Path("models/current")
        told = {
            "what": what, "how": how, "aliases": pairs("SELECT alias, version FROM registered_model_aliases"), "whole": whole, "kept": (OUT.with_name("challenger.unlogged") / "told.json").is_file(),
            "current": current.read_text().strip() if current.is_file() else None,
            "pending": [*pairs("SELECT key, key FROM registered_model_tags WHERE key = 'promotion.pending'")],
            "runs": dict(Counter(pairs("SELECT run_uuid, status FROM runs").values())),
            "records": pairs("SELECT version, COUNT(*) FROM model_version_tags WHERE key LIKE 'promotion.%' GROUP BY version"),
        }  # fmt: skip
    sys.stdout.write(json.dumps(told) + "\n")


def set_up():
    """Version 1 is the champion; 2 and 3 have passed the gate against it."""
    gate = {"outcome": "promotable", "champion": Bundle(DEFAULT).manifest.revision, "failed": []}
    register(DEFAULT, params={}, metrics={}, files={}, digests={}, rows={}, plots=(), page="", recipe={})
    api = tracking_server.client()
    first = registry.numbered(api, "1")
    for _ in range(2):
        MlflowClient().create_model_version(
            MODEL, first.source, first.run_id, tags={**first.tags, GATE: "promotable", GATE_REPORT: json.dumps(gate)}
        )
    promotion.promote(api, "1", Path("models"), by="ann", why="first", force=True, say=quiet)


def kill_retrainings(log):
    """Retrain, killed at each stage; a last fork is not killed."""
    read, doomed = read_logs([log]), []
    recipe = Recipe(
        files={log.name: sha256(log)}, config=TrainConfig(iterations=10, components=4, prior_weight=0, holdout_share=0.3), options=Options(),
        profiles=load_profiles(ROOT / "data" / "profiles.yaml"), taxonomy=(), started_from=None,
    )  # fmt: skip

    def say(text):
        if doomed:
            killed_at(doomed[0])(text)
            return
        for stage in next((later for at, later in STAGES.items() if text.startswith(at)), ()):
            if not (pid := os.fork()):
                doomed.append(stage)
                return
            report(f"retrain, at {stage}", ended(pid))
        if text.startswith("logging the run"):
            raise Enough

    try:
        retrain(
            read, [log], OUT, champion=DEFAULT, known=Known(recipe, {}, None), options=Options(), profiles=recipe.profiles, taxonomy=(),
            config=recipe.config, gate=GateConfig(least_prompts=2, ece_rise=0.99, coverage_drop=0.99, slice_loss=0.99, q_drop=0.99),
            cache_folder=ROOT / "data" / "cache", say=say,
        )  # fmt: skip
    except Enough:
        return
    if doomed:  # the fork that was not killed
        os._exit(0)


def from_here(work):
    """Do work, and put the database and models/current back."""
    kept = {path: path.read_bytes() for path in (Path("mlflow.db"), Path("models/current"))}
    work()
    for path, was in kept.items():
        path.write_bytes(was)


def kill_promotions():
    stages = ["promote of version 2: written down", "previous", "champion", "models/current", "recorded"]
    for stage in stages:

        def work(stage=stage):
            def killed():
                promotion.promote(tracking_server.client(), "2", Path("models"), by="ben", say=killed_at(stage))

            report(f"promote 2, at {stage}", ended(forked(killed)))
            promote_another = forked(
                lambda: promotion.promote(tracking_server.client(), "3", Path("models"), by="cy", say=quiet)
            )
            report("then promote 3", ended(promote_another))

        from_here(work)


def roll_back(stage):
    promotion.rollback(tracking_server.client(), Path("models"), by="ben", why="worse", say=killed_at(stage))


def promoted(version):
    promotion.promote(tracking_server.client(), version, Path("models"), by="cy", say=quiet)


def kill_a_rollback():
    def work():
        ended(forked(lambda: promoted("2")))
        for stage in ("previous", "champion"):
            from_here(lambda stage=stage: rolled_back(stage))

    def rolled_back(stage):
        report(f"rollback, at {stage}", ended(forked(lambda: roll_back(stage))))
        report("then promote 3", ended(forked(lambda: promoted("3"))))

    from_here(work)


def two_at_once():
    def work():
        pids = [forked(lambda version=version: promoted(version)) for version in ("2", "3")]
        report("two at once", [ended(pid) for pid in pids])

    from_here(work)


if __name__ == "__main__":
    assert ended(forked(set_up)) is None
    shutil.copy("mlflow.db", "copy.db")
    registry.aliased(MlflowClient("sqlite:///copy.db"), "champion")
    requirements_utils._init_packages_to_modules_map()  # seconds of each fork that stores a model
    report("set up", None)
    kill_promotions()
    kill_a_rollback()
    two_at_once()
    kill_retrainings(Path(sys.argv[1]))
