"""ImageNet weights of backbones under the names that torchvision and torchreid gave them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from reid_model.backbones import BackboneName

RESNET_STAGES = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4")
OSNET_STAGES = {
    "0": "conv1",
    "2": "conv2.0",
    "3": "conv2.1",
    "4": "conv2.2.0",
    "6": "conv3.0",
    "7": "conv3.1",
    "8": "conv3.2.0",
    "10": "conv4.0",
    "11": "conv4.1",
    "12": "conv5",
}
OSNET_PARTS = {"reduce": "conv1", "restore": "conv3", "shortcut": "downsample"}
LIGHT_CONV = {"0": "conv1", "1": "conv2", "2": "bn"}
GATE = {"1": "fc1", "3": "fc2"}


def torchreid_name(name: str) -> str:
    """The name in torchreid of a tensor of our OSNet."""
    stage, rest = name.split(".", 1)
    prefix = OSNET_STAGES[stage]
    if match := re.fullmatch(r"streams\.(\d)\.(\d)\.(\d)\.(.+)", rest):
        stream, layer, part, leaf = match.groups()
        place = "conv2a" if stream == "0" else f"conv2{'abcd'[int(stream)]}.{layer}"
        return f"{prefix}.{place}.{LIGHT_CONV[part]}.{leaf}"
    if match := re.fullmatch(r"gate\.gate\.(\d)\.(.+)", rest):
        return f"{prefix}.gate.{GATE[match[1]]}.{match[2]}"
    if match := re.fullmatch(r"(?:(\w+)\.)?([01])\.(.+)", rest):
        part = f".{OSNET_PARTS[match[1]]}" if match[1] else ""
        return f"{prefix}{part}.{'conv' if match[2] == '0' else 'bn'}.{match[3]}"
    raise KeyError(name)


def torchvision_name(name: str) -> str:
    """The name in torchvision of a tensor of our ResNet-50."""
    _, stage, rest = name.split(".", 2)
    return f"{RESNET_STAGES[int(stage)]}.{rest}"


def load_backbone(backbone: nn.Module, name: BackboneName, path: Path) -> None:
    """Fills a backbone with weights from a .safetensors file.

    OSNet's last 1×1 convolution is left as it is where its width differs from the original's.

    Raises:
        ValueError: If the file is missing, is not safetensors, or holds another network; one line.
    """
    cure = f"name {name} weights as .safetensors"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {cure}")
    try:
        given = load_file(path)
    except (SafetensorError, OSError):
        raise ValueError(
            f"{path}: not a safetensors file; {cure} (a .pth is a pickle, which is never read here: docs/reid.md)"
        ) from None
    renamed = _renamed(backbone.state_dict(), given, torchvision_name if name == "resnet50" else torchreid_name)
    if renamed is None:
        raise ValueError(f"{path}: weights of another network than {name}; {cure}")
    backbone.load_state_dict(renamed, strict=False)


def _renamed(
    ours: dict[str, Tensor], given: dict[str, Tensor], name_of: Callable[[str], str]
) -> dict[str, Tensor] | None:
    """The given tensors under our names; None where one is missing or of another shape."""
    last_layer = "12."  # of OSNet: ours is as wide at any width
    result = {}
    for name, tensor in ours.items():
        other = given.get(name_of(name))
        if other is not None and other.shape == tensor.shape:
            result[name] = other.float()
        elif not name.startswith(last_layer) and not name.endswith("num_batches_tracked"):
            return None
    return result
