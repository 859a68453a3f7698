"""Runs of MLflow as we begin them: each says which process began it, so that the next one can end those whose process is gone."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from training.lock import may_run
from training.tracking_server import experiment

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

HOST, PROCESS = "process.host", "process.id"
"""Tags of a run: where it was begun, and by which process there."""

ABANDONED_AFTER = timedelta(days=1)
"""Age from which a run is taken to be abandoned whatever its host and process; logging one takes minutes."""


@contextmanager
def begun(name: str | None = None, tags: Mapping[str, str] | None = None) -> Iterator[Any]:
    """Begin a run in our experiment and yield it; first those are ended that were RUNNING when their process was killed."""
    import mlflow
    from mlflow.tracking import MlflowClient

    ours = experiment()
    end_abandoned(MlflowClient(), ours)
    whose = {HOST: socket.gethostname(), PROCESS: str(os.getpid())}
    with mlflow.start_run(experiment_id=ours, run_name=name, tags={**(tags or {}), **whose}) as run:
        yield run


def end_abandoned(api: "MlflowClient", experiment_id: str) -> list[str]:
    """End the runs of an experiment whose process is gone as KILLED, their half-stored models as FAILED; return the runs' ids.

    A run without our tags is somebody else's. One of another host is left alone until it is ABANDONED_AFTER old: its process cannot be asked.
    """
    ended = []
    for run in api.search_runs([experiment_id], filter_string="attributes.status = 'RUNNING'", max_results=1000):
        host, process = run.data.tags.get(HOST), run.data.tags.get(PROCESS, "")
        since = datetime.fromtimestamp(run.info.start_time / 1000, UTC)
        if not host or not process.isdecimal() or may_run(host, int(process), since, ABANDONED_AFTER):
            continue
        for model in api.search_logged_models([experiment_id], filter_string=f"source_run_id = '{run.info.run_id}'"):
            if str(model.status) == "PENDING":
                api.finalize_logged_model(model.model_id, "FAILED")
        api.set_terminated(run.info.run_id, status="KILLED")
        ended.append(run.info.run_id)
    return ended
