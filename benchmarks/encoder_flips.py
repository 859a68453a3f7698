"""Share of verdicts that flip between fp32 and int8 embeddings of the same prompts, by the shipped bundle, as JSON.

    python benchmarks/encoder_flips.py [--out benchmarks/results/encoder_flips.json]      (needs the extra `encoder`)

The prompts are the parity texts of `training.encoder_texts` whose whole fits the token window: the source model keeps the
head alone of a longer one. Both sides get the same features, heads and policy; all three profiles are compared.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from provenance import RESULTS, provenance, write

from contract import features
from contract.bundle import in_use
from contract.policy import decide
from contract.prompt import Prompt
from contract.scorer import Scorer
from training.encoder import parity_rows
from training.encoder_source import Source
from training.encoder_texts import parity_texts
from training.metrics import mean_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=RESULTS / "encoder_flips.json")
    out, before = parser.parse_args().out, provenance()
    scorer, source = Scorer.load(in_use()), Source.load("all-MiniLM-L6-v2")
    texts = [text for text in parity_texts() if text.strip() and not scorer.encoder.encode(text).truncated]
    prompts = [Prompt.from_text(text) for text in texts]
    asks = parity_rows(source, scorer.encoder, [prompt.ask for prompt in prompts])
    wholes = parity_rows(source, scorer.encoder, [prompt.whole for prompt in prompts])
    vectors = np.stack([features.vector(prompt) for prompt in prompts])
    nobody = scorer.targets([None] * len(vectors))
    rows = {
        side: scorer.run(np.hstack([getattr(asks, side), getattr(wholes, side)]), vectors, nobody)
        for side in asks._fields
    }
    result: dict[str, Any] = {**before, "prompts": len(prompts), "bundle": scorer.manifest.revision}
    groups = np.arange(len(prompts)).astype(str)
    for name, profile in scorer.manifest.profiles.items():
        verdicts = {
            side: [
                decide(scorer.unpack(out, i), profile, scorer.manifest.calibration).verdict for i in range(len(texts))
            ]
            for side, out in rows.items()
        }
        pairs = list(zip(verdicts["fp32"], verdicts["int8"], strict=True))
        flips = np.array([a is not b for a, b in pairs], dtype=float)
        result[name] = {
            "flips": float(flips.mean()),
            "interval": mean_interval(flips, groups),
            "to_the_opposite": float(np.mean([{a, b} == {"use", "avoid"} for a, b in pairs])),
        }
    write(result, out)


if __name__ == "__main__":
    main()
