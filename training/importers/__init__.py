"""Real gateways' logs into the log table: one module a format, all proved by the same tests."""

from importlib import import_module
from typing import cast

from contract.errors import InvalidInput
from training.importers.call import Importer

FORMATS: dict[str, str] = {
    "canonical": "training.importers.canonical",
    "openai-jsonl": "training.importers.openai_jsonl",
    "anthropic-jsonl": "training.importers.anthropic_jsonl",
    "gemini-jsonl": "training.importers.gemini_jsonl",
    "litellm-spend": "training.importers.litellm_spend",
    "litellm-payload": "training.importers.litellm_payload",
    "otel": "training.importers.otel",
    "langfuse": "training.importers.langfuse",
    "mlflow": "training.importers.mlflow_traces",
}
"""The module of each format, imported only when it is asked for."""


def importer(name: str) -> Importer:
    """Return the importer of a format.

    Raises:
        InvalidInput: there is no such format.
    """
    if name not in FORMATS:
        raise InvalidInput(f"unknown format {name!r}; use one of {', '.join(FORMATS)}", limit=list(FORMATS))
    return cast(Importer, import_module(FORMATS[name]))
