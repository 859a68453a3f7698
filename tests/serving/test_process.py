"""What the serving process loads and how much memory it takes."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from contract.locate import ROOT

CODE = """
import json, sys
import serving.service
from contract.bundle import in_use
from contract.scorer import Scorer
from serving.router import Router
from serving.schemas import PredictRequest
router = Router(Scorer.load(in_use()))
router.answer(PredictRequest(prompt="What is 1 + 9900?"))
router.answer(PredictRequest(messages=[{"role": "user", "content": "hello"}]))
router.info().model_dump_json()
print(json.dumps(sorted(sys.modules)))
"""


def test_answering_never_imports_the_training_stack():
    out = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert out.returncode == 0, out.stderr
    loaded = {name.split(".")[0] for name in json.loads(out.stdout.splitlines()[-1])}
    assert "onnxruntime" in loaded
    forbidden = {"torch", "sklearn", "pandas", "mlflow", "skl2onnx", "sentence_transformers", "training", "audit"}
    assert not loaded & forbidden


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
def test_resident_memory_stays_under_400_mb_while_answering(served):
    requests = [{"prompt": f"What is {i} * {i}?"} for i in range(64)]
    requests += [{"prompt": "word " * 180_000}, {"prompt": "x" * 900_000}, {"prompt": "🙂" * 220_000}] * 3
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda r: httpx.post(f"{served.url}/predict", json=r, timeout=300), requests)
        assert {answer.status_code for answer in answers} == {200}
    workers = {}
    for pid in served.processes():
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        workers[pid] = int(status["VmRSS"].split()[0]) / 1024
    assert len(workers) >= 2, "no worker found under the server"
    assert max(workers.values()) < 400, workers
