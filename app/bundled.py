"""The person detector that comes with crowdtrace: where it lies, that it is unchanged, and how torch reads it.

It is an OpenVINO folder as ultralytics writes them, in half precision, with the network's own names for its weights:
OpenVINO runs it as it is, and torch reads the same file into ultralytics' network, on a GPU, or where OpenVINO is
missing. Nothing is unpickled, and no file is used whose hash is not in the manifest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from app.errors import InputError
from app.ultralytics_guard import load_ultralytics, quietly

FOLDER = Path(__file__).parent / "weights" / "person_openvino_model"
MANIFEST = "manifest.json"
"""Beside the folder: SHA-256 of its files, by name."""

NAME = "person"
HALVED = "_compressed"
"""What OpenVINO adds to the names of constants that it stores in half precision."""

CURE = "install crowdtrace again, or name other weights: --set detector.weights=PATH"


def check_folder(folder: Path = FOLDER) -> Path:
    """Sees that the weights are there and unchanged, and returns their folder.

    Raises:
        InputError: If a file is missing or is not the one the manifest names.
    """
    try:
        hashes: dict[str, str] = json.loads((folder.parent / MANIFEST).read_text(encoding="utf-8"))
        for name, expected in hashes.items():
            digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if digest != expected:
                raise InputError(
                    f"{folder / name}: its SHA-256 is {digest[:16]}…, {MANIFEST} says {expected[:16]}…: the bundled "
                    f"detector was changed or damaged; {CURE}"
                )
    except OSError as error:
        raise InputError(f"{folder}: the bundled detector cannot be read ({error.strerror}); {CURE}") from None
    except (ValueError, AttributeError):
        raise InputError(f"{folder.parent / MANIFEST}: not a list of hashes; {CURE}") from None
    return folder


def write_manifest(folder: Path) -> None:
    """Writes down the hashes of the files in a folder; to be run when the weights change."""
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
    (folder.parent / MANIFEST).write_text(json.dumps(hashes, indent=1) + "\n", encoding="utf-8")


def runs_in_torch(device: str) -> bool:
    """Whether torch runs the bundled weights: on a GPU, and where OpenVINO, 2.4 times as fast, is missing."""
    return device != "cpu" or importlib.util.find_spec("openvino") is None


def read_metadata(folder: Path) -> dict[str, Any]:
    """What ultralytics' metadata file says: `architecture`, `imgsz`, `names` and more."""
    return dict(yaml.safe_load((folder / "metadata.yaml").read_text(encoding="utf-8")))


def load_network(folder: Path) -> Any:
    """The weights in ultralytics' network, batch norms folded, in evaluation mode and full precision.

    Args:
        folder: One that `check_folder` has seen.

    Raises:
        InputError: If the installed ultralytics has another network under that name.
    """
    metadata = read_metadata(folder)
    with quietly():
        network = load_ultralytics().nn.tasks.DetectionModel(
            metadata["architecture"], nc=len(metadata["names"]), verbose=False
        )
        network = network.eval().fuse(verbose=False)
    network.names = {int(number): str(name) for number, name in metadata["names"].items()}
    stored = read_constants(folder)
    expected = network.state_dict()
    if any(name not in stored or stored[name].numel() != value.numel() for name, value in expected.items()):
        raise InputError(
            f"{folder}: the installed ultralytics has another network named {metadata['architecture']}; install the "
            "version crowdtrace asks for, or the openvino package"
        )
    network.load_state_dict({name: stored[name].reshape(value.shape) for name, value in expected.items()})
    return network


def read_constants(folder: Path) -> dict[str, Tensor]:
    """The floating point constants of an OpenVINO folder by name, in full precision."""
    stored = (folder / f"{NAME}.bin").read_bytes()
    found = {}
    for layer in ElementTree.parse(folder / f"{NAME}.xml").iter("layer"):
        data = layer.find("data") if layer.get("type") == "Const" else None
        kind = {"f16": np.float16, "f32": np.float32}.get(data.get("element_type", "")) if data is not None else None
        if data is None or kind is None:
            continue
        start, size = int(data.get("offset", 0)), int(data.get("size", 0))
        values = np.frombuffer(stored, kind, size // np.dtype(kind).itemsize, start)
        found[str(layer.get("name")).removesuffix(HALVED)] = torch.from_numpy(values.astype(np.float32))
    return found
