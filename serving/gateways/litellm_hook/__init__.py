"""thinkworth in LiteLLM's proxy, by a callback: asks before each chat completion, obeys, tells what came of it; fails open.

Needs litellm, httpx and the standard library alone, so that this folder may be copied beside a proxy's config as it is.
"""

from .hook import ThinkworthHook
from .settings import HookSettings
from .wire import Away, Declined, Predictor

__all__ = ["Away", "Declined", "HookSettings", "Predictor", "ThinkworthHook"]
