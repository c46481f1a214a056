"""Best-cell similarity on a GPU without ever writing a score: see `reid_model.matching.fused_kernel`.

Triton is optional: where it is missing, `available` says so and callers take matrix products in blocks instead.
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

TILES = (64, 32, 16)
"""Cells in a tile that the kernel may be given, best first: a GPU's matrix units like 64 rows at least."""

MOST_DIMENSIONS = 128
LEAST_DIMENSIONS = 32
"""Dimensions in a tile: 32 bytes are what one integer instruction takes."""


def available(device: torch.device) -> bool:
    """Whether the kernel can run there: on a CUDA device, with Triton installed."""
    return device.type == "cuda" and find_spec("triton") is not None


def tile(count: int, waste: float = 0.0) -> int:
    """The largest tile that so many cells fill but for a share `waste` of their number; the smallest if none does."""
    return next((size for size in TILES if -(-count // size) * size <= count * (1 + waste)), TILES[-1])


def similarities(
    query: Tensor, weights: Tensor, cells: Tensor, scale: Tensor | None = None, positions: Tensor | None = None
) -> Tensor:
    """Saliency-weighted best-cell similarities of every query to every gallery crop, or to those chosen.

    Products are summed in float32 (bfloat16 cells) or exactly (int8); a similarity differs from the one computed in
    float32 from the same numbers by rounding alone, below 2e-6.

    Args:
        query: `(q, P, d)`, bfloat16 or int8, on the device.
        weights: `(q, P)` float32: saliency, times the crop's scale for int8.
        cells: `(m, P', d)` of the same type.
        scale: `(m,)` float32, for int8 alone.
        positions: Which gallery crops, `(k,)` int64, each below m; all when left out.

    Returns:
        `(q, k)` float32 on the device.

    Raises:
        ValueError: If types or sizes do not agree.
    """
    from triton import knobs

    from reid_model.matching.fused_kernel import maxsim

    _check(query, cells, scale)
    q, p, d = query.shape
    count = len(cells) if positions is None else len(positions)
    out = torch.empty((q, count), dtype=torch.float32, device=cells.device)
    if out.numel() == 0:
        return out
    width = max(LEAST_DIMENSIONS, min(MOST_DIMENSIONS, 1 << (d - 1).bit_length()))
    maxsim[(count, q)](
        query.contiguous(),
        cells.contiguous(),
        weights.contiguous(),
        out if scale is None else scale.contiguous(),
        out if positions is None else positions.contiguous(),
        out,
        *(p, cells.shape[1], d, count),
        choosing=positions is not None,
        scaled=scale is not None,
        wide=knobs.runtime.interpret,
        # A third more rows than needed costs less than tiles too small for the GPU's large matrix instructions.
        tile_m=tile(p, 1 / 3),
        tile_n=tile(cells.shape[1]),
        tile_k=width,
    )
    return out


def _check(query: Tensor, cells: Tensor, scale: Tensor | None) -> None:
    expected = torch.bfloat16 if scale is None else torch.int8
    for name, value in (("query", query), ("cells", cells)):
        if value.dtype != expected:
            raise ValueError(f"{name}: expected {expected}, given {value.dtype}")
    if query.shape[2] != cells.shape[2]:
        raise ValueError(f"matching: expected cells of one model, given {query.shape[2]} and {cells.shape[2]} values")
