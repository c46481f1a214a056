"""An exported network on disk: one folder, with a description beside what the engine reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from reid_model.checkpoint import WeightsError, file_digest
from reid_model.export.convert import halve, require, to_onnx
from reid_model.export.graph import cell_grid
from reid_model.export.quantise import ImageArray, quantise_onnx, quantise_openvino
from reid_model.network import Gasm, GasmConfig
from reid_model.openvino_core import openvino_core

Format = Literal["onnx", "openvino"]
ExportPrecision = Literal["fp16", "int8"]

SIDECAR = "gasm.json"
NETWORK_FILES: dict[Format, tuple[str, ...]] = {"onnx": ("gasm.onnx",), "openvino": ("gasm.xml", "gasm.bin")}
"""What each format writes; the engine is given the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What `gasm.json` says about the network beside it.

    Attributes:
        format: `onnx` or `openvino`.
        precision: `fp16` (weights; the arithmetic is the engine's) or `int8`.
        network: The network's shape.
        dimensions: D of the global vector, P cells, d of a cell.
        weights_sha256: Of the .safetensors file it was made from.
        calibration: The calibration in that file's header, word for word; None where there is none.
        version: The crowdtrace that wrote it.
        files: SHA-256 of each file by name.
    """

    format: Format
    precision: ExportPrecision
    network: GasmConfig
    dimensions: tuple[int, int, int]
    weights_sha256: str
    calibration: str | None
    version: str
    files: Mapping[str, str]

    def as_dict(self) -> dict[str, object]:
        """Plain values, as written."""
        return {
            "format": self.format,
            "precision": self.precision,
            "network": self.network.as_dict(),
            "dimensions": dict(zip(("global", "cells", "local"), self.dimensions, strict=True)),
            "weights_sha256": self.weights_sha256,
            "calibration": self.calibration,
            "version": self.version,
            "files": dict(self.files),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Sidecar:
        """The reverse of `as_dict`.

        Raises:
            KeyError, TypeError or ValueError: If it is no such description.
        """
        shape = dict(values["network"])
        cells = shape["cells"]
        height, width = shape["size"]
        network = GasmConfig(**{**shape, "size": (height, width), "cells": None if cells is None else tuple(cells)})
        dimensions = values["dimensions"]
        if values["format"] not in get_args(Format) or values["precision"] not in get_args(ExportPrecision):
            raise ValueError(f"unknown format {values['format']!r} or precision {values['precision']!r}")
        return cls(
            format=values["format"],
            precision=values["precision"],
            network=network,
            dimensions=(int(dimensions["global"]), int(dimensions["cells"]), int(dimensions["local"])),
            weights_sha256=str(values["weights_sha256"]),
            calibration=values["calibration"],
            version=str(values["version"]),
            files={str(name): str(digest) for name, digest in values["files"].items()},
        )


def is_export(path: Path) -> bool:
    """Whether a path names an exported network rather than a weight file: its folder, its .xml or its .onnx."""
    return path.is_dir() or path.suffix in (".xml", ".onnx")


def write_export(
    network: Gasm,
    folder: Path,
    format_: Format,
    *,
    weights_sha256: str,
    calibration: str | None = None,
    crops: ImageArray | None = None,
    version: str = "",
) -> Sidecar:
    """Writes a network into an existing folder.

    Args:
        network: In evaluation mode.
        folder: Files of the same names in it are replaced.
        format_: `onnx` or `openvino`.
        weights_sha256: Of the file that the network was loaded from.
        calibration: To be passed on.
        crops: RGB crops `(n, H, W, 3)` of the network's size that set the ranges of int8; None for fp16.
        version: Of crowdtrace.

    Raises:
        reid_model.export.convert.ExportError: If a package it needs is not installed.
    """
    height, width = network.config.size
    _write_network(network, folder, format_, crops)
    rows, columns = cell_grid(network, height, width)
    sidecar = Sidecar(
        format=format_,
        precision="fp16" if crops is None else "int8",
        network=network.config,
        dimensions=(network.global_dim, rows * columns, network.local_dim),
        weights_sha256=weights_sha256,
        calibration=calibration,
        version=version,
        files={name: file_digest(folder / name) for name in NETWORK_FILES[format_]},
    )
    (folder / SIDECAR).write_text(json.dumps(sidecar.as_dict(), indent=1) + "\n", encoding="utf-8")
    return sidecar


def _write_network(network: Gasm, folder: Path, format_: Format, crops: ImageArray | None) -> None:
    target = folder / NETWORK_FILES[format_][0]
    model = to_onnx(network, fold=crops is not None)
    if format_ == "onnx":
        if crops is not None:
            model = quantise_onnx(model, crops)
        else:
            halve(model)
        target.write_bytes(model.SerializeToString())
        return
    require("openvino")
    import openvino

    if crops is None:
        halve(model)
    graph = openvino_core().read_model(model.SerializeToString(), b"")
    if crops is not None:
        graph = quantise_openvino(graph, crops)
    # What fits 16 bits is in 16 bits already; OpenVINO would round the constants that do not.
    openvino.save_model(graph, str(target), compress_to_fp16=False)


def read_export(path: Path) -> tuple[Sidecar, Path]:
    """The description of an exported network, and the file to give to its engine.

    Args:
        path: Its folder, or the .xml or .onnx file in it.

    Raises:
        WeightsError: If there is none, or a file is damaged or of another export.
    """
    folder = path if path.is_dir() else path.parent
    described = folder / SIDECAR
    if not described.is_file():
        raise WeightsError(
            f"{path}: no {SIDECAR} there, so no exported network; name a folder written by export, or .safetensors"
        )
    try:
        sidecar = Sidecar.from_dict(json.loads(described.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{described}: not the description of an export ({error!r}); export it again") from None
    names = NETWORK_FILES[sidecar.format]
    if not path.is_dir() and path.name != names[0]:
        raise WeightsError(f"{path}: {SIDECAR} beside it describes {names[0]}; name that, or the folder")
    for name in names:
        if not (folder / name).is_file():
            raise WeightsError(f"{folder / name}: missing; export it again")
        if sidecar.files.get(name) != file_digest(folder / name):
            raise WeightsError(f"{folder / name}: not the file that {SIDECAR} describes; export it again")
    return sidecar, folder / names[0]
