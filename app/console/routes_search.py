"""Searching, why something was found, and what the operator says to it."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, HTTPException, Response, UploadFile
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.clips import cut_clips
from app.console.access import Caller, Operator, Shared
from app.console.models import (
    BoxSearch,
    CellOut,
    FollowOut,
    IdentitySearch,
    Made,
    MatchOut,
    NewFollow,
    ReasonOut,
    SearchOut,
    Stored,
    Verdict,
    WishIn,
)
from app.console.routes_audit import csv_line
from app.console.routes_people import made
from app.console.searches import Search, Wish
from app.console.state import Console
from app.console.uploads import read_upload
from app.errors import InputError
from app.following import end_follows, list_follows, store_follow
from app.gallery import corrections
from app.gallery.reasons import in_words
from app.search import Match, to_rows

router = APIRouter(prefix="/api", tags=["search"])

SearchId = Annotated[str, InPath(max_length=32)]
Rank = Annotated[int, InPath(ge=1, le=1000)]
Which = Annotated[int, InPath(ge=0, le=1000)]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
MP4: dict[int | str, dict[str, Any]] = {200: {"content": {"video/mp4": {}}}}
CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}}}

MOST_PICTURES = 8
"""Pictures of one search."""


@router.post("/searches/box", status_code=201)
def search_box(given: BoxSearch, caller: Operator, console: Shared) -> SearchOut:
    """Searches for whom a box in a camera's frame shows."""
    wish = _wish(given, caller, console)
    user = (caller.user.id, caller.user.name)
    return _out(console, console.finder.by_box(user, wish, given.camera, given.frame, given.box))


@router.post("/searches/identity", status_code=201)
def search_identity(given: IdentitySearch, caller: Operator, console: Shared) -> SearchOut:
    """Searches for a known identity."""
    wish = _wish(given, caller, console)
    return _out(console, console.finder.by_identity((caller.user.id, caller.user.name), wish, given.identity))


@router.post("/searches/pictures", status_code=201)
def search_pictures(
    caller: Operator,
    console: Shared,
    pictures: Annotated[list[UploadFile], File(description="JPEG or PNG pictures of one person.")],
    wish: Annotated[str, Form(description="How to search: `WishIn` as JSON.", max_length=100_000)] = "{}",
) -> SearchOut:
    """Searches for whom pictures show."""
    try:
        given = WishIn.model_validate_json(wish)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None
    how = _wish(given, caller, console)
    if len(pictures) > MOST_PICTURES:
        raise InputError(f"pictures: {len(pictures)} were sent; send {MOST_PICTURES} at most")
    most = console.config.console.upload_megapixels
    images = []
    for place, each in enumerate(pictures, 1):
        name = Path(each.filename or "").name[:64] or f"picture {place}"
        images.append((name, read_upload(each.file.read(), name, most)))
    return _out(console, console.finder.by_pictures((caller.user.id, caller.user.name), how, images))


@router.post("/searches/{search_id}/again", status_code=201)
def search_again(search_id: SearchId, given: WishIn, caller: Operator, console: Shared) -> SearchOut:
    """Searches again for whom one of your searches was for, with other filters."""
    before = _search(console, caller, search_id)
    wish = _wish(given, caller, console)
    return _out(console, console.finder.again((caller.user.id, caller.user.name), wish, before))


@router.get("/searches/{search_id}")
def show_search(search_id: SearchId, caller: Operator, console: Shared) -> SearchOut:
    """What one of your searches found, with identities as they are now."""
    return _out(console, _search(console, caller, search_id))


@router.get("/searches/{search_id}/queries/{which}", response_class=Response, responses=JPEG)
def show_query(search_id: SearchId, which: Which, caller: Operator, console: Shared) -> Response:
    """A picture of the query."""
    pictures = _search(console, caller, search_id).pictures
    return _jpeg(pictures[which] if which < len(pictures) else None)


