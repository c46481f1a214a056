"""Other re-identification networks, run beside ours and scored by the same code: they give global features only."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError  # torch reads a file of that ending with it
from torch import Tensor, nn

from reid_model.backbones.osnet import OsNet, conv_norm
from reid_model.backbones.pretrained import torchreid_name
from reid_model.checkpoint import WeightsError
from reid_model.export.convert import require
from reid_model.features import FloatArray
from reid_model.network import IMAGENET_MEAN, IMAGENET_STD
from reid_model.openvino_core import openvino_core

if TYPE_CHECKING:
    import openvino

ImageArray = npt.NDArray[np.uint8]

STEM = "conv1.conv.weight"
FULL_WIDTH = 64
"""Channels of the first layer of OSNet x1.0."""


class TorchreidOsNet(nn.Module):
    """OSNet as torchreid trains it, `(n, 3, H, W)` BGR from 0 to 255 to features `(n, 512)`."""

    size = (256, 128)
    mean: Tensor
    std: Tensor

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = int(512 * width)
        self.backbone = OsNet(width)
        self.backbone[12] = conv_norm(channels, channels)
        self.fc = nn.Sequential(nn.Linear(channels, OsNet.out_channels), nn.BatchNorm1d(OsNet.out_channels), nn.ReLU())
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Features before any normalisation of their length."""
        maps = self.backbone((images.flip(1) - self.mean) / self.std)
        features: Tensor = self.fc(maps.mean(dim=(2, 3)))
        return features


def read_torchreid(path: Path) -> TorchreidOsNet:
    """OSNet of any width from a torchreid state dict; nothing but tensors is unpickled.

    Raises:
        WeightsError: If the file is anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the line below says all there is to say
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError, SafetensorError):
        raise WeightsError(
            f"{path}: more than tensors, or damaged, and so not loaded; name a torchreid OSNet state dict (.pth)"
        ) from None
    try:
        network = TorchreidOsNet(len(state[STEM]) / FULL_WIDTH)
        named = {f"backbone.{name}": state[torchreid_name(name)] for name in network.backbone.state_dict()}
        network.load_state_dict(named | {name: value for name, value in state.items() if name.startswith("fc.")})
    except (KeyError, TypeError, AttributeError, RuntimeError, ValueError):
        raise WeightsError(
            f"{path}: not the tensors of a torchreid OSNet; name a state dict such as osnet_x0_25_market1501.pth"
        ) from None
    return network.eval()


class Peer:
    """Another network's features of person crops.

    Args:
        path: An OpenVINO re-ID network (`.xml` beside its `.bin`) that takes BGR from 0 to 255, or a torchreid OSNet
            state dict (`.pth`). Both run in OpenVINO.
        threads: Processor threads; None for all. The arithmetic is what OpenVINO takes by itself: bf16 on processors
            that have it, else fp32.

    Attributes:
        name: The file's name without its ending.

    Raises:
        WeightsError: If the file cannot be used, or openvino is not installed.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        self.name = path.stem
        threads = threads or os.cpu_count() or 1
        if not path.is_file():
            raise WeightsError(f"{path}: no such file; name an OpenVINO .xml or a torchreid .pth")
        if path.suffix not in (".xml", ".pth"):
            raise WeightsError(f"{path}: not a peer network; name an OpenVINO .xml or a torchreid .pth")
        require("openvino")
        self._network = _compile(path, threads)
        shape = self._network.input(0).partial_shape
        if len(shape) != 4 or shape.is_dynamic or list(shape.to_shape())[:2] != [1, 3]:
            raise WeightsError(f"{path}: takes {shape}, not one image (1, 3, height, width); name a re-ID network")
        self._size = shape[2].get_length(), shape[3].get_length()
        from openvino import AsyncInferQueue

        self._queue = AsyncInferQueue(self._network, 2 * threads)

    def embed(self, crops: Sequence[ImageArray]) -> FloatArray:
        """Features of BGR crops of any sizes, `(h, w, 3)` uint8 each, in order: rows of unit length, `(n, D)`."""
        rows: dict[int, FloatArray] = {}

        def keep(request: Any, number: int) -> None:
            rows[number] = np.array(request.get_output_tensor(0).data, np.float32).ravel()

        self._queue.set_callback(keep)
        height, width = self._size
        for number, crop in enumerate(crops):
            resized = cv2.resize(crop, (width, height), interpolation=cv2.INTER_LINEAR)
            self._queue.start_async({0: resized.transpose(2, 0, 1)[None].astype(np.float32)}, number)
        self._queue.wait_all()
        features = np.stack([rows[number] for number in range(len(crops))]) if rows else np.zeros((0, 1), np.float32)
        # A network whose last layer is a rectifier may give nothing at all for a crop.
        return np.asarray(features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12), np.float32)


def _compile(path: Path, threads: int) -> openvino.CompiledModel:
    import openvino

    try:
        if path.suffix == ".pth":
            network = read_torchreid(path)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the way in which openvino calls torch
                model = openvino.convert_model(network, example_input=torch.zeros(1, 3, *network.size))
            model.reshape([1, 3, *network.size])
        else:
            model = openvino_core().read_model(str(path))
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads, "ENABLE_CPU_PINNING": False}
        return openvino_core().compile_model(model, "CPU", settings)
    except RuntimeError:
        raise WeightsError(f"{path}: OpenVINO cannot read it; name the .xml of a network beside its .bin") from None
