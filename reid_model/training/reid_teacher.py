"""A re-identification network as teacher: its features, and its last map as cells to learn from.

The map of a network with ReLU is sparse and its channels are correlated, so that all its cells look alike to a cosine.
Whitened by the principal components of training crops, cells of one person are far nearer to each other than to other
people's: on identities kept out, matching such cells alone ranks as well as many networks' pooled features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reid_model.checkpoint import WeightsError
from reid_model.datasets import DatasetError, ImageArray
from reid_model.training.teachers import read_network

if TYPE_CHECKING:
    import openvino

WHITENING_CROPS = 1500
"""Crops whose cells give the principal components: 192,000 cells for 128 of them."""


@dataclass(frozen=True, slots=True, eq=False)
class TeacherFeatures:
    """What a re-identification teacher makes of n uncovered crops.

    Attributes:
        features: Pooled features of unit length, `(n, D)` float32.
        cells: Whitened cells, `(n, d, h, w)` float16.
        names: Names of the crops, length n.
    """

    features: npt.NDArray[np.float32]
    cells: npt.NDArray[np.float16]
    names: list[str]

    def save(self, path: Path) -> None:
        """Writes one safetensors file, whole or not at all."""
        partial = path.with_name(path.name + ".part")
        names = "\n".join(self.names)
        save_file({"features": self.features, "cells": self.cells}, partial, metadata={"names": names})
        partial.chmod(0o644)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> TeacherFeatures:
        """Reads what `save` wrote.

        Raises:
            DatasetError: If the file is missing or is no file of features.
        """
        cure = "make it with: run.py teach --data KIND:DIR --features NETWORK.xml --output FILE"
        if not path.is_file():
            raise DatasetError(f"{path}: no such file; {cure}")
        try:
            with safe_open(path, framework="numpy") as file:
                names = (file.metadata() or {})["names"].split("\n")
                return cls(file.get_tensor("features"), file.get_tensor("cells"), names)
        except (SafetensorError, KeyError, OSError):
            raise DatasetError(f"{path}: not a file of teacher's features; {cure}") from None

    def of(self, names: list[str], path: Path) -> TeacherFeatures:
        """The features of crops by their names, in that order.

        Raises:
            DatasetError: If a crop has none.
        """
        if names == self.names:
            return self
        place = {name: row for row, name in enumerate(self.names)}
        missing = next((name for name in names if name not in place), None)
        if missing is not None:
            raise DatasetError(f"{path}: no features of {missing}: they were made of other data; make them again")
        rows = np.array([place[name] for name in names], np.intp)
        return TeacherFeatures(self.features[rows], self.cells[rows], names)


class ReidTeacher:
    """An OpenVINO re-identification network (BGR input, 0 to 255) with its last spatial map as a second output."""

    def __init__(self, weights: Path) -> None:
        core, model = read_network(weights)
        shape = model.input(0).get_partial_shape().get_min_shape()
        if len(model.inputs) != 1 or len(shape) != 4 or shape[1] != 3:
            raise WeightsError(f"{weights}: expected one input of 1×3×height×width, given {list(shape)}")
        self.size = int(shape[2]), int(shape[3])
        model.add_outputs(_last_map(model, weights))
        self.network = core.compile_model(model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})

    def __call__(
        self, images: ImageArray, report: Callable[[int], None] = lambda done: None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float16]]:
        """Features of unit length `(n, D)` and maps `(n, C, h, w)` of RGB crops `(n, h, w, 3)`."""
        import openvino

        channels, height, width = (int(side) for side in self.network.output(1).shape[1:])
        features = np.empty((len(images), int(np.prod(self.network.output(0).shape))), np.float32)
        maps = np.empty((len(images), channels, height, width), np.float16)
        done = 0

        def store(request: Any, row: int) -> None:
            nonlocal done
            features[row] = request.get_output_tensor(0).data.ravel()
            maps[row] = request.get_output_tensor(1).data[0]
            done += 1
            report(done)

        queue = openvino.AsyncInferQueue(self.network)
        queue.set_callback(store)
        for row, image in enumerate(images):
            bgr = cv2.cvtColor(cv2.resize(image, self.size[::-1]), cv2.COLOR_RGB2BGR)
            queue.start_async({0: bgr.transpose(2, 0, 1)[None].astype(np.float32)}, row)
        queue.wait_all()
        return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True), np.float32), maps


def _last_map(model: openvino.Model, weights: Path) -> openvino.Output:
    """The last rectified map with more than one place: what the network pools."""
    for operation in reversed(model.get_ordered_ops()):
        if operation.get_type_name() == "Relu" and operation.output(0).get_partial_shape().rank.get_length() == 4:
            shape = operation.output(0).get_partial_shape().get_min_shape()
            if shape[2] > 1 and shape[3] > 1:
                return operation.output(0)
    raise WeightsError(f"{weights}: no spatial map in this network to learn cells from; name another teacher")


def whitened(maps: npt.NDArray[np.float16], dims: int, fitted_on: npt.NDArray[np.intp]) -> npt.NDArray[np.float16]:
    """Maps `(n, C, h, w)` on their first principal components, each scaled to variance 1: `(n, dims, h, w)`.

    Args:
        maps: All crops' maps.
        dims: Components kept.
        fitted_on: Rows of the crops whose cells give mean and components.
    """
    sample = maps[fitted_on].astype(np.float32).transpose(0, 2, 3, 1).reshape(-1, maps.shape[1])
    mean = sample.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(sample - mean, rowvar=False))
    matrix = (vectors[:, -dims:] / np.sqrt(np.maximum(values[-dims:], 1e-8))).astype(np.float32)
    result = np.empty((len(maps), dims, *maps.shape[2:]), np.float16)
    for start in range(0, len(maps), 512):
        block = maps[start : start + 512].astype(np.float32) - mean[:, None, None]
        result[start : start + 512] = np.einsum("nchw,cd->ndhw", block, matrix, optimize=True)
    return result


def teach_features(
    teacher: ReidTeacher,
    images: ImageArray,
    names: list[str],
    usable: npt.NDArray[np.bool_],
    dims: int,
    seed: int = 0,
    report: Callable[[int], None] = lambda done: None,
) -> TeacherFeatures:
    """Features and whitened cells of crops; the components come from `usable` crops alone (those not kept out)."""
    features, maps = teacher(images, report)
    rows = np.flatnonzero(usable)
    chosen = np.random.default_rng(seed).choice(rows, min(WHITENING_CROPS, len(rows)), replace=False)
    return TeacherFeatures(features, whitened(maps, min(dims, maps.shape[1]), np.sort(chosen)), names)