@router.get("/searches/{search_id}/matches/{rank}/picture", response_class=Response, responses=JPEG)
def show_match(search_id: SearchId, rank: Rank, caller: Operator, console: Shared) -> Response:
    """The picture of a match."""
    return _jpeg(_match(_search(console, caller, search_id), rank).crop)


@router.get("/searches/{search_id}/matches/{rank}/reason")
def show_reason(search_id: SearchId, rank: Rank, caller: Operator, console: Shared) -> ReasonOut:
    """Why a match matched: which cells found each other, and what each counted."""
    search = _search(console, caller, search_id)
    match = _match(search, rank)
    found = console.finder.reason(search, match)
    rows, columns = found.grid
    support, total = found.cells.support[0], float(found.cells.support[0].sum())
    count = rows * columns
    cells = [
        CellOut(
            query=divmod(cell, columns),
            found=divmod(int(found.cells.found[0, cell]), columns),
            weight=float(found.cells.weights[0, cell]),
            similarity=min(float(found.cells.similarities[0, cell]), 1.0),
            share=100 * float(support[cell]) / total if total > 0 else 0.0,
        )
        for cell in (-support).argsort(kind="stable").tolist()
        if cell < count
    ]
    reason = match.reason
    return ReasonOut(
        query=found.query,
        rows=rows,
        columns=columns,
        global_distance=reason.global_distance,
        local_distance=reason.local_distance,
        global_share=reason.global_share,
        words=in_words(reason, rows, columns),
        cells=cells,
    )


@router.get("/searches/{search_id}/matches/{rank}/clip", response_class=Response, responses=MP4)
def show_clip(search_id: SearchId, rank: Rank, caller: Operator, console: Shared) -> Response:
    """The seconds around a match, from the recording; that enters the audit log."""
    match = _match(_search(console, caller, search_id), rank)
    if not console.wall.recorded:
        raise HTTPException(404, "no clip: of live cameras no recording is kept")
    details = {"what": "clip", "found": [[match.camera, match.track]], "time": match.time}
    console.gallery.audit("export", details, who=caller.user.name)
    with console.cutting, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        why = cut_clips(console.gallery, [match], [path])[0]
        if why:
            raise HTTPException(404, why)
        return Response(path.read_bytes(), media_type="video/mp4")


@router.get("/searches/{search_id}/list.csv", response_class=Response, responses=CSV)
def export_search(search_id: SearchId, caller: Operator, console: Shared) -> Response:
    """What a search found, as a table; that enters the audit log."""
    search = _search(console, caller, search_id)
    details = {
        "what": "search",
        "origin": search.origin,
        "found": [[match.camera, match.track] for match in search.matches],
    }
    console.gallery.audit("export", details, who=caller.user.name)
    rows = to_rows(search.matches)
    lines = [csv_line([*rows[0]])] + [csv_line([*row.values()]) for row in rows] if rows else []
    headers = {"content-disposition": 'attachment; filename="search.csv"'}
    return Response("".join(lines), media_type="text/csv", headers=headers)


@router.post("/searches/{search_id}/matches/{rank}/verdict")
def say(search_id: SearchId, rank: Rank, given: Verdict, caller: Operator, console: Shared) -> Made:
    """Says that a match is the person who was searched for, or that it is not: a correction."""
    search = _search(console, caller, search_id)
    match = _match(search, rank)
    key = (match.camera, match.track)
    now = console.finder.identities([*search.keys[:1], key])
    query = now.get(search.keys[0]) if search.keys else None
    found = now.get(key)
    if query is None or found is None:
        what = "the query" if query is None else "the match"
        raise HTTPException(409, f"{what} has no identity, so nothing can be said of it; search from somebody tracked")
    who, gallery = caller.user.name, console.gallery
    if given.same and query == found:
        raise HTTPException(409, f"both are identity {query} already")
    if given.same:
        return made(console, corrections.merge(gallery, query, found, who=who), who)
    if query == found:
        return made(console, corrections.split(gallery, found, [key], who=who), who)
    return made(console, corrections.never(gallery, query, found, who=who), who)


