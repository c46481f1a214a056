"""ultralytics, imported and run without its side effects on the rest of the program.

Nothing leaves the machine: ultralytics' usage events and openvino's are off, and nothing is installed on the fly.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import cv2
import torch

from reid_model.telemetry import silence_telemetry


def one_line(error: BaseException) -> str:
    """An error's message on one line of at most 160 characters."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else text[:159] + "…"


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run with that many torch threads; afterwards there are as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Libraries' own messages and progress bars stay off standard output, and off standard error below errors."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@cache
def load_ultralytics() -> ModuleType:
    """Import ultralytics with telemetry, automatic installs and its side effects on the rest of the program off."""
    silence_telemetry()
    threads = cv2.getNumThreads()
    with (
        tempfile.TemporaryDirectory(prefix="crowdtrace-") as folder,
        _environment(
            # No network while importing: it would look up hosts to learn whether usage events can be sent.
            YOLO_OFFLINE="true",
            YOLO_AUTOINSTALL="false",
            YOLO_VERBOSE="false",
            # Settings are read from and written to a folder of this process, not the user's.
            YOLO_CONFIG_DIR=folder,
            ULTRALYTICS_SAFE_LOAD="true",
            OMP_NUM_THREADS=os.environ.get("OMP_NUM_THREADS", str(torch.get_num_threads())),
        ),
        quietly(),
    ):
        import ultralytics
        import ultralytics.models.yolo.detect
        from ultralytics.utils import SETTINGS, events

        # In memory only, for when another part of the program has imported ultralytics before.
        dict.__setitem__(SETTINGS, "sync", False)
        events.events.enabled = False
    cv2.setNumThreads(threads)
    for handler in logging.getLogger("ultralytics").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
    return ultralytics


def unpickles_safely() -> bool:
    """Whether ultralytics reads .pt files with its restricted loader, which rebuilds only what detectors are made of.

    Older versions have none, and another part of the program may have imported it without.
    """
    tasks = load_ultralytics().nn.tasks
    restricted = getattr(tasks, "_SafeLoad", None)
    return bool(getattr(tasks, "SAFE_LOAD", False) and getattr(restricted, "SUPPORTED", False))


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
