"""Networks exported for other machines, and how close they are to the original."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from app import __version__
from app.errors import InputError
from app.files import check_target, prepare_folder, write_json
from app.shared_data import shared_data
from reid_model.checkpoint import CALIBRATION_KEY, HASH_MARK, find_weights, load_weights
from reid_model.datasets import read_dataset
from reid_model.embedder import Embedder, stack_crops
from reid_model.export import SIDECAR, Sidecar, write_export
from reid_model.export.convert import require
from reid_model.export.folder import NETWORK_FILES
from reid_model.export.parity import Parity, compare
from reid_model.export.quantise import CROPS

ImageArray = npt.NDArray[np.uint8]

COMPARED = 48
"""Crops on which the exported network is compared with the original."""

LEAST_COSINE = {"fp16": 0.999, "int8": 0.99}
"""Mean cosine below which a user is warned."""

PACKAGES = {"onnx": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
OWN_FILES = {SIDECAR, *(name for names in NETWORK_FILES.values() for name in names)}


def export(
    format_: str, output: Path, weights: Path | None, *, int8: bool, data: str | None, json_file: Path | None
) -> None:
    """Writes a network as ONNX or OpenVINO and prints its files and its parity with the original.

    Args:
        format_: `onnx` or `openvino`.
        output: A folder; an earlier export in it is replaced, and nothing else ever is.
        weights: GASM weights; the shipped ones when None.
        int8: Whether the backbone is quantised to 8 bits.
        data: `KIND:DIR`, whose training crops set the ranges of int8 and measure parity.
        json_file: Where to write the result, or None.

    Raises:
        InputError: If the output cannot be written or crops are missing.
        reid_model.checkpoint.WeightsError: If the weights cannot be used, or a package is not installed.
        reid_model.datasets.DatasetError: If the data cannot be used.
    """
    check_target(json_file)
    _check_output(output)
    require(*PACKAGES[format_], *(("nncf",) if int8 else ()))
    source = find_weights(weights)
    network, digest = load_weights(source)
    crops, compared, origin = _crops(data, int8=int8)
    kind = cast('Literal["onnx", "openvino"]', format_)
    partial = output.parent / f".{output.name}.part-{os.getpid()}"
    try:
        prepare_folder(partial)
        sidecar = write_export(
            network,
            partial,
            kind,
            weights_sha256=digest,
            calibration=_calibration(source),
            crops=stack_crops(crops, *network.config.size) if int8 else None,
            version=__version__,
        )
        original = Embedder(source, "cpu", engine="torch").embed(compared)
        parity = compare(original, Embedder(partial, "cpu").embed(compared))
        _replace(output, partial)
    except OSError as error:
        raise InputError(f"{output}: cannot be written ({error.strerror or error}); give another --output") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    _report(output, sidecar, parity, f"{len(compared)} {origin}", json_file)


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; give the path of a folder as --output")
    if not output.is_dir():
        return
    foreign = sorted({path.name for path in output.iterdir()} - OWN_FILES)
    if foreign:
        raise InputError(f"{output}: holds {foreign[0]}, which no export wrote; give a new or empty folder as --output")


def _replace(output: Path, partial: Path) -> None:
    """Puts the finished folder in its place; a failure leaves the earlier one."""
    earlier = output.parent / f".{output.name}.old-{os.getpid()}"
    if output.is_dir():
        output.rename(earlier)
    try:
        partial.rename(output)
    except OSError:
        if earlier.is_dir():
            earlier.rename(output)
        raise
    shutil.rmtree(earlier, ignore_errors=True)


def _calibration(weights: Path) -> str | None:
    """The calibration in a weight file's header, word for word."""
    name, mark, _ = str(weights).rpartition(HASH_MARK)
    with safe_open(name if mark else weights, framework="pt") as file:
        return (file.metadata() or {}).get(CALIBRATION_KEY)


def _crops(data: str | None, *, int8: bool) -> tuple[list[ImageArray], list[ImageArray], str]:
    """BGR crops to set ranges by, others to measure parity on, and what they are."""
    if data is None:
        folder = shared_data("data/market1501")
        if folder is None and int8:
            raise InputError("--int8 needs real crops to set its ranges by; name some, as in --data market1501:DIR")
        if folder is None:
            return [], _painted_crops(COMPARED), "painted crops"
        data = f"market1501:{folder}"
    images = read_dataset(data, "train")
    if int8 and len(images) < 2:
        raise InputError(f"{data}: --int8 needs more crops than {len(images)}; name a larger dataset")
    rows = np.unique(np.linspace(0, len(images) - 1, CROPS + COMPARED).astype(int))
    apart = np.zeros(len(rows), bool)
    apart[:: max(2, len(rows) // COMPARED)] = True
    measured = [crop.copy() for crop in images.subset(rows[apart][:COMPARED]).crops()]
    return list(images.subset(rows[~apart][:CROPS]).crops()) if int8 else [], measured, f"crops of {data}"


def _painted_crops(count: int) -> list[ImageArray]:
    """Crops with the edges and colours of clothes, for machines without a dataset."""
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 8, 4, 3)).astype(np.uint8)
    return [cv2.resize(crop, (64, 128), interpolation=cv2.INTER_CUBIC) for crop in coarse]


def _report(output: Path, sidecar: Sidecar, parity: Parity, crops: str, json_file: Path | None) -> None:
    sizes = {path.name: path.stat().st_size for path in sorted(output.iterdir())}
    print(f"written to {output}, compared with the original on {crops}")
    for name, size in sizes.items():
        print(f"  {name}  {size / 1e6:.2f} MB")
    print(
        f"cosine with the original: pooled {parity.global_mean:.5f}, least {parity.global_min:.5f}; "
        f"cells {parity.local_mean:.5f}, worst crop {parity.local_min:.5f}\n"
        f"largest difference: saliency {parity.saliency:.5f} of the uniform weight, mass {parity.mass:.5f}"
    )
    least = LEAST_COSINE[sidecar.precision]
    if min(parity.global_mean, parity.local_mean) < least:
        print(
            f"warning: features differ from the original's (cosine below {least}): "
            f"see what it costs with evaluate reid --weights {output}",
            file=sys.stderr,
        )
    if json_file is not None:
        result = {"name": f"{sidecar.format} {sidecar.precision}", **parity.as_dict(), "bytes": sum(sizes.values())}
        write_json(json_file, {"command": "export", "version": __version__, "results": [result]})
