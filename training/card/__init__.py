"""The model card that lies in every bundle: all figures are read from the report and the manifest, what these lack is said to be absent."""

from collections.abc import Mapping
from typing import Any

from contract.calibration import Calibration
from training.card.evidence import families_moved, one_arm, trained_on
from training.card.failures import known_failures
from training.card.results import budget, results

USE = (
    "- For gateways and routers: asked per prompt, before the call, whether to switch the model's thinking on and with which budget.\n"
    "- Where thinking can be switched: it decides between two modes of one model, not between models."
)
NO_USE = (
    "- No accuracy button: it says where thinking pays on average for prompts like this one, not that an answer is right.\n"
    "- No safety layer: it says nothing of whether a prompt should be answered, and replaces no guardrail.\n"
    "- Not for deciding on people: no verdict or probability says anything of who wrote a prompt or of whom it speaks."
)


def card(
    *,
    revision: str,
    training: Mapping[str, Any],
    licences: Mapping[str, str],
    holdout: Mapping[str, Any],
    calibration: Calibration,
) -> str:
    """Return the card as Markdown: what it is for, what it was trained on, with which results, and what it does not know.

    Args:
        revision: of the bundle.
        training: `training` of the manifest.
        licences: of the manifest, by source.
        holdout: the report on held-out prompts (`training.evaluate.report_of`), with `budget` (`training.report.answers.budgets`).
        calibration: of the manifest.
    """
    lines = [
        f"# Bundle {revision}", "",
        "Answers, per prompt and before the call, whether a model's thinking is worth its tokens: `use`, `maybe` or `avoid`, and a "
        "thinking budget. `avoid` means no uplift, never merely easy.", "",
        "## Intended use", "", USE, "", "## Not intended", "", NO_USE, "",
        "## Trained on", "", *trained_on(training, licences), "",
        "## Results on held-out prompts of the same sources", "", *results(holdout), "",
        "## Thinking budget", "", *budget(training.get("budget"), holdout.get("budget")), "",
        *one_arm(training["one_arm"], holdout["one_arm"]),
        "## Known failures", "", *known_failures(holdout), "",
        *([] if training.get("started_from") else ["## Families that logs moved", "", *families_moved(training["families"]), ""]),
        "## What it does not know", "",
        "- Prompts in languages other than English, encoded or meaningless text, pastes far longer than what was logged, and, unless the logs have such, prompts with images or files: it answers `maybe` with low familiarity.",
        "- Your models: gains of one model say little of another's. Train on your own logs; the taxonomy's prior is a starting point.",
        "- Where these logs do not reach, the bundle that it starts from speaks: see its card."
        if training.get("started_from")
        else "- Families that no log covers rest on the taxonomy alone, which is judgement backed by published evidence.",
        f"- `maybe` is granted {calibration.small_budget} thinking tokens; under familiarity {calibration.unfamiliar_below:g} it is always `maybe`.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)
