"""LiteLLM, imported when it is first needed (its import takes seconds), and made quiet and patient."""

import logging
import os
import sys
from functools import cache
from typing import Any


@cache
def litellm() -> Any:
    """Return the module LiteLLM: its prices those that came with it, nothing sent or printed, no parameter or answer dropped."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or its import fetches prices from the network
    import litellm as module

    for logger in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # they would repeat prompts
    module.suppress_debug_info = True
    module.drop_params = False  # an arm whose parameter is dropped without a word is not that arm
    module.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize  # an answer that loops is an answer, and a failed one
    module.telemetry = False  # of older versions
    for name in ("callbacks", "input_callback", "success_callback", "failure_callback", "service_callback"):
        setattr(module, name, [])
    return module
