"""What logs are made of, for the manifest and the card: models, languages, years, and what budgets were read off."""

from typing import Any

import pandas as pd

from contract.records import PAIR_KEY
from training.budget_targets import accepted_flags, budget_attempts
from training.config import TrainConfig


def material(log: pd.DataFrame) -> dict[str, Any]:
    """Return models by source, prompts by language, and when the attempts were made, as far as they say it.

    Returns:
        models: by source, the names of its models. languages: by code, distinct (source, prompt_id); without_language: those that
        name none. first_year, last_year: None where no row has a timestamp; undated: rows without one.
    """
    prompts = log.drop_duplicates(["source", "prompt_id"])
    year = log.timestamp.dropna().dt.year
    languages = prompts.language.dropna().value_counts()
    return {
        "models": {str(source): sorted(map(str, names.unique())) for source, names in log.groupby("source").model},
        "languages": {str(code): int(n) for code, n in languages.items()},
        "without_language": int(prompts.language.isna().sum()),
        "first_year": int(year.min()) if len(year) else None, "last_year": int(year.max()) if len(year) else None,
        "undated": len(log) - len(year),
    }  # fmt: skip


def needs_read(log: pd.DataFrame, config: TrainConfig) -> dict[str, Any]:
    """Return what the needs of thinking tokens were read off.

    Returns:
        flags: those accepted, and the attempts with each. sources: by source, `prompts` (and models: distinct `PAIR_KEY`), needs by
        `target_is`, and `censored`, needs that are lower bounds.
    """
    needs = budget_attempts(log, config)
    sources = {
        str(source): {
            "prompts": int((~part.duplicated(list(PAIR_KEY))).sum()), "censored": int(part.censored.sum()),
            "targets": {str(name): int(n) for name, n in part.target_is.value_counts().sort_index().items()},
        }
        for source, part in needs.groupby("source")
    }  # fmt: skip
    return {"flags": accepted_flags(log), "sources": sources}
