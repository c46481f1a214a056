"""The cameras and their pictures."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Response, WebSocket, WebSocketDisconnect
from pydantic import Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnected

from app.console.access import Shared, Viewer, console_of, find_caller, is_from_here
from app.console.models import BoxesOut, BoxOut, CameraOut, Time
from app.console.state import Console
from app.console.viewing import Asked, Viewing
from app.console.wall import WIDTHS, Shown, pack, pack_facts
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

SOONEST = 0.8
"""Part of the time between two pictures after which a page is answered again."""


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


Question = TypeAdapter(Asked | Annotated[list[Asked], Field(max_length=AT_ONCE)])
"""What a page asks: one picture, or what is new of some live cameras."""


@router.websocket("/wall")
async def watch(socket: WebSocket) -> None:
    """Pictures as a page asks for them, one answer for each question: so that it gets as many as it can show.

    A question is JSON: `Asked`, or of live cameras a list of them. An answer is binary: for each picture four bytes,
    big-endian, with the length of what follows as JSON (`BoxesOut` and `bytes`, the length of the JPEG; or `camera` and
    `none`), then the JPEG. An answer to a list has what is new of those cameras, and is empty after a second without.
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
    """Answers questions until the page is closed or logged out; those about single pictures side by side."""
    viewing: Viewing | None = socket.app.state.viewing
    least = 1 / console.config.console.pictures_a_second
    singles = _Singles(socket, console, least)
    checked, due = time.monotonic(), 0.0
    try:
        while True:
            try:
                asked = Question.validate_json(await socket.receive_text())
            except (ValidationError, KeyError):
                await socket.close(1003)
                return
            now = time.monotonic()
            if now - checked > CHECK_SECONDS:
                if not await asyncio.to_thread(_may_watch, socket):
                    await socket.close(REFUSED)
                    return
                checked = now
            if isinstance(asked, Asked):
                if not singles.answer(asked, now):
                    await socket.close(1008)
                    return
                continue
            if viewing is None:
                await socket.close(1003)
                return
            await asyncio.sleep(due - now)
            answer = await viewing.answer(asked)
            due = time.monotonic() + SOONEST * viewing.pace.interval
            await socket.send_bytes(answer)
    finally:
        singles.close()


class _Singles:
    """Answers to one page's questions about single pictures, those about different cameras side by side."""

    def __init__(self, socket: WebSocket, console: Console, least: float) -> None:
        self._socket, self._console, self._least = socket, console, least
        self._sending = asyncio.Lock()
        self._due: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, asked: Asked, now: float) -> bool:
        """Answers in time; returns whether so many questions may be asked at once."""
        if len(self._tasks) >= AT_ONCE:
            return False
        start = max(now, self._due.get(asked.camera, 0.0))
        self._due[asked.camera] = start + self._least
        task = asyncio.create_task(self._send(asked, start - now))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def close(self) -> None:
        """Answers no more."""
        for task in self._tasks:
            task.cancel()

    async def _send(self, asked: Asked, delay: float) -> None:
        if delay > 0:
            await asyncio.sleep(delay)
        message = await asyncio.to_thread(_single, self._console, asked)
        async with self._sending:
            try:
                await self._socket.send_bytes(message)
            except (WebSocketDisconnect, RuntimeError):
                return


def _single(console: Console, asked: Asked) -> bytes:
    try:
        shown = console.wall.show(asked.camera, asked.at, asked.width, asked.after)
        why = "nothing was recorded at this time"
    except InputError as error:
        shown, why = None, str(error).replace(str(console.gallery.path), "the gallery")
    return pack_facts({"camera": asked.camera, "none": why, "bytes": 0}) if shown is None else pack(shown)


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
