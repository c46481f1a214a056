"""What is wrong with a configuration beyond its form: addresses, secrets, files, and whether its cameras answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.addresses import resolve
from app.capture import CameraState, Capture
from app.config import Config
from app.errors import InputError
from app.secrets import put_in

CONNECT_SECONDS = 10.0
"""Longest wait for cameras to answer."""


def find_problems(config: Config) -> list[str]:
    """What keeps a valid configuration from being used as it is; a line each, with the setting's path.

    Args:
        config: The configuration.
    """
    problems: list[str] = []

    @contextmanager
    def about(path: str) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            problems.append(f"{path}: {error}")

    for number, camera in enumerate(config.cameras):
        with about(f"cameras.{number}.source"):
            resolve(camera.source)
    if config.events.mqtt is not None and config.events.mqtt.password is not None:
        with about("events.mqtt.password"):
            put_in(config.events.mqtt.password, "the broker's password")
    for number, hook in enumerate(config.events.webhooks):
        with about(f"events.webhooks.{number}.url"):
            put_in(hook.url, "a webhook's address")
        with about(f"events.webhooks.{number}.secret"):
            put_in(hook.secret or "", "a webhook's secret")
    files = {
        "console.certificate": config.console.certificate,
        "console.key": config.console.key,
        "console.floor_plan": config.console.floor_plan,
        "events.mqtt.authority": config.events.mqtt and config.events.mqtt.authority,
    }
    problems += [f"{path}: {file}: no such file" for path, file in files.items() if file and not Path(file).is_file()]
    names = {camera.name for camera in config.cameras}
    problems += [
        f"console.floor_places.{name}: no camera has this name; the cameras are {', '.join(sorted(names))}"
        for name in config.console.floor_places
        if names and name not in names
    ]
    return problems


def find_notes(config: Config) -> list[str]:
    """What may be meant but is not there now."""
    notes = []
    for number, camera in enumerate(config.cameras):
        try:
            address = resolve(camera.source)
        except InputError:
            continue
        if address.kind != "network" and not Path(address.text).exists():
            notes.append(f"cameras.{number}.source: {camera.source} is not there now")
    return notes


def connect(
    config: Config, seconds: float = CONNECT_SECONDS, wait: Callable[[float], None] = time.sleep
) -> list[CameraState]:
    """Connects to all cameras and says how each is doing once all are live or have said why not, at most so long after.

    Args:
        config: A configuration without problems.
        seconds: Longest wait.
        wait: Waits so many seconds.
    """
    capture = Capture(config.live)
    try:
        for camera in config.cameras:
            capture.add(camera)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            wait(0.1)
            # The rate is known when some frames have come.
            if all(state.reason or (state.state == "live" and state.fps_in > 0) for state in capture.states()):
                break
        return list(capture.states())
    finally:
        capture.close()


def said(state: CameraState) -> str:
    """How a camera is doing, in a line."""
    if state.state != "live":
        return f"camera {state.name}: {state.state}: {state.reason or 'it has not answered yet'}"
    rate = f", {state.fps_in:.0f} frames a second" if state.fps_in else ""
    return f"camera {state.name}: live: {state.codec}, {state.width}x{state.height}{rate}"
