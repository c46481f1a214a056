"""What a training run starts from: GASM weights, or a backbone's ImageNet weights."""

from __future__ import annotations

from pathlib import Path

from reid_model.backbones.pretrained import load_backbone
from reid_model.checkpoint import WeightsError, load_weights
from reid_model.network import Gasm


def start_from(network: Gasm, init: Path | None, backbone: Path | None) -> None:
    """Fills a network before its first step.

    Args:
        network: Any network; input size, cells and fusion may differ from those of `init`, since they have no weights.
        init: GASM weights, or None.
        backbone: ImageNet weights of the backbone, or None; not read where `init` is given.

    Raises:
        WeightsError: If a file cannot be used, or its network has another shape.
    """
    if init is None:
        if backbone is not None:
            try:
                load_backbone(network.backbone, network.config.backbone, backbone)
            except ValueError as error:
                raise WeightsError(str(error)) from None
        return
    source = load_weights(init)[0]
    for name in ("backbone", "local_dim", "neck", "last_stride"):
        theirs, ours = getattr(source.config, name), getattr(network.config, name)
        if theirs != ours:
            raise WeightsError(f"{init}: weights with {name} {theirs}, but the recipe's network has {ours}; change one")
    network.load_state_dict(source.state_dict())
