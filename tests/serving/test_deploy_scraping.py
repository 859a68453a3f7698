"""How Prometheus finds the pods: deploy/prometheus/kubernetes.yml beside the manifests."""

import re
from pathlib import PurePosixPath

import pytest
import yaml

from contract.locate import ROOT
from serving.access.door import OF_METRICS
from serving.access.keys import SCOPES

KUBERNETES = ROOT / "deploy" / "kubernetes"
PODS = yaml.safe_load((KUBERNETES / "deployment.yaml").read_text())["spec"]["template"]
POLICY = yaml.safe_load((KUBERNETES / "network.yaml").read_text())["spec"]
SERVICE = yaml.safe_load((KUBERNETES / "service.yaml").read_text())["spec"]
CONFIG = (ROOT / "deploy" / "prometheus" / "kubernetes.yml").read_text()
(JOB,) = yaml.safe_load(CONFIG)["scrape_configs"]
META = "__meta_kubernetes_"


def discovered(pods=PODS, **other):
    """What Prometheus' discovery of the role pod tells of a pod of the deployment, with its first port."""
    (container,) = pods["spec"]["containers"]
    labels = {f"{META}pod_label_{re.sub('[^a-zA-Z0-9_]', '_', k)}": v for k, v in pods["metadata"]["labels"].items()}
    of_port = {"pod_container_port_name": container["ports"][0]["name"], "pod_container_name": container["name"]}
    of_pod = {"namespace": "prod", "pod_name": "thinkworth-1", "pod_node_name": "n1", "pod_phase": "Running"}
    address = {"__address__": f"10.0.0.1:{container['ports'][0]['containerPort']}"}
    return {**labels, **{META + k: v for k, v in {**of_port, **of_pod}.items()}, **address, **other}


def relabelled(labels):
    """The target's labels, None where it is not scraped: keep, drop and replace, as Prometheus documents them."""
    labels = {**labels, "job": JOB["job_name"]}
    for rule in JOB["relabel_configs"]:
        value = ";".join(labels.get(name, "") for name in rule["source_labels"])
        found = re.fullmatch(str(rule.get("regex", "(.*)")), value)
        action = rule.get("action", "replace")
        assert action in ("keep", "drop", "replace")
        if (action == "keep" and not found) or (action == "drop" and found):
            return None
        if action == "replace" and found:
            labels[rule["target_label"]] = found.expand(rule.get("replacement", r"\1").replace("$", "\\"))
    return {name: value for name, value in labels.items() if not name.startswith("__") or name == "__address__"}


def test_each_pod_of_the_deployment_is_scraped_by_itself():
    assert relabelled(discovered()) == {
        "__address__": "10.0.0.1:3000", "job": "thinkworth", "namespace": "prod", "pod": "thinkworth-1", "node": "n1",
    }  # fmt: skip
    (discovery,) = JOB["kubernetes_sd_configs"]
    (selector,) = discovery["selectors"]
    assert discovery["role"] == selector["role"] == "pod"
    assert dict([selector["label"].split("=")]) == PODS["metadata"]["labels"] == SERVICE["selector"]
    assert "static_configs" not in JOB, "behind the Service each scrape would be of another pod"


@pytest.mark.parametrize(
    "other",
    [
        {f"{META}pod_label_app_kubernetes_io_name": "postgresql"},
        {f"{META}pod_container_port_name": "envoy-admin"},
        {f"{META}pod_phase": "Failed"},
        {f"{META}pod_phase": "Succeeded"},
    ],
)
def test_what_is_no_pod_of_ours_that_runs_is_not_scraped(other):
    assert relabelled(discovered(**other)) is None


def test_it_comes_with_a_key_of_the_scope_that_metrics_need():
    authorization = JOB["authorization"]
    assert authorization["type"] == "Bearer"
    assert PurePosixPath(authorization["credentials_file"]).is_absolute()
    assert JOB.get("metrics_path", "/metrics") == "/metrics"
    told = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")
    (scope,) = re.findall(r"thinkworth keys new --name prometheus --scope (\w+)", told)
    assert scope in SCOPES
    assert scope == OF_METRICS[0]
    assert f"--from-literal={PurePosixPath(authorization['credentials_file']).name}=" in told


def test_the_network_lets_namespaces_of_monitoring_in_and_no_others_than_gateways():
    labels = {}
    for rule in POLICY["ingress"]:
        (where,) = rule["from"]
        assert rule["ports"] == [{"port": PODS["spec"]["containers"][0]["ports"][0]["name"], "protocol": "TCP"}]
        labels |= where["namespaceSelector"]["matchLabels"]
    assert labels == {"thinkworth-client": "true", "thinkworth-monitoring": "true"}
    for page in ("access.md", "deploy.md"):
        assert '`thinkworth-monitoring: "true"`' in (ROOT / "docs" / page).read_text(encoding="utf-8")
