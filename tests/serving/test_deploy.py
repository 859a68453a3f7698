"""What is deployed: the Bento is built and answers as the checkout does; the image's files are there; Kubernetes would take the manifests."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from itertools import pairwise
from pathlib import Path

import httpx
import kubernetes_validate
import pytest
import yaml

from contract.locate import ROOT
from contract.scorer import Scorer
from contract.settings import Settings
from contract.store import opening
from serving import recorder, shadow
from serving.access.keys import read_keys
from serving.bodies import HELD_BYTES
from serving.commands import OPEN_REQUESTS_S
from serving.observing import gauges, lines, tracing
from serving.router import Router
from serving.schemas import PredictRequest
from serving.swap import agent, watching
from serving.waiting import LIMIT_BYTES

DEPLOY = ROOT / "deploy"
MANIFESTS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))}
KUSTOMIZATION = MANIFESTS.pop("kustomization")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
PROMPTS = (
    "What is 1 + 9900?",
    "Prove that the square root of 2 is irrational.",
    "Translate 'good morning' into German.",
)


AFTER_LOAD_MIB = 410
"""Of a worker, as benchmarks/service.py measures it."""

SUPERVISOR_MIB = 130


def pod_container():
    (container,) = MANIFESTS["deployment"]["spec"]["template"]["spec"]["containers"]
    return container


def pins(text):
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", text, re.MULTILINE))


def test_what_serving_needs_is_pinned_as_in_the_lock():
    needed, lock = (pins(path.read_text()) for path in (DEPLOY / "requirements.txt", ROOT / "requirements.lock"))
    assert needed.items() <= lock.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name in ("fast", "postgres", "otel") for one in project["optional-dependencies"][name]]
    assert {re.match(r"[\w.-]+", one).group() for one in project["dependencies"] + extras} <= needed.keys()
    assert not {"torch", "mlflow", "scikit-learn", "pandas"} & needed.keys()


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", MANIFESTS)
def test_kubernetes_takes_the_manifest(name, version):
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)
    with pytest.raises(kubernetes_validate.ValidationError, match="unheard"):  # it would tell
        kubernetes_validate.validate({**MANIFESTS[name], "unheard": 1}, version, strict=True)


def test_the_manifests_agree():
    pods = MANIFESTS["deployment"]["spec"]["template"]
    (container,) = pods["spec"]["containers"]
    labels, ports = pods["metadata"]["labels"], {port["name"]: port["containerPort"] for port in container["ports"]}
    spec = {name: manifest.get("spec", {}) for name, manifest in MANIFESTS.items()}
    selectors = [spec["deployment"]["selector"], spec["disruption"]["selector"], spec["network"]["podSelector"]]
    assert [*(one["matchLabels"] for one in selectors), spec["service"]["selector"]] == [labels] * 4
    target = spec["autoscaler"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", MANIFESTS["deployment"]["metadata"]["name"])
    assert {port["targetPort"] for port in spec["service"]["ports"]} <= ports.keys()
    assert container["resources"]["requests"]["cpu"] == container["resources"]["limits"]["cpu"]
    kept = {volume["name"]: volume for volume in pods["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == kept.keys()
    assert kept["config"]["configMap"]["name"] == MANIFESTS["config"]["metadata"]["name"]
    assert kept["secret"]["secret"]["secretName"] == MANIFESTS["secret.example"]["metadata"]["name"]
    assert set(KUSTOMIZATION["resources"]) == {f"{name}.yaml" for name in MANIFESTS} - {"secret.example.yaml"}


def test_a_pod_has_as_long_to_end_as_it_may_take():
    before = int(pod_container()["lifecycle"]["preStop"]["exec"]["command"][1])
    waits = {
        "requests under way": OPEN_REQUESTS_S,
        "swap": watching.CLOSE_S + agent.CLOSE_S,
        "shadow": shadow.CLOSE_S,
        "mender, writer, spiller": 3 * recorder.CLOSE_S,
        "a gap of the record": opening.CONNECT_TIMEOUT_S + opening.STATEMENT_TIMEOUT_S,
        "gauges": gauges.EVERY_S,
        "spans": tracing.CLOSE_S,
        "lines": 2 * lines.CLOSE_S,
    }
    grace = MANIFESTS["deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace >= before + sum(waits.values())
    told = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    for what, seconds in {"preStop": before, **waits}.items():
        assert f"| {what} | {seconds:.0f} |" in told.replace("`", "")
    assert f"| together | {before + sum(waits.values()):.0f} |" in told
    assert f"{grace} s of grace" in told
    assert int(re.search(r"--stop-timeout (\d+)", told)[1]) >= sum(waits.values())


def test_the_settings_of_the_pods_are_settings_and_their_secrets_exist():
    given = tomllib.loads(MANIFESTS["config"]["data"]["thinkworth.toml"])
    settings = Settings.model_validate(given)
    (container,) = MANIFESTS["deployment"]["spec"]["template"]["spec"]["containers"]
    assert settings.port == container["ports"][0]["containerPort"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert str(settings.store_folder) == mounts["state"]
    secrets = {f"{mounts['secret']}/{name}" for name in MANIFESTS["secret.example"]["stringData"]}
    assert {str(settings.digest_key_file), str(settings.api_keys_file), str(settings.session_key_file)} <= secrets
    named = {one["name"]: one for one in container["env"]}
    assert named["THINKWORTH_CONFIG"]["value"] == f"{mounts['config']}/thinkworth.toml"
    assert (
        named["THINKWORTH_STORE_URL"]["valueFrom"]["secretKeyRef"]["key"] in MANIFESTS["secret.example"]["stringData"]
    )


@pytest.mark.parametrize(
    "told",
    [*(ROOT / "docs" / name for name in ("deploy.md", "access.md")), DEPLOY / "kubernetes" / "secret.example.yaml"],
)
def test_the_command_that_makes_the_secret_gives_all_that_is_in_it(told):
    (command,) = re.findall(r"kubectl create secret generic thinkworth (.+)", told.read_text(encoding="utf-8"))
    given = re.findall(r"--from-(?:file|literal)=([\w.]+)", command)
    assert sorted(given) == sorted(MANIFESTS["secret.example"]["stringData"])


def test_the_cores_and_the_memory_of_a_pod_are_enough_for_its_workers():
    """The arithmetic of docs/deploy.md, in MiB."""
    settings = Settings.model_validate(tomllib.loads(MANIFESTS["config"]["data"]["thinkworth.toml"]))
    (container,) = MANIFESTS["deployment"]["spec"]["template"]["spec"]["containers"]
    requests, limits = (
        {name: float(re.sub("Mi$", "", value)) for name, value in one.items() if name != "ephemeral-storage"}
        for one in (container["resources"]["requests"], container["resources"]["limits"])
    )
    assert limits["cpu"] >= settings.workers >= 2, "one worker alone that dies leaves nobody for up to 10 s"
    assert limits["cpu"] % settings.workers == 0, "a worker takes whole cores"
    waiting = (2 * LIMIT_BYTES + HELD_BYTES) / 2**20 + settings.queue * settings.limits.body_kib / 1024
    most = settings.workers * (AFTER_LOAD_MIB + waiting) + SUPERVISOR_MIB
    usual = settings.workers * AFTER_LOAD_MIB + SUPERVISOR_MIB
    assert limits["memory"] >= most
    assert requests["memory"] >= usual
    told = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert f"{settings.workers} x {AFTER_LOAD_MIB} + {SUPERVISOR_MIB} = {usual:.0f}" in told
    assert f"{settings.workers} x ({AFTER_LOAD_MIB} + 4 x 64) + {SUPERVISOR_MIB} = {most:.0f}" in told
    for resources in (requests, limits):
        assert f"{resources['memory']:.0f}Mi" in told


def test_the_pods_may_send_traces_to_a_collector_and_to_no_other_of_its_ports():
    (to_collectors,) = (rule for rule in MANIFESTS["network"]["spec"]["egress"] if "to" in rule)
    (where,) = to_collectors["to"]
    ((name, value),) = where["namespaceSelector"]["matchLabels"].items()
    assert to_collectors["ports"] == [{"port": 4318, "protocol": "TCP"}]  # OTLP over HTTP; 4317 is gRPC's
    told = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert f'`{name}: "{value}"`' in told
    given = {one["name"] for one in pod_container()["env"]}
    assert not given & set(tracing.ENDPOINTS), "traces are off until somebody wants them"


def test_the_image_copies_what_is_there_and_runs_as_nobody_in_particular():
    sources = [
        word for line in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]
    ]
    assert len(sources) > 8
    assert [source for source in sources if not (ROOT / source).exists()] == []
    let_through = [
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    assert sorted(let_through) == sorted(set(sources))
    pods = MANIFESTS["deployment"]["spec"]["template"]["spec"]
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (.+)", final, re.MULTILINE) == [str(pods["securityContext"]["runAsUser"])] != ["0"]
    assert f"--uid {pods['securityContext']['runAsUser']} " in final
    assert re.search(r"^HEALTHCHECK .*/livez", final, re.MULTILINE)
    assert " ORT_DISABLE_TELEMETRY=1" in final, "onnxruntime would report to its maker"
    assert final.rstrip().endswith('CMD ["thinkworth", "serve"]')


def test_the_command_that_runs_the_image_gives_it_keys_it_can_read_and_folders_it_can_write(tmp_path):
    """The block of docs/deploy.md runs here, with a `docker` that tells what it was given."""
    told = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(docker build .*?)```", told, re.DOTALL)
    stub = tmp_path / "bin" / "docker"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\n[ "$1" = run ] && printf "%s\\n" "$@" > docker.run\nexit 0\n')
    stub.chmod(0o755)
    path = os.pathsep.join([str(stub.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    script = f"umask 077\n{block}"  # the hardest case
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env={**os.environ, "PATH": path}, check=True, timeout=120)
    words = (tmp_path / "docker.run").read_text().splitlines()
    options = [(name, value) for name, value in pairwise(words) if name.startswith("--")]
    volumes = {value.split(":")[1]: value.split(":")[0] for name, value in options if name == "--volume"}
    keys = Path(dict(options)["--env"].removeprefix("THINKWORTH_API_KEYS_FILE="))
    shared = Path(volumes[str(keys.parent)])  # a mounted file would go on showing what `keys revoke` has replaced
    assert shared.stat().st_mode & 0o005 == 0o005
    assert (shared / keys.name).stat().st_mode & 0o004
    assert [key.name for key in read_keys(shared / keys.name)] == ["gateway"]
    written = re.search(r"THINKWORTH_STORE_FOLDER=(\S+)", DOCKERFILE)[1]
    assert "--read-only" in words
    assert ("--tmpfs", "/tmp") in options
    assert "/" not in volumes[written], "a folder of the host is not of the image's user"
    assert re.findall(r"^VOLUME (.+)", DOCKERFILE, re.MULTILINE) == [written]
    assert f"--owner 10001 --mode 0700 {written}" in DOCKERFILE


@pytest.mark.slow
def test_the_bento_is_built_and_answers_as_the_checkout_does(tmp_path):
    home, elsewhere = tmp_path / "bentoml", tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {**os.environ, "BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True"}
    env |= {"THINKWORTH_STORE_FOLDER": str(tmp_path / "store"), "THINKWORTH_DURABILITY": "off"}
    bentoml = [sys.executable, "-m", "bentoml"]
    built = subprocess.run([*bentoml, "build", ROOT], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (bento,) = (home / "bentos" / "thinkworth").glob("*/src")
    packed = {path.relative_to(bento).parts[0] for path in bento.rglob("*") if path.is_file()}
    assert packed == {"contract", "serving", "models", "data", "bentofile.yaml"}
    assert {path.name for path in (bento / "models").iterdir()} == {"encoder", "default"}
    assert pins((bento.parent / "env" / "python" / "requirements.txt").read_text()).items() >= pins(
        (DEPLOY / "requirements.txt").read_text()
    ).items()  # fmt: skip
    code = bento / "serving" / "service.py"  # marked, to tell it from the checkout's, which is installed here too
    code.write_text(code.read_text().replace("Say whether thinking", "In a Bento: say whether thinking"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*bentoml, "serve", "thinkworth:latest", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=elsewhere, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(480):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                if httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.25)
        assert httpx.get(f"{url}/livez", timeout=30).status_code == 200
        told = [httpx.post(f"{url}/predict", json={"prompt": prompt}, timeout=60).json() for prompt in PROMPTS]
        described = httpx.get(f"{url}/docs.json", timeout=60).text
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
    assert "In a Bento: say whether thinking" in described
    router = Router(Scorer.load(ROOT / "models" / "default"))
    for prompt, answer in zip(PROMPTS, told, strict=True):
        own = router.answer(PredictRequest(prompt=prompt)).model_dump(mode="json")
        assert {**answer, "decision_id": None} == {**own, "decision_id": None}
