"""The GPU's kernel: run by Triton's interpreter against the plain form, and compiled for two generations of GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from reid_model.matching import fused

triton = pytest.importorskip("triton")
ROOT = Path(__file__).parents[2]


def test_it_equals_the_plain_form_and_the_processors() -> None:
    # Triton chooses between compiling and interpreting when it is first imported: a process of its own.
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-m", "tests.reid_model.interpreted"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["bf16", "int8"] * 3


@pytest.mark.parametrize("kind", ["*bf16", "*i8"])
@pytest.mark.parametrize("generation", [80, 90])
def test_it_compiles_to_matrix_instructions_of_its_type(kind: str, generation: int) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from reid_model.matching.fused_kernel import maxsim

    types = dict.fromkeys(("weights", "scale", "out"), "*fp32") | dict.fromkeys(("p", "p2", "d", "count"), "i32")
    constants = {
        "choosing": True,
        "scaled": kind == "*i8",
        "wide": False,
        "tile_m": fused.tile(48, 1 / 3),
        "tile_n": fused.tile(48),
        "tile_k": 128,
    }
    types |= {"query": kind, "cells": kind, "positions": "*i64"} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(maxsim, {name: types[name] for name in maxsim.arg_names}, constants)
    try:
        built = triton.compile(source, target=GPUTarget("cuda", generation, 32))
    except (FileNotFoundError, RuntimeError) as error:
        pytest.fail(f"the kernel does not compile: {error}")
    instruction = "s32.s8.s8" if kind == "*i8" else "f32.bf16.bf16"
    assert any("mma" in line and instruction in line for line in built.asm["ptx"].splitlines())


def test_wrong_types_are_refused_and_no_gpu_is_no_kernel() -> None:
    local = torch.zeros(1, 4, 8)
    with pytest.raises(ValueError, match=r"query: expected torch\.bfloat16"):
        fused.similarities(local, local[:, :, 0], local.bfloat16())
    with pytest.raises(ValueError, match="cells of one model"):
        fused.similarities(local.bfloat16(), local[:, :, 0], torch.zeros(1, 4, 9).bfloat16())
    assert not fused.available(torch.device("cpu"))


@pytest.mark.parametrize(("count", "waste", "expected"), [(48, 0.0, 16), (48, 1 / 3, 64), (192, 0.0, 64), (5, 0.0, 16)])
def test_tiles_waste_little(count: int, waste: float, expected: int) -> None:
    assert fused.tile(count, waste) == expected
