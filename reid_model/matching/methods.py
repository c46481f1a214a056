"""The names of the matching methods and what they have in common."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from reid_model.features import FloatArray

Method = Literal["global", "local", "gasm", "gated", "symmetric", "dsr"]
METHODS: tuple[Method, ...] = get_args(Method)

Precision = Literal["fp32", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

GATE = 0.5
"""A gallery cell below this share of the uniform weight counts as background or occluder in `gated` matching."""

RIDGE = 1e-3
"""Regularisation λ of `dsr`: small against the unit cells it is added to. Fixed, never tuned on test data."""


def fastest_precision() -> Precision:
    """bf16 where the processor itself multiplies bfloat16, else fp32: imitated, bf16 is the slower of the two."""
    return "bf16" if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported() else "fp32"


def salient_cells(saliency: FloatArray) -> npt.NDArray[np.bool_]:
    """Which cells gated matching keeps, shape `(n, P)`.

    The heaviest cell of a crop always stays, because its weight is never below uniform.
    """
    return np.asarray(saliency * saliency.shape[1] >= GATE, np.bool_)
