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
    asked: dict[str, Any] = {}
    if effort is not None:
        asked["reasoning_effort"] = effort
    if thinking is not None:
        asked["thinking"] = {"type": thinking, **({"budget_tokens": 1024} if capped else {})}
    return made_of(model, provider, asked, known_only=True) is not None


@lru_cache(MOST_NAMES)
def budget_of(model: str, provider: str | None, effort: str) -> int | None:
    """Return the thinking tokens that LiteLLM makes of an effort, where they have to be below max_tokens; None: it makes none."""
    thinking = (made_of(model, provider, {"reasoning_effort": effort}) or {}).get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    return budget if isinstance(budget, int) else None


def made_of(
    model: str, provider: str | None, parameters: Mapping[str, Any], *, known_only: bool = False, **options: Any
) -> Mapping[str, Any] | None:
    """Return what LiteLLM makes of a request's parameters before it is sent; None where it would refuse them.

    Args:
        model: of the deployment.
        provider: of the deployment; None: LiteLLM finds it.
        parameters: of the request.
        known_only: refuse those too that LiteLLM does not count among what the model takes.
        options: of LiteLLM's `get_optional_params`, such as drop_params.
    """
    from litellm import get_llm_provider
    from litellm.utils import get_optional_params, get_supported_openai_params

    try:
        name, named, _, _ = get_llm_provider(model=model, custom_llm_provider=provider)
        if known_only:
            known = get_supported_openai_params(model=name, custom_llm_provider=named) or []
            if not parameters.keys() <= set(known):
                return None
        made: Mapping[str, Any] = get_optional_params(model=name, custom_llm_provider=named, **parameters, **options)
    except Exception:
        return None
    return made


ASKABLE = ("reasoning_effort", "thinking")
"""Parameters that LiteLLM knows, and can be asked about."""

TEMPLATES = ("chat_template_kwargs", "enable_thinking", "thinking_budget", "thinking_token_budget")
"""Words of hosts of open models."""

HOSTS_OF_TEMPLATES = ("hosted_vllm", "vllm", "dashscope")


def understands(attempt: Mapping[str, Any], parameters: Mapping[str, Any], *, asked: str, elsewhere: bool) -> bool:
    """Return whether an attempt's deployment takes parameters that LiteLLM passes on unread, made for the model that was asked about.

    Args:
        attempt: at a deployment.
        parameters: to set.
        asked: model that was asked about; a name of the config where that has several.
        elsewhere: the attempt is a fallback to another name of the config.
    """
    unread = {name: value for name, value in parameters.items() if name not in ASKABLE}
    if not unread:
        return True
    import litellm

    model, info = str(attempt.get("model") or ""), attempt.get("model_info")
    base = str(info.get("base_model") or "") if isinstance(info, Mapping) else ""
    if _bare(asked) in (_bare(model), _bare(base)):
        return True
    provider = str(attempt.get("custom_llm_provider") or model.partition("/")[0])
    inner = unread.get("extra_body")
    words = (unread.keys() - {"extra_body"}) | (inner.keys() if isinstance(inner, Mapping) else set())
    if provider in HOSTS_OF_TEMPLATES and words <= set(TEMPLATES):
        return True
    # the operator's own name of a model, for a deployment of the name that was asked about
    return not elsewhere and not {model, _bare(model)} & litellm.model_cost.keys()


def _bare(model: str) -> str:
    return model.rpartition("/")[2].lower()
