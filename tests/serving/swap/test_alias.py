"""The bundle behind an alias of a real MLflow registry: asked over its server and in its database, fetched once it moves."""

import shutil
import socket
import subprocess
import sys
import time

import httpx
import pytest

from contract.bundle import Bundle
from contract.errors import BundleMissing, NotReloaded, Refused
from contract.frames import BUNDLE
from contract.settings import Settings
from serving.swap.alias import version_of
from serving.swap.group import Checked, Committed, Group
from serving.swap.holder import Served
from serving.swap.source import Source

from .conftest import variant

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy", "ignore:.*Any type hint"),  # MLflow's own
]

ADDRESS = "models:/thinkworth@champion"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry of two versions, the first of which is the champion: its client, and the folder it lies in."""
    pytest.importorskip("mlflow", reason="needs the extra train")
    from mlflow.tracking import MlflowClient

    from training.mlflow_model import FOLDER
    from training.register import version_tags

    folder = tmp_path_factory.mktemp("registry")
    api = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    api.create_registered_model("thinkworth")
    experiment = api.create_experiment("thinkworth", artifact_location=(folder / "artifacts").as_uri())
    for name, price in (("one", 20_000), ("two", 200)):
        bundle = variant(folder / name, f"thinkworth/{name}", tokens_per_point=price)
        run = api.create_run(experiment)
        model = folder / "artifacts" / run.info.run_id / "artifacts" / "model"
        shutil.copytree(bundle, model / "data" / FOLDER / BUNDLE)
        tags = version_tags(bundle, None, None)
        api.create_model_version("thinkworth", source=model.as_uri(), run_id=run.info.run_id, tags=tags)
    api.set_registered_model_alias("thinkworth", "champion", "1")
    return api, folder


@pytest.fixture(scope="module")
def server(registry):
    """The same registry as a server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # what `mlflow server` runs, without the seconds that its command takes to load
    command = ["-m", "uvicorn", "--port", str(port), "mlflow.server.fastapi_app:app"]
    places = {
        "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{registry[1]}/mlflow.db",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": str(registry[1]),
    }
    with (registry[1] / "server.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *command], env={**_environ(), **places}, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(f"{url}/health", timeout=5)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait()


def _environ():
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}


def test_who_has_the_alias_is_asked_without_mlflow(registry, server, monkeypatch):
    for uri in (server, server.replace("http://", "http://me:secret@"), f"sqlite:///{registry[1]}/mlflow.db"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert version_of(ADDRESS) == "1"
        with pytest.raises(BundleMissing, match="no version of thinkworth has the alias challenger"):
            version_of("models:/thinkworth@challenger")
        assert version_of("models:/thinkworth/7") == "models:/thinkworth/7"


@pytest.mark.parametrize(
    "uri",
    ["http://me:secret@127.0.0.1:9", "postgresql+psycopg://me:secret@127.0.0.1:9/mlflow", "sqlite:////nowhere/x.db"],
)
def test_a_registry_that_is_away_is_said_without_its_password(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(Refused, match="MLflow does not answer") as refused:
        version_of(ADDRESS)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("uri", ["databricks", "databricks://profile", "oracle+none://x/y"])
def test_of_another_kind_of_registry_nothing_is_said_and_so_it_is_asked_in_long_intervals(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert version_of(ADDRESS) is None
    assert Source(ADDRESS).glance().startswith("asked at ")


def test_an_alias_that_moves_is_followed_and_mlflow_that_is_away_changes_nothing(registry, monkeypatch, tmp_path):
    api, folder = registry
    database = f"sqlite:///{folder}/mlflow.db"
    (tmp_path / "models").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    # what is committed already is served without a question to MLflow
    shared = Group(tmp_path / "shared")
    digest, manifest = shared.keep(folder / "one")
    shared.write(Committed(generation=1, manifest=digest, revision=manifest.revision))
    shared.write(Checked(at=time.time(), seen="1"))
    settings = Settings(bundle=ADDRESS, bundle_poll_s=0)
    served = Served(settings, folder=tmp_path / "shared")
    try:
        look = served._watcher._look
        look()
        assert served.state()["error"] is None
        assert not (tmp_path / "models" / "registry").exists()  # nothing was fetched
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        look()
        assert "MLflow does not answer" in served.state()["error"]
        with pytest.raises(NotReloaded, match="what is served stays: .*does not answer"):
            served.reload()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
        api.set_registered_model_alias("thinkworth", "champion", "2")
        look()
        assert served.state()["error"] is None
        assert served.reload() == {"revision": "thinkworth/two", "generation": 2, "workers": 1}
        assert served.router.manifest == Bundle(tmp_path / "models" / "registry" / "2").manifest
    finally:
        served.close()
        api.set_registered_model_alias("thinkworth", "champion", "1")
