"""A network as an ONNX model in memory, which every engine reads and every exported file is made from."""

from __future__ import annotations

import importlib.util
import io
import warnings
from typing import TYPE_CHECKING

import numpy as np
import torch

from reid_model.checkpoint import WeightsError
from reid_model.export.graph import INPUT, OUTPUTS, ExportedGasm
from reid_model.network import Gasm
from reid_model.telemetry import silence_telemetry

if TYPE_CHECKING:
    import onnx

OPSET = 17
SMALL = 32
"""Constants with fewer values than this are not worth storing in half precision."""


class ExportError(WeightsError):
    """A network cannot be exported; the message is one line that names the cause and the cure."""


def installed(*packages: str) -> bool:
    """Whether all of these packages can be imported, without importing them."""
    return all(importlib.util.find_spec(package) is not None for package in packages)


def require(*packages: str) -> None:
    """Checks for optional packages.

    Raises:
        ExportError: If one of them is not installed.
    """
    silence_telemetry()
    missing = [package for package in packages if not installed(package)]
    if missing:
        raise ExportError(f"{' and '.join(missing)} not installed; run: pip install 'crowdtrace[cpu]'")


def to_onnx(network: Gasm, *, fold: bool = False) -> onnx.ModelProto:
    """An ONNX model with a batch of any size.

    Args:
        network: In evaluation mode; it is not changed.
        fold: Whether batch norms are multiplied into the convolutions before them. Engines do so themselves when they
            load a model, but quantisation must see what will be run. Left alone, the weights keep the values of
            their file, which fit 16 bits without loss.

    Raises:
        ExportError: If the onnx package is not installed.
    """
    require("onnx")
    import onnx

    graph = ExportedGasm(network)
    height, width = network.config.size
    target = io.BytesIO()
    mode = torch.onnx.TrainingMode.EVAL if fold else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The newer exporter needs a package more and gives nothing here.
        torch.onnx.export(
            graph,
            (torch.zeros(1, height, width, 3, dtype=torch.uint8),),
            target,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            training=mode,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "n"} for name in (INPUT, *OUTPUTS)},
        )
    model = onnx.load_from_string(target.getvalue())
    _name_shapes(model, graph)
    return model


def _name_shapes(model: onnx.ModelProto, graph: ExportedGasm) -> None:
    """Writes the outputs' fixed sizes into the model, where tracing left names that mean nothing."""
    sizes = ((graph.global_dim,), (graph.cells, graph.local_dim), (graph.cells,), ())
    for output, fixed in zip(model.graph.output, sizes, strict=True):
        for dimension, size in zip(list(output.type.tensor_type.shape.dim)[1:], fixed, strict=True):
            dimension.dim_value = size


def halve(model: onnx.ModelProto) -> None:
    """Stores constants in 16 bits, in place, where not a bit of them is lost; arithmetic stays in 32."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        half = values.astype(np.float16)
        if np.array_equal(half.astype(np.float32), values):
            name = constant.name
            constant.CopyFrom(numpy_helper.from_array(half, f"{name}.half"))
            casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}/Cast", to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
