"""What is looked at from time to time: how many wait, what is remembered, how the store is, how much memory a worker takes.

A scrape reaches one worker, which reads the figures of the others from their files; so each notes its own once a second, and no request pays for it.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from serving.admission import Admission
from serving.recorder import Recorder
from serving.router import Router

EVERY_S = 1.0
"""Seconds between two looks."""

Gauge = tuple[str, float, tuple[str, ...]]
"""A gauge's name, its value and its labels."""


class Gauges(threading.Thread):
    """A thread that notes gauges until it is stopped."""

    def __init__(self, look: Callable[[], Iterable[Gauge]], note: Callable[..., None]) -> None:
        """Take what tells the gauges, and what notes one: `note(name, value, *labels)`."""
        super().__init__(name="gauges", daemon=True)
        self._look, self._note = look, note
        self._ended = threading.Event()
        self._seen: set[tuple[str, tuple[str, ...]]] = set()

    def run(self) -> None:
        """Note them every second."""
        while True:
            self.note()
            if self._ended.wait(EVERY_S):
                return

    def note(self) -> None:
        """Note them now; one whose labels are told no more is 0."""
        told = {(name, labels): value for name, value, labels in self._look()}
        for key in self._seen - told.keys():
            told[key] = 0.0
        for (name, labels), value in told.items():
            self._note(name, value, *labels)
        self._seen |= told.keys()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self.join(EVERY_S)


def looked_at(admission: Admission, router: Router, recorder: Recorder | None) -> Iterator[Gauge]:
    """Tell the gauges of a worker."""
    yield "thinkworth_reading", min(admission.in_flight, admission.threads), ()
    yield "thinkworth_waiting", max(admission.in_flight - admission.threads, 0), ()
    yield "thinkworth_workers", 1, (router.manifest.revision,)
    yield "thinkworth_remembered_prompts", len(router.readings), ()
    if recorder:
        yield "thinkworth_store_up", recorder.mender.up, ()
        yield "thinkworth_journal_records", recorder.journal.records if recorder.journal else 0, ()
    if (memory := resident_bytes()) is not None:
        yield "thinkworth_worker_memory_bytes", memory, ()


def resident_bytes() -> int | None:
    """Return the resident memory of this process, None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
