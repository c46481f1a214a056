"""The cameras and their pictures."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, ValidationError
from starlette.websockets import WebSocketDisconnected

from app.console.access import Shared, Viewer, console_of, find_caller, is_from_here
from app.console.models import BoxesOut, BoxOut, CameraOut, Time
from app.console.state import Console
from app.console.wall import WIDTHS, Shown
from app.errors import InputError

router = APIRouter(prefix="/api", tags=["wall"])

CameraName = Annotated[str, Query(max_length=64)]
At = Annotated[Time | None, Query(description="Seconds since the epoch; the newest where left out.")]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}

REFUSED, CROWDED = 4401, 4429
"""Codes with which a connection is closed: log in first; too many watch already."""

CHECK_SECONDS = 10.0
"""Seconds after which it is looked up again whether somebody is still logged in."""

AT_ONCE = 64
"""Pictures that one browser may ask for before it has got one: a wall of cameras, one each."""


@router.get("/cameras")
def list_cameras(_caller: Viewer, console: Shared) -> list[CameraOut]:
    """All cameras, by name."""
    return [CameraOut(**asdict(camera)) for camera in console.wall.cameras()]


@router.get("/picture", response_class=Response, responses=JPEG)
def show_picture(
    _caller: Viewer,
    console: Shared,
    camera: CameraName,
    at: At = None,
    width: Annotated[int, Query(ge=1, le=WIDTHS[-1])] = 640,
) -> Response:
    """A picture of a camera."""
    return Response(_shown(console, camera, at, width).jpeg, media_type="image/jpeg")


@router.get("/boxes")
def show_boxes(_caller: Viewer, console: Shared, camera: CameraName, at: At = None) -> BoxesOut:
    """Who is in a picture of a camera."""
    shown = _shown(console, camera, at, WIDTHS[0])
    boxes = [BoxOut(**asdict(box)) for box in shown.boxes]
    return BoxesOut(**_facts(shown), boxes=boxes)


class Asked(BaseModel):
    """A page's wish for a picture: the next one, or the one of a time."""

    camera: str = Field(max_length=64)
    at: Time | None = None
    width: int = Field(default=640, ge=1, le=WIDTHS[-1])
    after: int = -1


@router.websocket("/wall")
async def watch(socket: WebSocket) -> None:
    """Pictures as a page asks for them, one for each question: so that it gets as many as it can show.

    A question is JSON, `Asked`. An answer is binary: four bytes, big-endian, with the length of what follows as JSON
    (`BoxesOut`, or `camera` and `none`), then the JPEG.
    """
    console = console_of(socket)
    if not is_from_here(socket) or not await asyncio.to_thread(_may_watch, socket):
        await socket.close(REFUSED)
        return
    watching: set[WebSocket] = socket.app.state.watching
    if len(watching) >= console.config.console.viewers:
        await socket.close(CROWDED)
        return
    await socket.accept()
    watching.add(socket)
    try:
        await _answer_all(socket, console)
    except (WebSocketDisconnect, WebSocketDisconnected):
        pass  # the page was closed, which reading sees first or sending does
    finally:
        watching.discard(socket)


async def _answer_all(socket: WebSocket, console: Console) -> None:
    """Answers questions, those about different cameras side by side, until the page is closed or logged out."""
    sending = asyncio.Lock()
    due: dict[str, float] = {}
    tasks: set[asyncio.Task[None]] = set()
    least = 1 / console.config.console.pictures_a_second
    checked = time.monotonic()
    try:
        while True:
            try:
                asked = Asked.model_validate_json(await socket.receive_text())
            except (ValidationError, KeyError):
                await socket.close(1003)
                return
            now = time.monotonic()
            if now - checked > CHECK_SECONDS:
                if not await asyncio.to_thread(_may_watch, socket):
                    await socket.close(REFUSED)
                    return
                checked = now
            start = max(now, due.get(asked.camera, 0.0))
            due[asked.camera] = start + least
            if len(tasks) >= AT_ONCE:
                await socket.close(1008)
                return
            task = asyncio.create_task(_answer(socket, console, asked, start - now, sending))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        for task in tasks:
            task.cancel()


async def _answer(socket: WebSocket, console: Console, asked: Asked, delay: float, sending: asyncio.Lock) -> None:
    if delay > 0:
        await asyncio.sleep(delay)
    try:
        shown = await asyncio.to_thread(console.wall.show, asked.camera, asked.at, asked.width, asked.after)
        note = "nothing was recorded at this time"
    except InputError as error:
        shown, note = None, str(error).replace(str(console.gallery.path), "the gallery")
    if shown is None:
        facts: dict[str, object] = {"camera": asked.camera, "none": note}
        jpeg = b""
    else:
        facts = {**_facts(shown), "boxes": [asdict(box) for box in shown.boxes]}
        jpeg = shown.jpeg
    head = json.dumps(facts).encode()
    async with sending:
        try:
            await socket.send_bytes(len(head).to_bytes(4, "big") + head + jpeg)
        except (WebSocketDisconnect, RuntimeError):
            return


def _may_watch(socket: WebSocket) -> bool:
    caller = find_caller(socket)
    return caller is not None and not caller.user.must_change


def _shown(console: Console, camera: str, at: float | None, width: int) -> Shown:
    shown = console.wall.show(camera, at, width)
    if shown is None:
        raise HTTPException(404, f"camera {camera}: has no picture of this time")
    return shown


def _facts(shown: Shown) -> dict[str, Any]:
    return {name: getattr(shown, name) for name in ("camera", "frame", "time", "width", "height")}
