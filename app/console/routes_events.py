"""What happens, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import StreamingResponse

from app.console.access import Shared, Viewer, find_caller
from app.console.state import Console

router = APIRouter(prefix="/api", tags=["events"])

BEAT_SECONDS = 10.0
"""Seconds after which a stream in which nothing happens shows that it is alive."""

STREAM: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


@router.get("/events", response_class=StreamingResponse, responses=STREAM)
async def events(request: Request, _caller: Viewer, console: Shared) -> StreamingResponse:
    """What happens from now on: `data` is JSON with `kind`, `time` and details; `lost` tells what was left out."""
    if len(console.feed) >= console.config.console.viewers:
        raise HTTPException(429, "too many watch already; try again later", {"retry-after": "60"})
    return StreamingResponse(_stream(request, console), media_type="text/event-stream")


async def _stream(request: Request, console: Console) -> AsyncIterator[str]:
    listener = console.feed.listen()
    try:
        yield "retry: 3000\n\n"
        while True:
            found, lost = await listener.take(BEAT_SECONDS)
            if lost:
                yield f"event: lost\ndata: {lost}\n\n"
            for each in found:
                yield f"id: {each.number}\nevent: happening\ndata: {each.line}\n\n"
            if console.feed.closed:
                return
            if not found:
                if await asyncio.to_thread(find_caller, request) is None:
                    yield "event: end\ndata: logged out\n\n"
                    return
                yield ": alive\n\n"
    finally:
        console.feed.leave(listener)
