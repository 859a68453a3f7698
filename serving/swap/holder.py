"""What the service holds: the router that answers, and all that swaps it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract.bundle import Manifest
from contract.settings import Settings
from serving.conversations import Conversations
from serving.router import Router
from serving.swap.agent import Agent
from serving.swap.driving import Count, Driver
from serving.swap.group import Checked, Committed, Group
from serving.swap.loading import Loader
from serving.swap.place import group_of
from serving.swap.sharing import Sharing
from serving.swap.source import Source
from serving.swap.watching import Watcher

RELOAD_S = 25.0
"""Seconds that /admin/reload waits for all workers to prepare: BentoML ends a request after 30."""


class Served:
    """The bundle that one worker serves, the same as all workers of its service; safe to use from several threads.

    Raises:
        InvalidInput: golden_prompts, or a file of what is known of models, is wrong.
        BundleMissing, BundleMismatch, BundleTooNew, Refused: the source names no bundle that can be served.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        announce: Callable[[Manifest], None] | None = None,
        count: Count | None = None,
        conversations: Conversations | None = None,
        folder: Path | None = None,
    ) -> None:
        """Load what is committed, or what the settings name.

        Args:
            settings: of the operator.
            announce: is told of each bundle before its first answer.
            conversations: what every router remembers the last turns of conversations in; none are where not given.
            count: is told how each swap that this worker drove ended: swapped, refused, timed_out.
            folder: that the workers of the service share; None: this worker is alone.
        """
        loader, source = Loader(settings, conversations), Source(settings.bundle)
        self._own = None if folder else Path(tempfile.mkdtemp(prefix="thinkworth-"))
        group = Group(folder or self._own)  # type: ignore[arg-type]
        driver = Driver(group, source, count=count)
        try:
            self._agent = Agent(group, loader, first=driver.first, announce=announce or (lambda manifest: None))
        except BaseException:
            self._forget()
            raise
        self._group, self._source, self._driver = group, source, driver
        self._watcher = Watcher(group, source, driver, worker=self._agent.name, poll_s=settings.bundle_poll_s)
        self._reloads = Sharing(self.reload, RELOAD_S)

    @property
    def router(self) -> Router:
        """What answers now; a request reads it once."""
        return self._agent.router

    def reload(self, wait_s: float = RELOAD_S) -> dict[str, Any]:
        """Return what every worker serves, once all serve what the source names; it may take seconds.

        Raises:
            NotReloaded: all keep what they had, and why.
        """
        committed = self._driver.reload(self._agent.name, wait_s)
        workers = len(self._group.living())
        return {"revision": committed.revision, "generation": committed.generation, "workers": workers}

    async def reloaded(self) -> dict[str, Any]:
        """Return as `reload` does, for the event loop; those that wait at once share a thread, and a look at the source.

        Raises:
            NotReloaded: as `reload`.
        """
        return await asyncio.shield(asyncio.wrap_future(self._reloads.ask()))  # who leaves ends nothing for the others

    def state(self) -> dict[str, Any]:
        """Return what /readyz tells: the source, when it was looked at, why its bundle is not served, and how far this worker is."""
        checked, committed, status = self._group.read(Checked), self._group.read(Committed), self._agent.status
        behind = committed is not None and committed.generation > status.generation
        return {
            "source": str(self._source), "generation": status.generation,
            "checked": datetime.fromtimestamp(checked.at, UTC).isoformat(timespec="seconds") if checked else None,
            "error": (checked.away or checked.error) if checked else None, "behind": (status.why or "loading") if behind else None,
        }  # fmt: skip

    def close(self) -> None:
        """Stop swapping; what is read of `router` goes on answering."""
        self._reloads.close()
        self._watcher.close()
        self._agent.close()
        self._forget()

    def _forget(self) -> None:
        if self._own:
            shutil.rmtree(self._own, ignore_errors=True)


def shared_folder(settings: Settings) -> Path:
    """Return the folder of the workers that this process's parent started."""
    return group_of(settings.folder, os.getppid())


def begin(settings: Settings) -> Committed:
    """Commit what the workers that this process is about to start will serve, once it is loaded and checked; return it.

    Raises:
        InvalidInput: golden_prompts, or a file of what is known of models, is wrong.
        BundleMissing, BundleMismatch, BundleTooNew, Refused: the source names no bundle that can be served.
    """
    folder = group_of(settings.folder, os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    group, loader = Group(folder), Loader(settings)
    try:
        committed = Driver(group, Source(settings.bundle)).first()
        loader.load(group.bundle(committed.manifest))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return committed
