"""The console as an ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from app import __version__
from app.config_console import LOOPBACK
from app.console import (
    routes_audit,
    routes_events,
    routes_people,
    routes_search,
    routes_session,
    routes_users,
    routes_wall,
)
from app.console.access import Viewer
from app.console.guards import Guards
from app.console.live_wall import LiveWall
from app.console.models import Problem
from app.console.state import Console
from app.console.viewing import Viewing
from app.errors import InputError
from app.gallery.following import reappearances
from app.gallery.growing import audited

STATIC = Path(__file__).parent / "static"
LOG = logging.getLogger("crowdtrace.console")

WATCH_SECONDS = 1.0
"""Seconds between two looks at what other programs have written into the gallery."""

REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": text}
    for code, text in {
        400: "What was asked for cannot be done.",
        401: "Nobody is logged in.",
        403: "This role may not.",
        404: "Not there.",
        409: "It contradicts what is there.",
        413: "Too much was sent.",
        422: "What was sent is not of this form.",
        429: "Too often.",
    }.items()
}

own = APIRouter(tags=["api"])


@own.get("/api/openapi.json", include_in_schema=False)
def describe(request: Request, _caller: Viewer) -> Response:
    """The API's description."""
    app: FastAPI = request.app
    return JSONResponse(app.openapi())


def make_app(console: Console) -> FastAPI:
    """The application over a gallery."""
    app = FastAPI(
        title="crowdtrace console",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        responses=REFUSALS,
        lifespan=_lifespan,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.console, app.state.watching, app.state.viewing = console, set(), None
    settings = console.config.console
    https = settings.certificate is not None or settings.behind_proxy
    names = None
    if settings.host in LOOPBACK and not settings.behind_proxy:
        names = {*LOOPBACK, "[::1]", *(name.lower() for name in settings.names)}
    app.add_middleware(Guards, most_bytes=round(settings.upload_megabytes * 2**20), https=https, names=names)
    for routes in (
        *(routes_session, routes_wall, routes_search, routes_people),
        *(routes_events, routes_users, routes_audit),
    ):
        app.include_router(routes.router)
    app.include_router(own)
    app.add_exception_handler(InputError, _input_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _form_error)
    app.add_exception_handler(Exception, _own_error)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    console: Console = app.state.console
    tasks = [asyncio.create_task(_watch(console))]
    if isinstance(console.wall, LiveWall):
        app.state.viewing = Viewing(console.wall, console.config.console.pictures_a_second)
        tasks.append(asyncio.create_task(app.state.viewing.run()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _watch(console: Console) -> None:
    """Tells all pages what others have written into the gallery: follows that were raised, sightings that are new."""
    last, revision = await asyncio.to_thread(_latest, console)
    done = await asyncio.to_thread(_forget_erased, console, None)
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        try:
            done = await asyncio.to_thread(_forget_erased, console, done)
            if len(console.feed):
                last, revision = await asyncio.to_thread(_tell, console, last, revision)
        except InputError as error:
            LOG.warning("%s", error)


def _forget_erased(console: Console, after: int | None) -> int:
    """Shows no more what was found of who was erased, by whatever program; gives the audit log's last entry."""
    with console.gallery.reading() as connection:
        last, done = audited(connection, after or 0)
    if after is not None and "erase" in done:
        console.finder.forget()
    return last


def _latest(console: Console) -> tuple[int, int]:
    with console.gallery.reading() as connection:
        raised = reappearances(connection)
    return (raised[-1].id if raised else 0), console.gallery.revision()


def _tell(console: Console, last: int, revision: int) -> tuple[int, int]:
    now = console.gallery.revision()
    if now == revision:
        return last, revision
    with console.gallery.reading() as connection:
        raised = reappearances(connection, last)
    for each in raised:
        console.feed.publish("follow.reappeared", each.raised, each.as_row())
    console.feed.publish("gallery.changed", console.gallery.now(), {"revision": now})
    return (raised[-1].id if raised else last), now


def _problem(status: int, text: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": " ".join(text.split())}, status, headers)


def _input_error(request: Request, error: Exception) -> Response:
    # Where the gallery lies is nobody's business in a browser.
    path = str(request.app.state.console.gallery.path)
    return _problem(400, str(error).replace(path, "the gallery"))


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, str(error.detail), error.headers)


def _form_error(_request: Request, error: Exception) -> Response:
    # What was sent is not sent back: it may be a password.
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _problem(422, f"{where or 'request'}: {first['msg']}")


def _own_error(_request: Request, error: Exception) -> Response:
    LOG.error("a request failed", exc_info=error)
    return _problem(500, "the console failed at this; its log says why")
