"""Weight files: safetensors only, with the network's shape in the header and a hash that names the model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from reid_model.network import Gasm, GasmConfig

DEFAULT_WEIGHTS = Path(__file__).parent / "weights" / "gasm_osnet_x0_25.safetensors"
CONFIG_KEY = "gasm"


class WeightsError(ValueError):
    """A weight file cannot be used; the message is one line that names the cause and the cure."""


def save_weights(network: Gasm, path: Path) -> None:
    """Writes fp16 weights, whole or not at all."""
    tensors = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    partial = path.with_name(path.name + ".part")
    save_file(tensors, partial, metadata={CONFIG_KEY: json.dumps(network.config.as_dict())})
    partial.chmod(0o644)  # safetensors keeps its files to their owner
    partial.replace(path)


def load_weights(path: Path) -> tuple[Gasm, str]:
    """A network in evaluation mode, and the SHA-256 of its file.

    Nothing is unpickled: a file that is not safetensors is refused.

    Raises:
        WeightsError: If the file is missing, is not GASM weights, or does not fit the network it describes.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no such weight file; name a .safetensors file of GASM weights, or 'default'")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file ({error}); name GASM weights, or 'default'") from None
    if CONFIG_KEY not in metadata:
        raise WeightsError(
            f"{path}: safetensors, but not GASM weights (no '{CONFIG_KEY}' in its header); name GASM weights"
        )
    try:
        config = json.loads(metadata[CONFIG_KEY])
        config["size"] = tuple(config["size"])
        config["cells"] = tuple(config["cells"]) if config["cells"] is not None else None
        network = Gasm(GasmConfig(**config))
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path}: these weights do not fit the network they describe ({reason}); train them again"
        ) from None
    if not all(torch.isfinite(v).all() for v in tensors.values() if v.is_floating_point()):
        raise WeightsError(f"{path}: the weights hold NaN or infinity; the file is damaged, or its training diverged")
    return network.eval(), hashlib.sha256(path.read_bytes()).hexdigest()
