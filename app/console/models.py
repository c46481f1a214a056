"""What the API takes and gives."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.console.accounts import LEAST_PASSWORD, MOST_PASSWORD, NAME

Number = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A number that JavaScript holds exactly, and the database too."""

Time = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Pixels = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Role = Literal["viewer", "operator", "admin"]
Box = tuple[Pixels, Pixels, Pixels, Pixels]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Password = Annotated[str, Field(min_length=1, max_length=MOST_PASSWORD)]


class Given(BaseModel):
    """What somebody sends; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="One line, with the cause and the cure.")


class Login(Given):
    """Somebody who logs in."""

    name: Name
    password: Password


class NewPassword(Given):
    """A password to be replaced, and the one that replaces it."""

    old: Password
    new: Annotated[str, Field(min_length=LEAST_PASSWORD, max_length=MOST_PASSWORD)]


class Me(BaseModel):
    """Who is logged in, and what the pages need to know."""

    name: str
    role: Role
    must_change: bool = Field(description="Whether a password of their own has to be chosen before anything else.")
    csrf: str = Field(description="To be sent as x-csrf-token with every change; empty where a token is used.")
    recorded: bool = Field(description="Whether the wall shows recordings.")
    require_reason: bool = Field(description="Whether a search must say what it is for.")
    floor_plan: bool = Field(description="Whether there is one.")
    pictures_a_second: float = Field(description="Most pictures of a camera that are sent in a second.")


class UserOut(BaseModel):
    """Somebody who may use the console. Times are in seconds since the epoch."""

    id: int
    name: str
    role: Role
    must_change: bool
    created: float
    disabled: float | None
    locked_until: float


class NewUser(Given):
    """Somebody to be added."""

    name: Annotated[str, Field(pattern=f"^{NAME.pattern}$")]
    role: Role


class UserChange(Given):
    """What somebody may do from now on."""

    role: Role
    disabled: bool = False


class OneTime(BaseModel):
    """A user and a password that works once: it has to be changed at the first login."""

    user: UserOut
    password: str


class NewToken(Given):
    """A token to be made, which ends after so many days."""

    name: Name
    role: Role
    days: float = Field(default=90, gt=0, le=3650, allow_inf_nan=False)


class TokenOut(BaseModel):
    """An API token. Times are in seconds since the epoch."""

    id: int
    name: str
    user: str
    role: Role
    created: float
    expires: float


class MadeToken(BaseModel):
    """A new token; its secret is told this once."""

    id: int
    secret: str


class CameraOut(BaseModel):
    """A camera. Times are in seconds since the epoch."""

    name: str
    state: Literal["recorded", "live", "connecting", "stalled", "waiting", "ended", "missing"]
    width: int
    height: int
    first: float | None
    last: float | None
    note: str


class BoxOut(BaseModel):
    """Somebody in a picture: left, top, width, height in source pixels, track, and identity if one was decided."""

    box: tuple[float, float, float, float]
    track: int
    identity: int | None


class BoxesOut(BaseModel):
    """Who is in a picture of a camera."""

    camera: str
    frame: int
    time: float
    width: int
    height: int
    boxes: list[BoxOut]


class WishIn(Given):
    """How to search. Times are in seconds since the epoch."""

    top: Annotated[int, Field(ge=1, le=200)] = 20
    start: Time | None = None
    end: Time | None = None
    cameras: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)] = []
    exact: bool = False
    reason: Annotated[str, Field(max_length=500)] = ""


class BoxSearch(WishIn):
    """A search for whom a box shows: left, top, width, height in source pixels."""

    camera: Annotated[str, Field(max_length=64)]
    frame: Number
    box: Box


class IdentitySearch(WishIn):
    """A search for a known identity."""

    identity: Number


class MatchOut(BaseModel):
    """A tracklet that was found, by its best sighting. Times are in seconds since the epoch."""

    rank: int
    probability: float | None
    passes: bool | None = Field(description="Whether the probability reaches the bar; null where it is not known.")
    distance: float
    global_distance: float
    local_distance: float
    person: int = Field(description="Tracklets of one identity have one number, nearest first.")
    camera: str
    track: int
    frame: int
    time: float
    first_time: float
    last_time: float
    box: tuple[float, float, float, float] = Field(description="Left, top, width, height in source pixels.")
    identity: int | None = Field(description="As it is now.")
    gone: bool = Field(description="Whether the tracklet has left the gallery since.")
    same: Literal["yes", "unknown"] = Field(description="Whether it has the identity of the query now.")
    words: str = Field(description="Why it matched.")
    picture: bool = Field(description="Whether a picture of it is stored.")


class SearchOut(BaseModel):
    """What a search found."""

    id: str
    title: str
    made: float
    milliseconds: float
    bar: float = Field(description="Probability from which a match counts as the person.")
    identity: int | None = Field(description="Of the query, as it is now; null where it is not known.")
    pictures: int = Field(description="Pictures of the query.")
    camera: str | None = Field(description="Camera of the query, where it is a box.")
    wish: WishIn = Field(description="How it was searched.")
    missing: list[str] = Field(description="What could not be searched: shards of a cluster that were away.")
    matches: list[MatchOut]


class CellOut(BaseModel):
    """A cell of the query and the one that it found: row and column from the top left."""

    query: tuple[int, int]
    found: tuple[int, int]
    weight: float = Field(description="What the cell counts; those of a query sum to 1.")
    similarity: float = Field(description="Cosine of the two, -1 to 1.")
    share: float = Field(
        description="Its part of the similarity of all cells, per cent; below 0 where it speaks against."
    )


class ReasonOut(BaseModel):
    """Why a match matched."""

    query: int = Field(description="Which picture of the query was nearest, from 0.")
    rows: int
    columns: int
    global_distance: float
    local_distance: float
    global_share: float = Field(description="Part of the distance that the whole pictures make up, 0 to 1.")
    words: str
    cells: list[CellOut] = Field(description="The heaviest first.")


class Verdict(Given):
    """Whether a match is the person who was searched for."""

    same: bool


class Made(BaseModel):
    """A correction, and what it changed."""

    correction: int
    kind: Literal["merge", "split", "never"]
    identities: list[int]
    moved: list[tuple[str, int, int]] = Field(description="Camera, track and identity of now.")


class CorrectionOut(BaseModel):
    """A correction. Times are in seconds since the epoch."""

    number: int
    time: float
    who: str
    kind: Literal["merge", "split", "never"]
    first: list[tuple[str, int]]
    second: list[tuple[str, int]]
    undone: float | None


class NewFollow(Given):
    """What a follow is to be called."""

    name: Name


class FollowOut(BaseModel):
    """A stored search that tells when the person is seen again. Times are in seconds since the epoch."""

    follow: int
    name: str
    who: str
    bar: float
    cameras: str
    stored: float
    expires: float


class Stored(BaseModel):
    """The number of what was stored."""

    number: int


class PersonRow(BaseModel):
    """Somebody in the list of people."""

    identity: int
    status: str
    tracklets: int
    cameras: list[str]
    first: float
    last: float


class People(BaseModel):
    """Some of the people in the gallery, by number."""

    total: int
    people: list[PersonRow]


class PictureOut(BaseModel):
    """A stored picture of somebody."""

    address: str
    time: float
    mass: float = Field(description="How much of them is to be seen, 0 to 1.")


class TrackletOut(BaseModel):
    """Somebody's way through one camera. Times are in seconds since the epoch."""

    camera: str
    track: int
    first: float
    last: float
    frame: int = Field(description="Its first frame.")
    pictures: list[PictureOut]


class PersonOut(BaseModel):
    """Somebody, over all cameras: tracklets in order of appearance."""

    identity: int
    status: str
    tracklets: list[TrackletOut]
    corrections: list[CorrectionOut] = Field(description="Those that are about any of the tracklets.")


class Other(Given):
    """The number of another identity."""

    other: Number


class Parts(Given):
    """Tracklets: camera and track number of each."""

    tracklets: Annotated[
        list[tuple[Annotated[str, Field(max_length=64)], Number]], Field(min_length=1, max_length=10000)
    ]


class Erased(BaseModel):
    """What was erased."""

    person: str = Field(description="The name under which the audit log remembers them.")
    tracklets: int
    sightings: int
    crops: int
    follows: int


class AuditOut(BaseModel):
    """An entry of the audit log."""

    id: int
    time: float
    who: str
    action: str
    details: dict[str, Any]


class Audit(BaseModel):
    """Entries of the audit log, the latest first."""

    entries: list[AuditOut]
    more: bool = Field(description="Whether there are older ones.")


class FloorPlan(BaseModel):
    """Where the cameras are on the floor plan, in its pixels."""

    places: dict[str, tuple[float, float]]
