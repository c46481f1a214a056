"""Two loops written for processors that multiply and add bytes (AVX-512 VNNI), compiled when first used.

Both multiply unsigned by signed bytes, four to a 32-bit sum, 64 in one instruction: the gallery's values are stored
with 128 added, the query's as they are, and since 128 times the sum of a query cell is the same for every gallery cell,
the sums simply start from its negative. Sums of bytes are exact, in any order.

- `maxsim`: for every gallery crop and query crop, each query cell's best gallery cell, weighted and summed. A block of
  8 gallery cells × 48 query cells lives in registers, and so do the running maxima: no score is ever written.
- `scan`: the product of every row of a matrix with a vector; as fast as memory gives the rows.

They are written in LLVM's intermediate language, which llvmlite (numba's compiler) turns into machine code in a tenth
of a second; a C extension would need a compiler where this is installed.
"""

from __future__ import annotations

import ctypes
import platform
from dataclasses import dataclass
from functools import cache
from typing import Any

LANES = 16
"""32-bit numbers in a register."""

VECTORS = 3
"""Registers of query cells in a block."""

WIDTH = LANES * VECTORS
"""Query cells in a block: their number is filled up to a multiple of it with cells of no weight."""

CELLS = 8
"""Gallery cells in a block: with 24 sums, 3 query registers and the gallery's own, the 32 registers are used up."""

ROWS = 4
"""Rows that `scan` works on at once, so that one addition need not wait for the last."""

INTEGERS, FLOATS, BYTES = f"<{LANES} x i32>", f"<{LANES} x float>", f"<{4 * LANES} x i8>"
DOT = "@llvm.x86.avx512.vpdpbusd.512"


@dataclass(frozen=True, eq=False)
class Kernels:
    """Compiled functions; pointers are addresses, sizes are 64-bit integers.

    Attributes:
        maxsim: `(cells, positions, first, last, P', d / 4, queries, sums, weights, query crops, query blocks, scales,
            out, out's row length)`.
        scan: `(rows, positions, first, last, row bytes / 64, query, offset, scales, out)`.
        engine: Keeps the code alive.
    """

    maxsim: Any
    scan: Any
    engine: Any