@router.post("/searches/{search_id}/follow", status_code=201)
def follow(search_id: SearchId, given: NewFollow, caller: Operator, console: Shared) -> Stored:
    """Stores a search, so that an alert is raised when the person is seen again."""
    search = _search(console, caller, search_id)
    number = store_follow(
        console.gallery,
        given.name,
        search.query,
        calibration=console.finder.embedder.calibration,
        config=console.config.gallery,
        origin=search.origin,
        cameras=list(search.wish.cameras) or None,
        who=caller.user.name,
    )
    return Stored(number=number)


@router.get("/follows")
def show_follows(_caller: Operator, console: Shared) -> list[FollowOut]:
    """The follows that have not ended."""
    running, _ = list_follows(console.gallery)
    return [FollowOut.model_validate(row) for row in running]


@router.delete("/follows/{number}", status_code=204)
def end_follow(number: Annotated[int, InPath(ge=1, le=2**53 - 1)], caller: Operator, console: Shared) -> None:
    """Ends a follow."""
    end_follows(console.gallery, [number], who=caller.user.name)


def _wish(given: WishIn, caller: Caller, console: Console) -> Wish:
    if console.config.console.require_reason and not given.reason.strip():
        raise InputError("reason: say what this search is for; it enters the audit log")
    wait = console.searches.wait(caller.user.id)
    if wait:
        raise HTTPException(429, "too many searches; wait a moment", {"retry-after": str(math.ceil(wait))})
    return Wish(
        top=given.top,
        start=given.start,
        end=given.end,
        cameras=tuple(given.cameras),
        exact=given.exact,
        reason=given.reason.strip(),
    )


def _search(console: Console, caller: Caller, number: str) -> Search:
    found = console.finder.get(caller.user.id, number)
    if found is None:
        raise HTTPException(404, "this search is not kept any more; search again")
    return found


def _match(search: Search, rank: int) -> Match:
    if rank > len(search.matches):
        raise HTTPException(404, f"match {rank}: the search found {len(search.matches)}")
    return search.matches[rank - 1]


def _jpeg(data: bytes | None) -> Response:
    if not data:
        raise HTTPException(404, "no picture of it is stored")
    return Response(data, media_type="image/jpeg")


def _out(console: Console, search: Search) -> SearchOut:
    keys = [(match.camera, match.track) for match in search.matches]
    now = console.finder.identities([*search.keys, *keys])
    query = now.get(search.keys[0]) if search.keys else None
    camera = search.origin.get("camera")
    return SearchOut(
        id=search.id,
        title=search.title,
        made=search.made,
        milliseconds=1000 * search.seconds,
        bar=search.bar,
        identity=query,
        pictures=len(search.pictures),
        camera=camera if isinstance(camera, str) else None,
        wish=WishIn(
            top=search.wish.top,
            start=search.wish.start,
            end=search.wish.end,
            cameras=list(search.wish.cameras),
            exact=search.wish.exact,
            reason=search.wish.reason,
        ),
        missing=list(search.missing),
        matches=[_match_out(match, search.bar, now, query, console.finder.embedder.grid) for match in search.matches],
    )


def _match_out(
    match: Match, bar: float, now: dict[tuple[str, int], int | None], query: int | None, grid: tuple[int, int]
) -> MatchOut:
    key = (match.camera, match.track)
    left, top, right, bottom = match.box
    return MatchOut(
        rank=match.rank,
        probability=match.probability,
        passes=None if match.probability is None else match.probability >= bar,
        distance=match.distance,
        global_distance=match.reason.global_distance,
        local_distance=match.reason.local_distance,
        person=match.person,
        camera=match.camera,
        track=match.track,
        frame=match.frame,
        time=match.time,
        first_time=match.span[0],
        last_time=match.span[1],
        box=(left, top, right - left, bottom - top),
        identity=now.get(key),
        gone=key not in now,
        same="yes" if query is not None and now.get(key) == query else "unknown",
        words=in_words(match.reason, *grid),
        picture=match.crop is not None,
    )
