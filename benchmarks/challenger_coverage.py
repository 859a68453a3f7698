"""How often the intervals of an audit's comparison of champion and challenger hold the truth, on planted stores, as JSON.

    python benchmarks/challenger_coverage.py [--stores 60] [--decisions 4000] [--out benchmarks/results/challenger_coverage.json]

Half of the arms are drawn, a tenth of the decisions have both. In one slice the champion thinks wrongly; one challenger mends that and is the same
elsewhere, another takes the other arm of one model. `bias_over_error` is the mean error over its standard error: within 2 where there is none.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from audit_recovery import planted, record_of
from provenance import RESULTS, provenance, write

from audit.challengers import challengers
from audit.config import AuditConfig
from audit.estimates import explored, paired
from audit.evidence import join
from audit.modelled import modelled

CONFIG = AuditConfig(resamples=50)
FIRST_SEED = 100


def errors(n: int, seed: int) -> list[dict[str, object]]:
    """Return, of each challenger, kind of evidence and figure of one store, the error and whether the interval holds the truth."""
    true = planted.truth(n, (planted.Slice({"task": "task_03"}, "overthinking", 0.3),), seed=seed)
    record = record_of(*planted.rows(true, rate=0.5, shadow=0.1, seed=seed))
    policy, net = true.policy_reasoning.to_numpy(bool), true.net_benefit.to_numpy()
    arms = {"mends": policy & (true.task != "task_03"), "errs": np.where(true.model == "large", ~policy, policy)}
    said = pd.concat(
        pd.DataFrame({"row": range(n), "challenger": name, "verdict": "maybe", "reasoning": np.asarray(arm, bool)})
        for name, arm in arms.items()
    )
    evidence = join(replace(record, shadows=said), CONFIG)
    kinds = [paired(evidence), explored(evidence, CONFIG)]
    found = challengers(replace(record, shadows=said), evidence, kinds, modelled(evidence))
    out = []
    for row in found["tables"]["compared"]["rows"]:
        arm = np.asarray(arms[row["challenger"]], float)
        truths = {"champion": policy * net, "challenger_worth": arm * net, "difference": (arm - policy) * net}
        for name, values in truths.items():
            if row[f"{name}_lower"] is not None and row["evidence"] != "modelled":
                truth = values.mean()
                holds = row[f"{name}_lower"] <= truth <= row[f"{name}_upper"]
                of = f"{row['challenger']}, {row['evidence']}, {name}"
                out.append({"of": of, "error": row[name] - truth, "holds": holds})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--stores", type=int, default=60)
    parser.add_argument("--decisions", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=RESULTS / "challenger_coverage.json")
    options = parser.parse_args()
    began = provenance()
    seeds = range(FIRST_SEED, FIRST_SEED + options.stores)
    told = pd.DataFrame([one for seed in seeds for one in errors(options.decisions, seed)])
    figures = {
        name: {
            "held": round(float(part.holds.mean()), 3), "of": len(part),
            "bias_over_error": round(float(part.error.mean() / (part.error.std() / len(part) ** 0.5)), 2),
        }
        for name, part in told.groupby("of")
    }  # fmt: skip
    whole = {"stores": options.stores, "decisions_a_store": options.decisions, "held_in_all": round(float(told.holds.mean()), 3)}  # fmt: skip
    write({**began, **whole, "figures": figures}, options.out)


if __name__ == "__main__":
    main()