@cache
def kernels() -> Kernels | None:
    """The loops compiled for this processor; None where it lacks the instruction, or llvmlite does."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return None
    try:
        from llvmlite import binding
    except ImportError:
        return None
    if not binding.get_host_cpu_features().get("avx512vnni", False):
        return None
    # The instruction's operands were called 32-bit numbers up to LLVM 21, and bytes from then on.
    for operand in (BYTES, INTEGERS):
        try:
            return _compile(binding, _module(operand))
        except RuntimeError:
            continue
    return None


def _compile(binding: Any, text: str) -> Kernels:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    module = binding.parse_assembly(text)
    module.verify()
    target = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten(), opt=3
    )
    passes = binding.create_pass_builder(target, binding.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    engine = binding.create_mcjit_compiler(module, target)
    engine.finalize_object()
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    maxsim = ctypes.CFUNCTYPE(None, *[pointer] * 2, *[size] * 4, *[pointer] * 3, *[size] * 2, *[pointer] * 2, size)
    scan = ctypes.CFUNCTYPE(None, *[pointer] * 2, *[size] * 3, pointer, ctypes.c_int32, *[pointer] * 2)
    return Kernels(maxsim(engine.get_function_address("maxsim")), scan(engine.get_function_address("scan")), engine)


def _module(operand: str) -> str:
    return "\n".join(
        [
            f"declare {INTEGERS} {DOT}({INTEGERS}, {operand}, {operand})",
            f"declare {INTEGERS} @llvm.smax.v{LANES}i32({INTEGERS}, {INTEGERS})",
            "declare i64 @llvm.smin.i64(i64, i64)",
            f"declare float @llvm.vector.reduce.fadd.v{LANES}f32(float, {FLOATS})",
            f"declare i32 @llvm.vector.reduce.add.v{LANES}i32({INTEGERS})",
            _maxsim(operand),
            _scan(operand),
        ]
    )


def _maxsim(operand: str) -> str:
    """Crops, query crops, blocks of query cells, blocks of gallery cells, and bytes, from the outside in."""
    cells, vectors = range(CELLS), range(VECTORS)
    block = 4 * WIDTH
    lines = [
        "define void @maxsim(ptr %cells, ptr %positions, i64 %first, i64 %last, i64 %p2, i64 %k4, ptr %queries,"
        " ptr %sums, ptr %weights, i64 %crops, i64 %blocks, ptr %scales, ptr %out, i64 %stride) {",
        "entry:",
        "  %row.bytes = shl i64 %k4, 2",
        "  %crop.bytes = mul i64 %row.bytes, %p2",
        "  %final = sub i64 %p2, 1",
        f"  %block.bytes = mul i64 %k4, {block}",
        "  %all = icmp eq ptr %positions, null",
        "  br label %crop",
        "crop:",
        "  %i = phi i64 [%first, %entry], [%i.next, %crop.end]",
        "  br i1 %all, label %found, label %choose",
        "choose:",
        "  %pos.at = getelementptr i64, ptr %positions, i64 %i",
        "  %pos.given = load i64, ptr %pos.at",
        "  br label %found",
        "found:",
        "  %pos = phi i64 [%i, %crop], [%pos.given, %choose]",
        "  %base.off = mul i64 %pos, %crop.bytes",
        "  %base = getelementptr i8, ptr %cells, i64 %base.off",
        "  %scale.at = getelementptr float, ptr %scales, i64 %pos",
        "  %scale = load float, ptr %scale.at",
        "  br label %query",
        "query:",
        "  %n = phi i64 [0, %found], [%n.next, %query.end]",
        "  %n.first = mul i64 %n, %blocks",
        "  br label %group",
        "group:",
        "  %g = phi i64 [0, %query], [%g.next, %group.end]",
        f"  %total = phi {FLOATS} [zeroinitializer, %query], [%total.{VECTORS}, %group.end]",
        "  %b = add i64 %n.first, %g",
        "  %q.off = mul i64 %b, %block.bytes",
        "  %q = getelementptr i8, ptr %queries, i64 %q.off",
        f"  %b.off = mul i64 %b, {block}",
        "  %sums.at = getelementptr i8, ptr %sums, i64 %b.off",
        "  %weights.at = getelementptr i8, ptr %weights, i64 %b.off",
    ]
    for v in vectors:
        lines += [
            f"  %start.at.{v} = getelementptr i8, ptr %sums.at, i64 {64 * v}",
            f"  %start.{v} = load {INTEGERS}, ptr %start.at.{v}, align 64",
        ]
    lines += ["  br label %cell", "cell:", "  %j = phi i64 [0, %group], [%j.next, %cell.end]"]
    lines += [
        f"  %best.{v}.0 = phi {INTEGERS} [splat (i32 -2147483648), %group], [%best.{v}.{CELLS}, %cell.end]"
        for v in vectors
    ]
    for r in cells:
        # The last cell is taken again where there are no more: a maximum does not mind.
        lines += [
            f"  %j.{r} = add i64 %j, {r}",
            f"  %cell.{r} = call i64 @llvm.smin.i64(i64 %j.{r}, i64 %final)",
            f"  %row.off.{r} = mul i64 %cell.{r}, %row.bytes",
            f"  %row.{r} = getelementptr i8, ptr %base, i64 %row.off.{r}",
        ]
    lines += ["  br label %bytes", "bytes:", "  %k = phi i64 [0, %cell], [%k.next, %bytes]"]
    lines += [
        f"  %sum.{r}.{v} = phi {INTEGERS} [%start.{v}, %cell], [%next.{r}.{v}, %bytes]" for r in cells for v in vectors
    ]
    lines += [f"  %k.off = mul i64 %k, {block}", "  %q.k = getelementptr i8, ptr %q, i64 %k.off"]
    for v in vectors:
        lines += [
            f"  %q.at.{v} = getelementptr i8, ptr %q.k, i64 {64 * v}",
            f"  %q.{v} = load {operand}, ptr %q.at.{v}, align 64",
        ]
    for r in cells:
        lines += [
            f"  %four.at.{r} = getelementptr i32, ptr %row.{r}, i64 %k",
            f"  %four.{r} = load i32, ptr %four.at.{r}, align 4",
            f"  %one.{r} = insertelement {INTEGERS} poison, i32 %four.{r}, i32 0",
            f"  %each.{r} = shufflevector {INTEGERS} %one.{r}, {INTEGERS} poison, {INTEGERS} zeroinitializer",
            f"  %cast.{r} = bitcast {INTEGERS} %each.{r} to {operand}",
        ]
        lines += [
            f"  %next.{r}.{v} = call {INTEGERS} {DOT}({INTEGERS} %sum.{r}.{v}, {operand} %cast.{r}, {operand} %q.{v})"
            for v in vectors
        ]
    lines += [
        "  %k.next = add i64 %k, 1",
        "  %k.done = icmp eq i64 %k.next, %k4",
        "  br i1 %k.done, label %cell.end, label %bytes",
        "cell.end:",
    ]
    lines += [
        f"  %best.{v}.{r + 1} = call {INTEGERS} @llvm.smax.v{LANES}i32("
        f"{INTEGERS} %best.{v}.{r}, {INTEGERS} %next.{r}.{v})"
        for v in vectors
        for r in cells
    ]
    lines += [
        f"  %j.next = add i64 %j, {CELLS}",
        "  %j.done = icmp sge i64 %j.next, %p2",
        "  br i1 %j.done, label %group.end, label %cell",
        "group.end:",
        f"  %total.0 = fadd {FLOATS} %total, zeroinitializer",
    ]
    for v in vectors:
        lines += [
            f"  %float.{v} = sitofp {INTEGERS} %best.{v}.{CELLS} to {FLOATS}",
            f"  %weight.at.{v} = getelementptr i8, ptr %weights.at, i64 {64 * v}",
            f"  %weight.{v} = load {FLOATS}, ptr %weight.at.{v}, align 64",
            f"  %part.{v} = fmul {FLOATS} %float.{v}, %weight.{v}",
            f"  %total.{v + 1} = fadd {FLOATS} %total.{v}, %part.{v}",
        ]
    lines += [
        "  %g.next = add i64 %g, 1",
        "  %g.done = icmp eq i64 %g.next, %blocks",
        "  br i1 %g.done, label %query.end, label %group",
        "query.end:",
        f"  %raw = call reassoc float @llvm.vector.reduce.fadd.v{LANES}f32(float -0.0, {FLOATS} %total.{VECTORS})",
        "  %value = fmul float %raw, %scale",
        "  %n.off = mul i64 %n, %stride",
        "  %o = add i64 %n.off, %i",
        "  %out.at = getelementptr float, ptr %out, i64 %o",
        "  store float %value, ptr %out.at",
        "  %n.next = add i64 %n, 1",
        "  %n.done = icmp eq i64 %n.next, %crops",
        "  br i1 %n.done, label %crop.end, label %query",
        "crop.end:",
        "  %i.next = add i64 %i, 1",
        "  %i.done = icmp sge i64 %i.next, %last",
        "  br i1 %i.done, label %done, label %crop",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _scan(operand: str) -> str:
    """Rows, a few at a time, and bytes."""
    rows = range(ROWS)
    lines = [
        "define void @scan(ptr %rows, ptr %positions, i64 %first, i64 %last, i64 %chunks, ptr %query, i32 %offset,"
        " ptr %scales, ptr %out) {",
        "entry:",
        "  %row.bytes = shl i64 %chunks, 6",
        "  %final = sub i64 %last, 1",
        "  %all = icmp eq ptr %positions, null",
        "  br label %row",
        "row:",
        "  %i = phi i64 [%first, %entry], [%i.next, %row.end]",
    ]
    # The last row is done again where there are no more: it is given the same value.
    for u in rows:
        lines += [f"  %i.{u}.raw = add i64 %i, {u}", f"  %i.{u} = call i64 @llvm.smin.i64(i64 %i.{u}.raw, i64 %final)"]
    lines += ["  br i1 %all, label %found, label %choose", "choose:"]
    for u in rows:
        lines += [
            f"  %pos.at.{u} = getelementptr i64, ptr %positions, i64 %i.{u}",
            f"  %pos.given.{u} = load i64, ptr %pos.at.{u}",
        ]
    lines += ["  br label %found", "found:"]
    lines += [f"  %pos.{u} = phi i64 [%i.{u}, %row], [%pos.given.{u}, %choose]" for u in rows]
    for u in rows:
        lines += [
            f"  %row.off.{u} = mul i64 %pos.{u}, %row.bytes",
            f"  %row.{u} = getelementptr i8, ptr %rows, i64 %row.off.{u}",
        ]
    lines += ["  br label %bytes", "bytes:", "  %k = phi i64 [0, %found], [%k.next, %bytes]"]
    lines += [f"  %sum.{u} = phi {INTEGERS} [zeroinitializer, %found], [%next.{u}, %bytes]" for u in rows]
    lines += [
        "  %k.off = shl i64 %k, 6",
        "  %q.at = getelementptr i8, ptr %query, i64 %k.off",
        f"  %q = load {operand}, ptr %q.at, align 64",
    ]
    for u in rows:
        lines += [
            f"  %g.at.{u} = getelementptr i8, ptr %row.{u}, i64 %k.off",
            f"  %g.{u} = load {operand}, ptr %g.at.{u}, align 1",
            f"  %next.{u} = call {INTEGERS} {DOT}({INTEGERS} %sum.{u}, {operand} %g.{u}, {operand} %q)",
        ]
    lines += [
        "  %k.next = add i64 %k, 1",
        "  %k.done = icmp eq i64 %k.next, %chunks",
        "  br i1 %k.done, label %row.end, label %bytes",
        "row.end:",
    ]
    for u in rows:
        lines += [
            f"  %whole.{u} = call i32 @llvm.vector.reduce.add.v{LANES}i32({INTEGERS} %next.{u})",
            f"  %exact.{u} = sub i32 %whole.{u}, %offset",
            f"  %float.{u} = sitofp i32 %exact.{u} to float",
            f"  %scale.at.{u} = getelementptr float, ptr %scales, i64 %pos.{u}",
            f"  %scale.{u} = load float, ptr %scale.at.{u}",
            f"  %value.{u} = fmul float %float.{u}, %scale.{u}",
            f"  %out.at.{u} = getelementptr float, ptr %out, i64 %i.{u}",
            f"  store float %value.{u}, ptr %out.at.{u}",
        ]
    lines += [
        f"  %i.next = add i64 %i, {ROWS}",
        "  %i.done = icmp sge i64 %i.next, %last",
        "  br i1 %i.done, label %done, label %row",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)
