"""The ASGI middleware that gives each request its trail, and hands it to the observer when the answer is on its way."""

import logging
from collections.abc import Callable
from typing import Any

from serving.asgi import App, Message, Receive, Send
from serving.observing.observer import Observer
from serving.observing.trail import TRAIL, Trail

logger = logging.getLogger("thinkworth")


class Observed:
    """ASGI middleware; see the module."""

    def __init__(self, app: App, observer: Callable[[], Observer]) -> None:
        """Wrap an app; `observer` gives that of this process, for each request, so that importing opens nothing."""
        self.app, self._observer = app, observer

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trail = scope[TRAIL] = Trail()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                trail.status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            try:
                self._observer().ended(trail, scope)
            except Exception as error:  # the answer is on its way; it does not fail for want of a figure
                logger.error("unexpected %s while a request was told of", type(error).__name__)
