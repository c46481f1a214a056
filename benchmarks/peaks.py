"""What this machine multiplies at best, so that speeds can be given as shares of it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

SIDE = 2048


def peak(work: Callable[[], object]) -> float:
    """Multiplications and additions a second of a square product, the best of several."""
    best = np.inf
    for _ in range(8):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return SIDE**3 / best


def peaks() -> dict[str, float]:
    """What this machine multiplies at best, in 8 bits and in float32."""
    multiply = torch.randint(-127, 127, (SIDE, SIDE), dtype=torch.int8)
    real = torch.randn(SIDE, SIDE)
    return {"int8": peak(lambda: torch._int_mm(multiply, multiply)), "fp32": peak(lambda: real @ real)}
