"""What a process that runs for months asks of the interpreter and of the C library."""

from __future__ import annotations

import ctypes
import sys

SWITCH_SECONDS = 0.001
"""How long one thread keeps the interpreter while another waits: the loop must not wait long for the linker."""

MAPPED_BYTES = 1 << 20
"""Blocks of this size or more go back to the system as soon as they are free."""

TRIMMED_BYTES = 16 << 20
"""So much free memory at the end of the heap goes back, too."""

ARENAS = 2
"""Heaps that threads share."""

# The parameters' numbers in <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def prepare_process() -> None:
    """Keeps memory and waiting for the interpreter within bounds; does less where the C library is not glibc.

    glibc otherwise raises the size from which blocks are mapped with each large one that is freed, up to 32 MiB, and
    keeps a heap for each thread: pictures and features of ever other sizes then leave gaps that grow for hours.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
        mallopt(_M_TRIM_THRESHOLD, TRIMMED_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS)
