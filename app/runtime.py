"""Threads, queues and signals: everything around the pipeline that has to do with real time."""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any, TypeVar

Item = TypeVar("Item")

DEPTH = 8
"""Items read ahead: enough to hide decoding behind detection, few enough to keep 1080p frames under 64 MB."""


class _End:
    """Closes the queue; carries the exception that ended the reading, if one did."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _offer(item: object, ready: queue.Queue[object], stopped: threading.Event) -> None:
    """Waits for room in the queue, but not after the reader has left."""
    while not stopped.is_set():
        try:
            return ready.put(item, timeout=0.1)
        except queue.Full:
            continue


def _produce(items: Iterable[object], ready: queue.Queue[object], stopped: threading.Event) -> None:
    try:
        for item in items:
            _offer(item, ready, stopped)
            if stopped.is_set():
                return
    except BaseException as error:
        _offer(_End(error), ready, stopped)
    else:
        _offer(_End(), ready, stopped)


def read_ahead(items: Iterable[Item], depth: int = DEPTH) -> Iterator[Item]:
    """The same items in the same order, produced in a thread ahead of their use.

    An exception of the producer is raised here, after the items before it. Leaving the loop early ends the thread.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, stopped), daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        thread.join()


class Interruption:
    """Turns the first Ctrl-C (or SIGTERM) into a request that work checks between frames; the next one ends at once.

    Use as a context manager around long work. Outside the main thread signals cannot be caught, and nothing changes.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
