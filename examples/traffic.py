"""Simulated traffic with a known truth: asks a running service, plays the models, and tells what came of it.

    python examples/traffic.py --url http://127.0.0.1:3000 --requests 2000 --seed 1 --out truth.csv

Prompts are those of six families of data/taxonomy.yaml, each made distinct by a number, for two models. In most cells (family and model) the world
is as the taxonomy has it: score with and without thinking, and thinking tokens, of the family's prior. In the slices of CHANGED it is
another one, which no log has told yet: a model has become better without thinking, or worse. What the service answers there
is a misroute, planted. Every row says that it is simulated.

The truth of each request goes to --out: the cell, its expected net_benefit in points at 20,000 tokens a point, what the service answered. Nothing of
thinkworth is imported: whoever finds the planted misroutes shares no code with who planted them.
"""

import argparse
import csv
import random
from pathlib import Path

import httpx
import yaml

TAXONOMY = Path(__file__).resolve().parents[1] / "data" / "taxonomy.yaml"
MODELS = ("sim-large", "sim-small")
TOKENS_PER_POINT = 20_000
VISIBLE_TOKENS = 180
CHECKS = 10
"""Of the rubric that an answer is graded by."""

BATCH = 100
FAMILIES = (
    "translation", "summarisation", "obscure_fact",  # thinking buys nothing: they are easy, or hard in both arms
    "logic_puzzle", "object_tracking", "multi_step_maths",  # it buys correctness
)  # fmt: skip
CHANGED = {
    # family, model (None: both): expected score without thinking, and with it
    ("translation", None): (0.25, 0.90),
    ("object_tracking", None): (0.95, 0.60),
    ("logic_puzzle", "sim-large"): (0.95, 0.60),
}


def world(families: dict[str, dict]) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return expected score without and with thinking, and thinking tokens, of each family and model."""
    cells = {}
    for name, family in families.items():
        prior = family["prior"]
        for model in MODELS:
            usual = prior["score_direct"], prior["score_reasoning"]
            direct, reasoning = CHANGED.get((name, model), CHANGED.get((name, None), usual))
            cells[name, model] = (direct, reasoning, float(prior["thinking_tokens"]))
    return cells


def outcome(answer: dict, cell: tuple[float, float, float], draw: random.Random) -> dict:
    """Return what came of a decision, as a gateway tells it: an answer graded by a rubric, its score the share of the checks that it passed."""
    direct, reasoning, thinking = cell
    thinks = answer["arm"] == "reasoning"
    thought = min(round(thinking * draw.lognormvariate(-0.08, 0.4)), answer["thinking_budget"]) if thinks else 0
    passed = sum(draw.random() < (reasoning if thinks else direct) for _ in range(CHECKS))
    visible = max(1, round(VISIBLE_TOKENS * draw.lognormvariate(-0.045, 0.3)))
    return {
        "decision_id": answer["decision_id"], "arm": answer["arm"], "score": passed / CHECKS,
        "score_kind": "simulated", "output_tokens": visible + thought, "thinking_tokens": thought,
        "latency_s": round(0.4 + (visible + thought) / 60, 3), "defect": draw.random() < 0.02, "finish_reason": "stop",
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--taxonomy", type=Path, help="write the taxonomy of these families alone, and ask nothing")
    options = parser.parse_args()
    # prompts of their own stream: what the service draws changes what comes of them, never which they are
    draw, chance = random.Random(options.seed), random.Random(f"what comes of {options.seed}")
    known = {family["name"]: family for family in yaml.safe_load(TAXONOMY.read_text(encoding="utf-8"))["families"]}
    families = {name: known[name] for name in FAMILIES}
    if options.taxonomy:
        options.taxonomy.write_text(yaml.safe_dump({"families": list(families.values())}), encoding="utf-8")
        return
    cells = world(families)
    with (
        httpx.Client(base_url=options.url, timeout=120) as http,
        options.out.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(
            ["decision_id", "family", "task", "model", "verdict", "arm", "p_reasoning", "revision", "net_benefit"]
        )
        for start in range(0, options.requests, BATCH):
            asked = []
            for number in range(start, min(start + BATCH, options.requests)):
                name, model = draw.choice(list(families)), draw.choice(MODELS)
                text = f"{draw.choice(families[name]['prompts'])} (no. {options.seed}-{number})"
                asked.append((name, model, {"prompt": text, "model": model, "request_id": f"{options.seed}-{number}"}))
            answered = http.post("/predict_batch", json={"requests": [request for *_, request in asked]})
            answered.raise_for_status()
            told = []
            for (name, model, _), answer in zip(asked, answered.json()["answers"], strict=True):
                cell = cells[name, model]
                told.append(outcome(answer, cell, chance))
                rows.writerow([
                    answer["decision_id"], name, answer["task"], model, answer["verdict"], answer["arm"], answer["p_reasoning"],
                    answer["revision"], round(cell[1] - cell[0] - cell[2] / TOKENS_PER_POINT, 4),
                ])  # fmt: skip
            http.post("/outcomes", json={"outcomes": told}).raise_for_status()


if __name__ == "__main__":
    main()
