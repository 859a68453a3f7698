"""A bundle as a model that answers frames: what lies in its folder, and the columns it takes and gives.

Training lays the folder down (`training.mlflow_model`), serving answers from it (`serving.pyfunc`).
"""

BUNDLE, ENCODER, FAMILIES, CONTROLS = "bundle", "encoder", "models.yaml", "dialects.yaml"
"""The bundle, the encoder that it was trained on, and the shipped files of target models, where there are any."""

TEXTS = ("prompt", "messages", "model", "profile")
"""Columns of text; messages are JSON. A row has one of prompt and messages, the rest is optional."""

CAPS = ("max_thinking_tokens", "max_latency_ms", "max_output_tokens")
"""Columns of whole numbers, optional."""

ANSWERS: dict[str, str] = {
    "verdict": "string", "thinking_budget": "long", "effort": "string", "arm": "string", "p_use": "double", "p_maybe": "double",
    "p_avoid": "double", "gain": "double", "extra_tokens": "double", "net_benefit": "double", "cost_usd": "double",
    "latency_s": "double", "task": "string", "familiarity": "double", "model_known": "boolean", "truncated": "boolean",
    "profile": "string", "enforced": "boolean", "reasons": "string", "revision": "string",
}  # fmt: skip
"""Columns of an answer and their types; cost_usd and latency_s are null where unknown, reasons are one a line."""

NULLABLE = ("cost_usd", "latency_s")
"""Columns of an answer that may be null."""
