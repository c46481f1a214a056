"""Best-cell similarity as one Triton kernel. Importing this needs Triton; `reid_model.matching.fused` asks first."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def maxsim(  # type: ignore[no-untyped-def]
    query,
    cells,
    weights,
    scale,
    positions,
    out,
    p,
    p2,
    d,
    count,
    choosing: tl.constexpr,
    scaled: tl.constexpr,
    wide: tl.constexpr,
    tile_m: tl.constexpr,
    tile_n: tl.constexpr,
    tile_k: tl.constexpr,
):
    """One query crop against one gallery crop.

    A tile of query cells meets a tile of gallery cells at a time; of their scores only the greatest of each query cell
    so far is kept, in registers. Places beyond P, P' and d are masked: as zeros in products, as −∞ among candidates, as
    no weight in the sum.

    Args:
        query: `(q, P, d)` bfloat16 or int8, contiguous, as all arrays.
        cells: `(m, P', d)` of the same type.
        weights: `(q, P)` float32: saliency, times the crop's scale in 8 bits.
        scale: `(m,)` float32: scale of each gallery crop, if scaled.
        positions: `(count,)` int64: which gallery crops, if choosing; else the first `count`.
        out: `(q, count)` float32.
        p: P.
        p2: P'.
        d: Dimensions of a cell.
        count: Gallery crops to compare with.
        choosing: Whether `positions` counts.
        scaled: Whether `scale` counts; cells are int8 then.
        wide: Whether bfloat16 is multiplied as float32, for Triton's interpreter, which cannot multiply it.
        tile_m: Query cells in a tile, a power of 2 from 16.
        tile_n: Gallery cells in a tile, likewise.
        tile_k: Dimensions in a tile, a power of 2 from 32.
    """
    place = tl.program_id(0).to(tl.int64)
    crop = tl.program_id(1).to(tl.int64)
    chosen = place
    if choosing:
        chosen = tl.load(positions + place)
    # 64-bit from here on: a gallery of a million crops has more than 2³² bytes of cells.
    ours = query + crop * p * d
    theirs = cells + chosen * p2 * d
    total = tl.zeros((tile_m,), tl.float32)
    for top in range(0, p, tile_m):
        rows = top + tl.arange(0, tile_m)
        best = tl.full((tile_m,), float("-inf"), tl.float32)
        for left in range(0, p2, tile_n):
            columns = left + tl.arange(0, tile_n)
            scores = tl.zeros((tile_m, tile_n), tl.int32 if scaled else tl.float32)
            for first in range(0, d, tile_k):
                values = first + tl.arange(0, tile_k)
                a = tl.load(
                    ours + rows[:, None] * d + values[None, :],
                    mask=(rows[:, None] < p) & (values[None, :] < d),
                    other=0,
                )
                b = tl.load(
                    theirs + columns[None, :] * d + values[:, None],
                    mask=(columns[None, :] < p2) & (values[:, None] < d),
                    other=0,
                )
                if scaled:
                    scores = tl.dot(a, b, scores, out_dtype=tl.int32)
                elif wide:
                    scores = tl.dot(a.to(tl.float32), b.to(tl.float32), scores, input_precision="ieee")
                else:
                    scores = tl.dot(a, b, scores)
            candidates = tl.where(columns[None, :] < p2, scores.to(tl.float32), float("-inf"))
            best = tl.maximum(best, tl.max(candidates, 1))
        weight = tl.load(weights + crop * p + rows, mask=rows < p, other=0)
        total += best * weight
    value = tl.sum(total, 0)
    if scaled:
        value *= tl.load(scale + chosen)
    tl.store(out + crop * count + place, value)
