"""The people in the gallery, and the operator's corrections."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Path as InPath

from app.console.access import Admin, Operator, Shared, Viewer
from app.console.models import (
    CorrectionOut,
    Erased,
    FloorPlan,
    Made,
    Other,
    Parts,
    People,
    PersonOut,
    PersonRow,
    PictureOut,
    TrackletOut,
)
from app.console.people import correction_rows, page_of_people, tracklets_of
from app.console.state import Console
from app.gallery import corrections
from app.gallery.erasing import erase_identity
from app.search import find_identity

router = APIRouter(prefix="/api", tags=["people"])

Id = Annotated[int, InPath(ge=0, le=2**53 - 1)]
JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}


@router.get("/people")
def list_people(
    _caller: Viewer,
    console: Shared,
    offset: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> People:
    """The people in the gallery, by number: where and when they were seen."""
    total, rows = page_of_people(console.gallery, offset, limit)
    return People(total=total, people=[PersonRow(**asdict(row)) for row in rows])


@router.get("/people/{number}")
def show_person(number: Id, caller: Viewer, console: Shared) -> PersonOut:
    """Somebody's way through all cameras, with pictures; that enters the audit log."""
    row = find_identity(console.gallery, number)
    console.gallery.audit("view", {"origin": {"identity": number}}, who=caller.user.name)
    tracklets = [
        TrackletOut(
            camera=found.camera,
            track=found.track,
            first=found.first,
            last=found.last,
            frame=found.frame,
            pictures=[
                PictureOut(
                    address=f"/api/crops/{each.id}?seal={console.seal(caller.user.id, each.id)}",
                    time=each.time,
                    mass=each.mass,
                )
                for each in found.sightings
            ],
        )
        for found in tracklets_of(console.gallery, number)
    ]
    about = correction_rows(console.gallery, set(row.tracklets))
    return PersonOut(
        identity=number,
        status=row.status,
        tracklets=tracklets,
        corrections=[CorrectionOut(**asdict(each)) for each in about],
    )


@router.get("/crops/{sighting}", response_class=Response, responses=JPEG)
def show_crop(
    sighting: Annotated[int, InPath(ge=1, le=2**53 - 1)],
    caller: Viewer,
    console: Shared,
    seal: Annotated[str, Query(max_length=64)],
) -> Response:
    """A picture of somebody whose page was shown."""
    if not console.is_sealed(caller.user.id, sighting, seal):
        raise HTTPException(404, "no such picture; load the person's page anew")
    data = console.gallery.crops([sighting])[0]
    if data is None:
        raise HTTPException(404, "no picture of it is stored")
    return Response(data, media_type="image/jpeg")


@router.post("/people/{number}/merge")
def merge(number: Id, given: Other, caller: Operator, console: Shared) -> Made:
    """Says that two are one person; the lower number goes on."""
    who = caller.user.name
    return made(console, corrections.merge(console.gallery, number, given.other, who=who), who)


@router.post("/people/{number}/never")
def never(number: Id, given: Other, caller: Operator, console: Shared) -> Made:
    """Says that two are never the same person."""
    who = caller.user.name
    return made(console, corrections.never(console.gallery, number, given.other, who=who), who)


@router.post("/people/{number}/split")
def split(number: Id, given: Parts, caller: Operator, console: Shared) -> Made:
    """Says that some tracklets of a person are somebody else: one new person."""
    who = caller.user.name
    return made(console, corrections.split(console.gallery, number, given.tracklets, who=who), who)


@router.get("/corrections")
def list_corrections(_caller: Operator, console: Shared) -> list[CorrectionOut]:
    """All corrections, those that were undone among them, the latest first."""
    return [CorrectionOut(**asdict(row)) for row in correction_rows(console.gallery, None)]


@router.post("/corrections/{number}/undo")
def undo(number: Id, caller: Operator, console: Shared) -> Made:
    """Takes a correction back."""
    who = caller.user.name
    return made(console, corrections.undo(console.gallery, number, who=who), who, undone=True)


@router.delete("/people/{number}")
def erase(number: Id, caller: Admin, console: Shared) -> Erased:
    """Erases somebody for good: rows, vectors, pictures, and searches for them."""
    removed = erase_identity(console.gallery, number, who=caller.user.name)
    console.finder.forget()
    console.feed.publish("identity.erased", console.gallery.now(), {"identity": number})
    return Erased(
        person=removed.person,
        tracklets=removed.tracklets,
        sightings=removed.sightings,
        crops=removed.crops,
        follows=removed.follows,
    )


@router.get("/floor")
def show_floor(_caller: Viewer, console: Shared) -> FloorPlan:
    """Where the cameras are on the floor plan."""
    if console.config.console.floor_plan is None:
        raise HTTPException(404, "no floor plan is configured")
    return FloorPlan(places=console.config.console.floor_places)


@router.get("/floor/plan", response_class=Response, responses=JPEG)
def show_floor_plan(_caller: Viewer, console: Shared) -> Response:
    """The floor plan."""
    path = console.config.console.floor_plan
    if path is None:
        raise HTTPException(404, "no floor plan is configured")
    try:
        image = cv2.imdecode(np.frombuffer(Path(path).read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise HTTPException(404, "the floor plan that is configured cannot be read")
    # Encoded anew: whatever else the file holds stays here.
    return Response(cv2.imencode(".jpg", image)[1].tobytes(), media_type="image/jpeg")


def made(console: Console, done: corrections.Made, who: str, *, undone: bool = False) -> Made:
    """A correction as the API tells it; all pages hear of it."""
    kind = "undone" if undone else {"merge": "merged", "split": "split", "never": "parted"}[done.kind]
    details = {"identities": list(done.identities), "correction": done.correction, "who": who}
    console.feed.publish(f"identity.{kind}", console.gallery.now(), details)
    return Made(
        correction=done.correction,
        kind=done.kind,
        identities=list(done.identities),
        moved=[(camera, track, number) for (camera, track), number in done.moved.items()],
    )
