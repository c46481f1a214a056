"""The bundled detector's weights as the start of another run.

They are stored with every batch norm folded into its convolution. A network that is to be trained needs its batch norms
back: each gets the mean and spread that its convolution's outputs have on a few batches, and the scale and shift that
undo them, so that the network does what it did, whether it normalises by its batch or by what it remembers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from app.bundled import read_constants
from app.errors import InputError

LEAST_VARIANCE = 1e-4
"""Of a convolution's outputs; channels that hardly ever change would be blown up in training."""


def start_from(network: nn.Module, folder: Any, batches: Iterable[Tensor]) -> None:
    """Puts stored weights into an untrained network of the same architecture.

    Args:
        network: ultralytics' network, its batch norms not folded.
        folder: An OpenVINO folder whose constants bear the network's names.
        batches: Pictures, `(b, 3, h, w)` each, from which the outputs' mean and spread are taken.

    Raises:
        InputError: If the folder holds another network.
    """
    stored = read_constants(folder)
    state = network.state_dict()
    for name, value in state.items():
        if name in stored and stored[name].numel() == value.numel():
            state[name] = stored[name].reshape(value.shape)
        elif ".bn." not in name:
            raise InputError(f"{folder}: holds no {name} of this shape; start from weights of the same architecture")
    network.load_state_dict(state)
    normed = {name: part for name, part in network.named_modules() if hasattr(part, "bn") and hasattr(part, "conv")}
    for name, part in normed.items():
        _identity(part.bn, stored[f"{name}.conv.bias"])
    _normalise(network, {name: part.bn for name, part in normed.items()}, batches)


def _identity(norm: nn.BatchNorm2d, shift: Tensor) -> None:
    """A batch norm that, not training, adds `shift` and nothing else."""
    with torch.no_grad():
        norm.running_mean.zero_()  # type: ignore[union-attr]
        norm.running_var.fill_(1.0)  # type: ignore[union-attr]
        norm.weight.fill_((1 + norm.eps) ** 0.5)
        norm.bias.copy_(shift)


def _normalise(network: nn.Module, norms: dict[str, nn.BatchNorm2d], batches: Iterable[Tensor]) -> None:
    """Lets batch norms do what they do by normalising with what their inputs are really like."""
    sums = {name: torch.zeros(3, norm.num_features, dtype=torch.float64) for name, norm in norms.items()}

    def note(name: str) -> Any:
        def hook(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            values = given[0].double()
            count = torch.full((values.shape[1],), values.numel() / values.shape[1], dtype=torch.float64)
            sums[name] += torch.stack([count, values.sum(dim=(0, 2, 3)), values.square().sum(dim=(0, 2, 3))])

        return hook

    hooks = [norm.register_forward_pre_hook(note(name)) for name, norm in norms.items()]
    training = network.training
    network.eval()
    with torch.no_grad():
        for batch in batches:
            network(batch)
        for name, norm in norms.items():
            count, total, squares = sums[name]
            mean = total / count
            variance = (squares / count - mean**2).clamp(min=LEAST_VARIANCE)
            norm.weight.copy_((variance + norm.eps).sqrt())
            norm.bias.add_(mean)
            norm.running_mean.copy_(mean)  # type: ignore[union-attr]
            norm.running_var.copy_(variance)  # type: ignore[union-attr]
    for hook in hooks:
        hook.remove()
    network.train(training)
