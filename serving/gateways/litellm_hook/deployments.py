"""What LiteLLM knows of the models behind a name of its config, remembered."""

import sys
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

REMEMBERED_S = 60.0
"""A model list may change while the proxy runs."""

MOST_NAMES = 4096


class Deployments:
    """The model that a name stands for, as the proxy's router has it."""

    def __init__(self, names: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        """Take the operator's own names of models, which win."""
        self._names, self._clock = names, clock
        self._known: dict[str, tuple[float, str]] = {}

    def model_of(self, name: str) -> str:
        """Return the model behind a name, where all its deployments have the same; else the name."""
        if name in self._names:
            return self._names[name]
        now = self._clock()
        until, model = self._known.get(name, (0.0, name))
        if now >= until:
            if len(self._known) >= MOST_NAMES:
                self._known.clear()  # names come from callers
            model = _behind(name) or name
            self._known[name] = (now + REMEMBERED_S, model)
        return model


def _behind(name: str) -> str | None:
    proxy = sys.modules.get("litellm.proxy.proxy_server")
    router: Any = getattr(proxy, "llm_router", None)
    if router is None:
        return None
    try:
        if hasattr(router, "registry"):  # LiteLLM 1.110
            deployments = router.registry().deployments(name)
        else:
            deployments = router.get_model_list(model_name=name)
        models = {_one(deployment) for deployment in deployments or ()}
    except Exception:
        return None  # a router of yet another version; the name will do
    bare = {model.rpartition("/")[2] for model in models}
    return sorted(models)[0] if len(bare) == 1 and "" not in bare and "*" not in str(bare) else None


def _one(deployment: Mapping[str, Any]) -> str:
    info = deployment.get("model_info") or {}
    return str(info.get("base_model") or deployment["litellm_params"]["model"])


def accepted(model: str, provider: str | None, parameters: Mapping[str, Any]) -> bool:
    """Return whether LiteLLM would take thinking parameters for a model, rather than refuse the request for them.

    Asked of LiteLLM itself, by what it does with a request before it is sent. Wrapped parameters and those that LiteLLM does
    not know are passed on as they are, so there is nothing to ask.
    """
    effort, thinking = parameters.get("reasoning_effort"), parameters.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    kind = str(thinking.get("type")) if isinstance(thinking, Mapping) else None
    return _accepted(model, provider, str(effort) if effort is not None else None, kind, budget is not None)


@lru_cache(MOST_NAMES)
def _accepted(model: str, provider: str | None, effort: str | None, thinking: str | None, capped: bool) -> bool:
    from litellm import get_llm_provider
    from litellm.utils import get_optional_params, get_supported_openai_params

    asked: dict[str, Any] = {}
    if effort is not None:
        asked["reasoning_effort"] = effort
    if thinking is not None:
        asked["thinking"] = {"type": thinking, **({"budget_tokens": 1024} if capped else {})}
    try:
        name, named, _, _ = get_llm_provider(model=model, custom_llm_provider=provider)
        known = get_supported_openai_params(model=name, custom_llm_provider=named) or []
        if not asked.keys() <= set(known):
            return False
        get_optional_params(model=name, custom_llm_provider=named, **asked)
    except Exception:
        return False
    return True
