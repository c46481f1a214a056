"""The state of an unfinished training run: one safetensors file, replaced whole, that training goes on from exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from reid_model.checkpoint import WeightsError

STEP, RECIPE = "step", "recipe"


def save_state(
    path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, step: int, recipe: str
) -> None:
    """Writes modules in full precision, the optimiser's moments and the number of steps done.

    Random numbers need no place here: each step's are drawn from the seed and the step's number.
    """
    tensors: dict[str, Tensor] = {}
    for name, module in modules.items():
        tensors |= {f"{name}.{key}": value for key, value in module.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{key}": torch.as_tensor(value) for key, value in moments.items()}
    partial = path.with_name(path.name + ".part")
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(contiguous, partial, metadata={STEP: str(step), RECIPE: recipe})
    partial.chmod(0o644)
    partial.replace(path)


def load_state(path: Path, modules: dict[str, nn.Module], optimiser: torch.optim.Optimizer, recipe: str) -> int:
    """Restores what `save_state` wrote, and returns the number of steps done.

    Raises:
        WeightsError: If there is no such checkpoint, it is damaged, or it belongs to another recipe.
    """
    if not path.is_file():
        raise WeightsError(f"{path}: no checkpoint to resume from; leave --resume out to start afresh")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: a damaged checkpoint ({error}); start afresh with --init") from None
    if RECIPE not in metadata:
        raise WeightsError(f"{path}: not a training checkpoint; name the output folder of an interrupted run")
    if metadata[RECIPE] != recipe:
        changed = _first_difference(json.loads(metadata[RECIPE]), json.loads(recipe))
        raise WeightsError(
            f"{path}: the checkpoint was trained by another recipe ({changed}); take that one again, or start from its"
            " weights with --init"
        )
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    state = optimiser.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
    return int(metadata[STEP])


def _first_difference(before: dict[str, Any], now: dict[str, Any], path: str = "") -> str:
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict) and old != new:
            return _first_difference(old, new, f"{path}{key}.")
        if old != new:
            return f"{path}{key} was {old}, is {new}"
    return "the same settings in another order"
