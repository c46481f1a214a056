"""Work split over the processor's cores, for compiled loops that leave Python alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

PARTS_A_CORE = 4
"""More parts than cores, so that a core that others use as well holds nobody up for long."""


def cores() -> int:
    """The processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "matching")


def in_parts(work: Callable[[int, int], object], count: int, least: int, threads: int | None = None) -> None:
    """Calls `work(first, last)` for runs of 0 … count that together are all of it, several at once.

    Args:
        work: Must not call `in_parts` with the same number of threads.
        count: How much there is to do.
        least: Smallest part worth handing to another core.
        threads: Most at once; None for all cores.
    """
    threads = min(threads or cores(), -(-count // least))
    if threads <= 1:
        if count:
            work(0, count)
        return
    step = max(least, -(-count // (threads * PARTS_A_CORE)))
    edges = range(0, count, step)
    for _ in _pool(threads).map(lambda first: work(first, min(first + step, count)), edges):
        pass
