"""Person boxes in frames to features, in batches."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import torch

from reid_model.calibration import Calibration
from reid_model.checkpoint import WeightsError, find_weights, load_calibration, load_weights
from reid_model.engines import (
    Engine,
    EngineName,
    OnnxEngine,
    OpenVinoEngine,
    Precision,
    TorchEngine,
    best_cpu_engine,
    network_engine,
)
from reid_model.export import Sidecar, is_export, read_export
from reid_model.export.graph import cell_grid
from reid_model.features import Features
from reid_model.network import Gasm, GasmConfig

ImageArray = npt.NDArray[np.uint8]
Shape = Literal["stretched", "own"]

SHAPE_STEP = 32
"""Heights of crops of their own shape are multiples of this many pixels: two cells of a map, few shapes to batch."""


def cut(image: ImageArray, box: npt.NDArray[np.floating] | Sequence[float]) -> ImageArray:
    """The part of an image inside a box, at least one pixel each way; a view, not a copy.

    Args:
        image: `(h, w, 3)`.
        box: Left, top, right, bottom in pixels; what lies outside the image is cut off.
    """
    height, width = image.shape[:2]
    left = min(max(int(box[0]), 0), width - 1)
    top = min(max(int(box[1]), 0), height - 1)
    right = min(max(int(np.ceil(box[2])), left + 1), width)
    bottom = min(max(int(np.ceil(box[3])), top + 1), height)
    return image[top:bottom, left:right]


def stack_crops(crops: Sequence[ImageArray], height: int, width: int) -> ImageArray:
    """BGR crops of any sizes as RGB of one size, `(n, height, width, 3)`: what a network is given."""
    stack = np.empty((len(crops), height, width, 3), np.uint8)
    for row, crop in enumerate(crops):
        # Averaging when shrinking keeps thin stripes from aliasing into another pattern.
        shrinking = crop.shape[0] > height or crop.shape[1] > width
        resized = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        cv2.cvtColor(resized, cv2.COLOR_BGR2RGB, stack[row])
    return stack


def own_height(crop: ImageArray, size: tuple[int, int]) -> int:
    """The height in pixels that keeps a crop's aspect when it is made as wide as the network's input.

    Rounded to a multiple of `SHAPE_STEP`, and kept between a quarter of the input's height and all of it: a wider
    crop (somebody lying, an arm) is stretched to a quarter, a narrower one squeezed to the whole.

    Args:
        crop: `(h, w, 3)`.
        size: The network's height and width.
    """
    height, width = size
    steps = round(crop.shape[0] / crop.shape[1] * width / SHAPE_STEP)
    least = max(1, -(-height // (4 * SHAPE_STEP)))
    return int(min(max(steps, least) * SHAPE_STEP, height))


def pad_cells(features: Features, cells: int) -> Features:
    """The same features with more cells, which count for nothing in any matching.

    A cell added has no weight and is a copy of one that is there, so that as a candidate it never wins. Sets of crops
    of other shapes can so be joined, stored and searched together.

    Args:
        features: n crops of P cells.
        cells: P or more.
    """
    extra = cells - features.cells
    if extra == 0:
        return features
    heaviest = features.saliency.argmax(axis=1)
    copies = features.local[np.arange(len(features)), heaviest][:, None].repeat(extra, axis=1)
    return Features(
        features.global_,
        np.concatenate([features.local, copies], axis=1),
        np.pad(features.saliency, ((0, 0), (0, extra))),
        features.mass,
    )


class Embedder:
    """GASM features of person crops.

    Whatever runs the network, the features are the same to within rounding; int8 is an approximation, and says so in
    `model_id`.

    Args:
        weights: A .safetensors file; an exported network (its folder, its .xml or its .onnx); `default` or `small`; or
            None for the shipped default.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; exported networks run on the CPU.
        batch: Most crops in one forward pass.
        threads: Processor threads, torch's in this process from now on included; None for half the cores. A detector
            is usually at work at the same time, and a thread that waits for a core holds up the others at every layer.
        engine: What runs weights on the CPU: `torch`, `openvino` or `onnxruntime`; None for the fastest installed.
        precision: `f32`, or `bf16`, which needs OpenVINO and a processor that has it.

    Attributes:
        config: The network's shape.
        model_id: Names the vectors: only those of one `model_id` may be compared. The same for weights and for any
            fp16 export of them, in any engine, and for bf16, whose vectors rank those of f32 as f32's own do; int8 adds
            the hash of its file, since each quantisation differs.
        calibration: What the network's distances mean; None where it is not known.
        network: The torch network; None for an exported one.
        engine: What runs it.

    Raises:
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
    """

    def __init__(
        self,
        weights: Path | None = None,
        device: str = "auto",
        batch: int = 32,
        threads: int | None = None,
        *,
        engine: EngineName | None = None,
        precision: Precision = "f32",
    ) -> None:
        self.batch = batch
        self._threads = threads or max(1, (os.cpu_count() or 1) // 2)
        self._own: Engine | None = None
        self.network: Gasm | None = None
        path = find_weights(weights)
        if is_export(path):
            self._load_export(path, device, precision)
        else:
            self._load_weights(path, device, engine, precision)
        if self.device.type == "cpu":
            torch.set_num_threads(self._threads)

    def _load_weights(self, path: Path, device: str, engine: EngineName | None, precision: Precision) -> None:
        self.network, digest = load_weights(path)
        self.calibration = load_calibration(path)
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(device)
        if self.device.type == "cpu":
            self.engine = network_engine(self.network, engine or best_cpu_engine(precision), self._threads, precision)
        else:
            self.engine = TorchEngine(self.network, self.device)
        height, width = self.network.config.size
        rows, columns = cell_grid(self.network, height, width)
        dimensions = (self.network.global_dim, rows * columns, self.network.local_dim)
        self._describe(self.network.config, dimensions, digest)

    def _load_export(self, path: Path, device: str, precision: Precision) -> None:
        if device not in ("auto", "cpu"):
            raise WeightsError(f"{path}: exported networks run on the CPU; use device cpu, or the .safetensors weights")
        self.device = torch.device("cpu")
        sidecar, file = read_export(path)
        try:
            if sidecar.format == "openvino":
                self.engine = OpenVinoEngine(file, self._threads, precision)
            else:
                self.engine = OnnxEngine(file, self._threads)
            self.calibration = None if sidecar.calibration is None else _calibration(sidecar.calibration)
        except (RuntimeError, ValueError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"{path}: cannot be run ({str(error).splitlines()[0]}); export it again") from None
        mark = _int8_mark(sidecar) if sidecar.precision == "int8" else ""
        self._describe(sidecar.network, sidecar.dimensions, sidecar.weights_sha256, mark)

    def _describe(self, config: GasmConfig, dimensions: tuple[int, int, int], digest: str, mark: str = "") -> None:
        self.config, self.dimensions = config, dimensions
        rows, columns = config.cells or ("own", "own")
        self.model_id = (
            f"{config.backbone} {config.size[0]}x{config.size[1]} cells {rows}x{columns} "
            f"dims {dimensions[0]}+{dimensions[2]} sha256 {digest[:16]}"
        )
        if mark:
            self.model_id += f" {mark}"

    def prepare(self, batch: int) -> None:
        """Makes ready for long use, in which memory stays as it is and no number of crops takes longer than another.

        Only OpenVINO needs it: see its engine.

        Args:
            batch: Most crops in one forward pass from now on, ≥ 1, where that is OpenVINO's; never more than before.
        """
        if not isinstance(self.engine, OpenVinoEngine):
            return
        self.batch = min(self.batch, batch)
        self.engine.prepare(self.batch)
        blank = np.zeros((*self.config.size, 3), np.uint8)
        for count in range(1, self.batch + 1):
            self.embed([blank] * count)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cells of a crop stretched to the network's own size."""
        height, width = self.config.size
        cells = self.dimensions[1]
        # Without a grid of its own a map keeps the shape of the crop.
        return self.config.cells or (round((cells * height / width) ** 0.5), round((cells * width / height) ** 0.5))

    def embed(self, crops: Sequence[ImageArray], shape: Shape = "stretched") -> Features:
        """Features of BGR crops of any sizes, `(h, w, 3)` uint8 each, in order.

        Args:
            crops: n pictures.
            shape: `stretched` resizes every crop to the network's input. `own` keeps its aspect (see `own_height`):
                half a body has half of the cells, at the top of the grid, where a whole body has its upper half. The
                cells left over count for nothing (see `pad_cells`), so both kinds may be compared and stored together.

        Raises:
            WeightsError: If an exported network, which has one shape, is asked for another.
        """
        if not len(crops):
            return self.empty()
        if shape == "own":
            return self._embed_own(crops)
        height, width = self.config.size
        return Features(*self.engine(stack_crops(crops, height, width), self.batch))

    def _embed_own(self, crops: Sequence[ImageArray]) -> Features:
        heights = np.array([own_height(crop, self.config.size) for crop in crops])
        parts, order = [], []
        for height in np.unique(heights):
            rows = np.flatnonzero(heights == height)
            stack = stack_crops([crops[row] for row in rows.tolist()], int(height), self.config.size[1])
            run = self.engine if height == self.config.size[0] else self._any_shape_engine()
            parts.append(pad_cells(Features(*run(stack, self.batch)), self.dimensions[1]))
            order.append(rows)
        return Features.concatenate(parts)[np.argsort(np.concatenate(order))]

    def _any_shape_engine(self) -> Engine:
        if self.engine.any_shape:
            return self.engine
        if self.network is None:
            raise WeightsError(
                "an exported network takes crops of one shape only; for crops of their own shape name the .safetensors "
                "weights"
            )
        if self._own is None:
            self._own = TorchEngine(self.network)
        return self._own

    def empty(self) -> Features:
        """Features of no crops, of this network's dimensions."""
        return Features.empty(*self.dimensions)


def _int8_mark(sidecar: Sidecar) -> str:
    """Each quantisation gives vectors of its own: the hash of its file tells them apart."""
    return f"int8 {''.join(digest[:8] for _, digest in sorted(sidecar.files.items())[:1])}"


def _calibration(text: str) -> Calibration:
    return Calibration.from_dict(json.loads(text))
