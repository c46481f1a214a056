"""Live cameras as newest frames: a decoding process each, watched, connected anew, never waited for.

What is named here is imported when it is asked for: the decoding process imports this package too, and stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.capture.capture import Capture
    from app.capture.states import CameraNotice, CameraState

__all__ = ["CameraNotice", "CameraState", "Capture"]

_HOMES = {"Capture": "capture", "CameraNotice": "states", "CameraState": "states"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
