"""Eight-bit versions of exported networks, by post-training quantisation on real crops."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from reid_model.export.convert import require
from reid_model.export.graph import INPUT

if TYPE_CHECKING:
    import onnx
    import openvino

ImageArray = npt.NDArray[np.uint8]

CROPS = 300
"""Crops that set the ranges of activations; more change nothing that can be measured."""

BACKBONE = "/backbone"
GATE = "/gate/"
ELEMENTWISE = ("Add", "Mul", "Sigmoid", "GlobalAveragePool")


def in_float(names: Sequence[str]) -> list[str]:
    """Operations that stay in floating point, of a model whose operations have these names in the order they run.

    Outside the backbone: preprocessing, heads, sums, divisions and normalisation, a hundredth of the arithmetic, but
    saliency decides what counts in every match. Inside: the first convolution, whose few channels see the whole range
    of light (left in int8, bright crops fall to a cosine of 0.94), the gates, and sums and products of maps, whose
    conversions cost more than they save.
    """
    backbone = [name for name in names if name.startswith(BACKBONE)]
    stem = next((name for name in backbone if "/Conv" in name), BACKBONE).partition("/Conv")[0]
    return sorted(
        {
            name
            for name in names
            if not name.startswith(BACKBONE)
            or name.startswith(f"{stem}/")
            or GATE in name
            or name.rpartition("/")[2].startswith(ELEMENTWISE)
        }
    )


def _quantise(model: Any, names: Sequence[str], crops: ImageArray) -> Any:
    # nncf looks for a CUDA compiler when it is imported, and torch warns where there is none.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import nncf  # type: ignore[import-untyped]

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(sys.stderr):  # its progress bars are no result
        return nncf.quantize(
            model,
            nncf.Dataset(list(crops[:, None]), lambda crop: {INPUT: crop}),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=min(CROPS, len(crops)),
            ignored_scope=nncf.IgnoredScope(names=in_float(names), validate=False),
        )


def quantise_openvino(model: openvino.Model, crops: ImageArray) -> openvino.Model:
    """The backbone in int8, the rest as it was.

    Args:
        model: From `to_onnx(…, fold=True)`.
        crops: RGB crops `(n, H, W, 3)` of the network's size, like those it will see.

    Raises:
        ExportError: If openvino or nncf is not installed.
    """
    require("openvino", "nncf")
    return _quantise(model, [operation.get_friendly_name() for operation in model.get_ordered_ops()], crops)


def quantise_onnx(model: onnx.ModelProto, crops: ImageArray) -> onnx.ModelProto:
    """As `quantise_openvino`, for ONNX.

    Raises:
        ExportError: If onnx, onnxruntime or nncf is not installed.
    """
    require("onnx", "onnxruntime", "nncf")
    quantised: onnx.ModelProto = _quantise(model, [node.name for node in model.graph.node], crops)
    return quantised
