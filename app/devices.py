"""Processors and GPUs by name."""

from __future__ import annotations

import os

import torch

from app.errors import InputError


def choose_device(name: str, setting: str) -> str:
    """The device that a setting names: `cpu` or `cuda:N`; `auto` is the first GPU where there is one.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:N`.
        setting: Path of the setting, for the message.

    Raises:
        InputError: If there is no such GPU.
    """
    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    number = int(name.partition(":")[2] or 0)
    if name != "cpu" and number >= torch.cuda.device_count():
        raise InputError(f"{setting} is {name}, but there is no such GPU here; use auto or cpu")
    return "cuda:0" if name == "cuda" else name


def processors() -> int:
    """How many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
