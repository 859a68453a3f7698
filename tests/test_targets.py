"""What the service is to reach: how a target is judged, and README's table where the service has been measured."""

import json
import re
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from contract.locate import ROOT

spec = spec_from_file_location("targets", ROOT / "benchmarks" / "targets.py")
targets = module_from_spec(spec)
spec.loader.exec_module(targets)


def figures(**medians):
    return {name: {"median": median, "least": median - 1, "most": median + 1} for name, median in medians.items()}


def test_a_limit_is_met_from_its_own_side():
    start, batch = (targets.Target("it", (name,), 5, at_most) for name, at_most in (("a", True), ("b", False)))
    assert [start.met(figures(a=found)) for found in (4.9, 5, 5.1)] == [True, True, False]
    assert [batch.met(figures(b=found)) for found in (4.9, 5, 5.1)] == [False, True, True]


def test_the_table_tells_what_was_measured_and_leaves_out_what_was_not():
    found = figures(cold_start_s=4.126, worker_mb=412.3)
    assert targets.table(found).splitlines()[2:] == [
        "| From the command to the first answer of /readyz | at most 5 s | 4.13 s [3.13, 5.13] | met |",
        "| Memory of a worker at the end | at most 400 MB | 412 MB [411, 413] | missed |",
    ]
    assert [(one["found"], one["met"]) for one in targets.told(found)] == [(4.126, True), (412.3, False)]


def test_a_length_has_its_latency_and_its_throughput_where_that_was_measured():
    one = figures(bare_p50_ms=3.04, p50_ms=6.0, p95_ms=9.0, p99_ms=10.0)
    found = {
        "latency": {name: {"concurrency 1": one} for name in ("16 tokens", "mix")},
        "throughput on one core": {"mix": figures(over_bare=1.5)},
    }
    assert targets.latencies(found).splitlines()[2:] == [
        "| 16 tokens | 3.0 ms | 6.0 ms [5.0, 7.0] | 9.0 ms | 10.0 ms | – |",
        "| mix | 3.0 ms | 6.0 ms [5.0, 7.0] | 9.0 ms | 10.0 ms | 1.50 [0.50, 2.50] |",
    ]


def test_readme_has_the_tables_of_what_was_measured():
    if not targets.RESULTS.is_file():
        pytest.skip("benchmarks/results/serving.json is not measured yet: python benchmarks/service.py")
    measured = json.loads(targets.RESULTS.read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"<!-- targets.py -->\n(.*?)\n<!-- end -->", readme, re.DOTALL)
    assert told == f"{targets.table(measured)}\n\n{targets.latencies(measured)}"
    assert measured["targets"] == targets.told(measured)
