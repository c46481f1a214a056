"""Exact matching of millions of sightings on a GPU, as a share of what arithmetic and memory allow.

python -m benchmarks.matching_gpu [--sightings N …] [--queries N …] [--device cuda] [--json FILE]

Sightings are made on the GPU: cells in 8 bits or bfloat16, 48 of 128 values, of no meaning, which costs the kernel what
real ones do. `limit` is the time that the nearer of two limits allows: the products of cells at the speed that a large
matrix product of the same type reaches here (`torch._int_mm`, or `@` in bfloat16), or reading every cell once at the
speed of a copy (half of the bytes that it moves are reads). `share` is the limit over the median time, per cent;
`plain` is the time of matrix products in blocks with maxima behind them, for up to a million sightings.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from app.gallery.device_cells import by_products
from reid_model.matching import fused

CELLS, LOCAL = 48, 128
RUNS = 7
SIDE = 8192
MADE = 1 << 18
"""Sightings made at once."""

PLAIN_UP_TO = 1_000_000
KINDS = {"int8": torch.int8, "bf16": torch.bfloat16}

Result = dict[str, object]


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Median time of a piece of work, the first runs left out."""
    times = []
    for run in range(RUNS + 2):
        _wait(device)
        start = time.perf_counter()
        work()
        _wait(device)
        if run >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def made(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Cells of so many sightings, `(count, 48, 128)`."""
    cells = torch.empty((count, CELLS, LOCAL), dtype=dtype, device=device)
    for first in range(0, count, MADE):
        part = cells[first : first + MADE]
        if dtype == torch.int8:
            part.copy_(torch.randint(-127, 128, part.shape, dtype=torch.int8, device=device))
        else:
            part.copy_(torch.nn.functional.normalize(torch.randn(part.shape, device=device), dim=2))
    return cells


def multiplied(dtype: torch.dtype, device: torch.device, side: int = SIDE) -> float:
    """Multiplications and additions a second of a large product of this type."""
    one = made(-(-side * side // (CELLS * LOCAL)), dtype, device).flatten()[: side * side].view(side, side)
    work = (lambda: torch._int_mm(one, one)) if dtype == torch.int8 else (lambda: one @ one)
    return float(side**3 / seconds(work, device))


def read(device: torch.device, count: int = 1 << 30) -> float:
    """Bytes that a copy reads and writes a second."""
    source = torch.empty(count, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    return 2 * count / seconds(lambda: target.copy_(source), device)


def measure(kind: str, count: int, queries: int, device: torch.device, speed: tuple[float, float]) -> Result:
    """One row: so many sightings, so many query crops at once, by the kernel."""
    dtype = KINDS[kind]
    cells, query = made(count, dtype, device), made(queries, dtype, device)
    weights = torch.full((queries, CELLS), 1 / CELLS, device=device)
    scale = torch.full((count,), 1 / 127, device=device) if kind == "int8" else None
    spent = seconds(lambda: fused.similarities(query, weights, cells, scale), device)
    arithmetic = queries * count * CELLS**2 * LOCAL / speed[0]
    memory = cells.numel() * cells.element_size() / speed[1]
    limit = max(arithmetic, memory)
    result: Result = {
        "name": f"exact {kind}, {count} sightings, {queries} queries",
        "ms": round(1000 * spent, 2),
        "limit_ms": round(1000 * limit, 2),
        "limit": "arithmetic" if arithmetic > memory else "memory",
        "share": round(100 * limit / spent, 1),
    }
    if scale is not None and count <= PLAIN_UP_TO:
        result["plain_ms"] = round(1000 * seconds(lambda: by_products(query, weights, cells, scale, None), device), 2)
    return result


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def main(given: Sequence[str] | None = None) -> None:
    """Prints the table, and writes the JSON if asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sightings", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["int8"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--side", type=int, default=SIDE, help="of the product that sets the arithmetic limit")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    device = torch.device(arguments.device)
    if device.type == "cuda" and not fused.available(device):
        parser.error("needs a GPU and Triton; there is none here")
    bandwidth = read(device, 1 << (30 if device.type == "cuda" else 24))
    results = []
    for kind in arguments.kinds:
        speed = multiplied(KINDS[kind], device, arguments.side), bandwidth
        results += [
            measure(kind, count, queries, device, speed)
            for count in arguments.sightings
            for queries in arguments.queries
        ]
    table = Table("name", "ms", "limit ms", "limit", "per cent of it", "plain ms")
    for result in results:
        table.add_row(*(str(value) for value in result.values()))
    Console(width=140).print(table)
    if arguments.json:
        machine = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
        text = json.dumps({"command": "benchmarks.matching_gpu", "machine": machine, "results": results}, indent=1)
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
