"""The arithmetic of docs/deploy.md, and its table where the service has been measured."""

import json
import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location

import pytest
import yaml

from contract.locate import ROOT

spec = spec_from_file_location("sizing", ROOT / "benchmarks" / "sizing.py")
sizing = module_from_spec(spec)
spec.loader.exec_module(sizing)
MEASURED = sizing.Measured(requests_per_s=50.0, hit_ms=2.0, worker_mb=300.0)


def test_a_rate_needs_its_busy_cores_at_the_target_and_a_pod_more():
    one = sizing.sized(MEASURED, 600)  # 12 busy cores, 1.2 of each pod's 2
    assert (one.busy_cores, one.pods) == (pytest.approx(12), 11)
    assert one.memory_gb == pytest.approx(11 * (2 * 300 + 136) / 1000)  # two workers and what starts them
    assert sizing.sized(MEASURED, 601).pods == 12


def test_remembered_prompts_cost_less():
    assert sizing.core_seconds(MEASURED, 0.5) == pytest.approx(0.5 / 50 + 0.5 * 0.002)
    assert sizing.sized(MEASURED, 600, hits=0.5).pods == 7  # 6.6 busy cores


def test_the_table_shows_its_arithmetic():
    text = sizing.table(MEASURED, (100, 10_000))
    assert "| 10,000 | 200.0 | 168 | 336 | 123.6 |" in text
    assert "= 20.00 ms of a core, so 200.0 cores are busy; 200.0 / (2 x 0.6) = 167 pods, and one more. " in text
    assert text.endswith("Memory: 168 x (2 x 300 + 136) MB.")


def test_a_pod_is_that_of_the_manifests():
    read = {
        name: yaml.safe_load((ROOT / "deploy" / "kubernetes" / f"{name}.yaml").read_text())
        for name in ("config", "deployment", "autoscaler")
    }
    (container,) = read["deployment"]["spec"]["template"]["spec"]["containers"]
    assert tomllib.loads(read["config"]["data"]["thinkworth.toml"])["workers"] == sizing.WORKERS_A_POD
    assert int(container["resources"]["limits"]["cpu"]) == sizing.CORES_A_POD
    (metric,) = read["autoscaler"]["spec"]["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] == sizing.USE * 100


def test_the_page_has_the_table_of_what_was_measured():
    if not sizing.RESULTS.is_file():
        pytest.skip("benchmarks/results/serving.json is not measured yet: python benchmarks/service.py")
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"<!-- sizing.py -->\n(.*?)\n<!-- end -->", page, re.DOTALL)
    assert told == sizing.table(sizing.measured(json.loads(sizing.RESULTS.read_text(encoding="utf-8"))))
