"""Searching from the pages: one index and one network for everybody."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch
from sqlalchemy import select

from app.cluster.sharded import ShardedIndex
from app.config import Config
from app.console.searches import KeptSearches, Key, Reasoned, Search, Wish
from app.console.wall import Image, ShownBox, Wall, encode
from app.contact_sheet import format_time
from app.devices import choose_device
from app.errors import InputError
from app.finding import LEAST_MASS, OVERLAP, UNTRACKED_MASS, refuse_nobody
from app.gallery import Gallery, LiveIndex, queries
from app.gallery.packing import Dimensions
from app.gallery.schema import Camera, TrackletRecord
from app.pointing import box_inside
from app.search import Match, identity_sightings, search
from reid_model.embedder import Embedder, cut
from reid_model.explain import match_cells
from reid_model.features import Features
from trackers.gates import iou

KEPT_COUNTS = 50
COUNTED_SECONDS = 60.0
"""Seconds after which people are counted again: some may have expired."""

CHANGING_SECONDS = 5.0
"""The same where the gallery has changed: live, it does so all the time."""

QUICK_SECONDS = 0.05
"""Seconds of bringing the index up to date for which nobody minds waiting."""

SAME_BOX = 0.5
"""Overlap (intersection over union) from which a drawn box is that of somebody who was tracked."""

PICTURE = 256
"""Most pixels in height of a query's picture."""


@dataclass(frozen=True, eq=False)
class _Query:
    features: Features
    pictures: list[bytes]
    title: str
    origin: dict[str, object]
    keys: tuple[Key, ...] = ()
    beside: tuple[Key, ...] = ()


class Finder:
    """Searches one gallery for many users; may be called from many threads.

    Args:
        gallery: Open for writing.
        config: All settings.
        wall: Where frames come from.
        embedder: Makes the features of queries.
        age: Seconds since the index was brought up to date in which a search only takes in what is new, and does not
            look for what is gone, where that takes long: for a gallery that grows all the time, where somebody calls
            `keep_in_step` more often than that.
        shards: Gives the index of a cluster for one search; None for an index of one's own.
    """

    def __init__(
        self,
        gallery: Gallery,
        config: Config,
        wall: Wall,
        embedder: Embedder,
        *,
        age: float = 0.0,
        shards: Callable[[], ShardedIndex] | None = None,
    ) -> None:
        self.embedder = embedder
        self._age, self._looked, self._took = age, -np.inf, 0.0
        self._gallery, self._config, self._wall = gallery, config, wall
        self._embedding, self._indexing = threading.Lock(), threading.Lock()
        name = choose_device(config.gallery.device, "gallery.device")
        self._device = None if name == "cpu" else torch.device(name)
        self._shards = shards
        self._index = LiveIndex.open(gallery, self._device) if shards is None else None
        self._kept = KeptSearches()
        self._counted: OrderedDict[tuple[object, ...], tuple[float, int, int]] = OrderedDict()
        self._warm_up()

    def by_box(self, user: tuple[int, str], wish: Wish, camera: str, frame: int, box: Sequence[float]) -> Search:
        """Searches for whom a box in a frame shows.

        Args:
            user: Number and name of who searches.
            wish: How to search.
            camera: Name of the camera.
            frame: 0-based frame number.
            box: Left, top, width, height in source pixels.

        Raises:
            InputError: If the box, the frame or the wish cannot be used, or nobody is to be seen there.
        """
        began = time.perf_counter()
        image, when = self._wall.frame(camera, frame), self._wall.time(camera, frame)
        inside = self._wall.boxes(camera, frame)
        corners = box_inside(camera, (image.shape[1], image.shape[0]), box)
        picture = np.ascontiguousarray(cut(image, corners))
        share = _overlaps(corners, inside)
        features = self._embed([picture])
        least = LEAST_MASS if share.max(initial=0) > OVERLAP else UNTRACKED_MASS
        refuse_nobody(f"box in camera {camera}", picture, float(features.mass[0]), least)
        everybody = [(camera, each.track) for each in inside]
        # Of whom a drawn box shows without having been tracked there, nobody knows who is beside them.
        mine = int(share.argmax()) if share.max(initial=0) >= SAME_BOX else None
        keys = () if mine is None else (everybody[mine],)
        beside = () if mine is None else tuple(key for key in everybody if key not in keys)
        origin: dict[str, object] = {"camera": camera, "frame": frame, "box": [float(value) for value in box]}
        if mine is not None:
            origin["track"] = inside[mine].track
        where = f"{camera}, frame {frame}" if self._wall.recorded else camera
        moment = format_time(when)
        title = f"Box in {where}, {moment}{'' if moment.endswith(' s') else ' UTC'}"
        return self._search(user, wish, _Query(features, [_picture(picture)], title, origin, keys, beside), began)

    def by_pictures(self, user: tuple[int, str], wish: Wish, pictures: Sequence[tuple[str, Image]]) -> Search:
        """Searches for whom pictures, each with its name, show: one person.

        Raises:
            InputError: If nobody is to be seen in one of them, or the wish cannot be used.
        """
        began = time.perf_counter()
        images = [image for _, image in pictures]
        names = [name for name, _ in pictures]
        features = self._embed(images)
        for (name, image), mass in zip(pictures, features.mass.tolist(), strict=True):
            refuse_nobody(name, image, mass, LEAST_MASS)
        shown = [_picture(image) for image in images]
        query = _Query(features, shown, f"Uploaded: {', '.join(names)}", {"images": names})
        return self._search(user, wish, query, began)

    def by_identity(self, user: tuple[int, str], wish: Wish, number: int) -> Search:
        """Searches for a known identity.

        Raises:
            InputError: If there is none of that number or it has no sighting left, or the wish cannot be used.
        """
        began = time.perf_counter()
        rows, features = identity_sightings(self._gallery, number)
        shown = [jpeg or b"" for jpeg in self._gallery.crops([row.id for row in rows])]
        keys = tuple(dict.fromkeys((row.camera, row.track) for row in rows))
        query = _Query(features, shown, f"Identity {number}", {"identity": number}, keys)
        return self._search(user, wish, query, began)

    def again(self, user: tuple[int, str], wish: Wish, search: Search) -> Search:
        """Searches again for whom a search was for, in another way.

        Raises:
            InputError: If the wish cannot be used.
        """
        origin = {name: value for name, value in search.origin.items() if name != "reason"}
        query = _Query(search.query, search.pictures, search.title, origin, search.keys, search.beside)
        return self._search(user, wish, query, time.perf_counter())

    def get(self, user: int, number: str) -> Search | None:
        """A search that a user has made, if it is still kept."""
        return self._kept.get(user, number)

    def forget(self) -> None:
        """Forgets all searches: somebody in them was erased."""
        self._kept.forget()

    def identities(self, keys: Sequence[Key]) -> dict[Key, int | None]:
        """The identity that each tracklet has now; those that are gone are left out."""
        tracks: dict[str, set[int]] = {}
        for camera, track in keys:
            tracks.setdefault(camera, set()).add(track)
        found: dict[Key, int | None] = {}
        with self._gallery.reading() as connection:
            for camera, numbers in tracks.items():
                for some in queries.parts(sorted(numbers)):
                    query = (
                        select(TrackletRecord.track, TrackletRecord.identity)
                        .join_from(TrackletRecord, Camera)
                        .where(Camera.name == camera, TrackletRecord.track.in_(some))
                    )
                    found.update({(camera, track): identity for track, identity in connection.execute(query)})
        return found

    def reason(self, search: Search, match: Match) -> Reasoned:
        """Why a match matched: all cells of the query crop that was nearest, and what each found.

        Raises:
            InputError: If the sighting is gone.
        """
        rows, features = self._gallery.sightings(
            [match.camera], match.time - 1e-3, match.time + 1e-3, track=match.track
        )
        places = [place for place, row in enumerate(rows) if row.frame == match.frame]
        if features is None or not places:
            raise InputError(f"match {match.rank}: its sighting is not in the gallery any more; search again")
        cells = match_cells(search.query[[match.query]], features[[places[0]]])
        return Reasoned(self.embedder.grid, cells, match.query)

    def keep_in_step(self) -> None:
        """Takes into the index what was stored since, so that no search has to wait for that.

        Raises:
            InputError: If the gallery cannot be read.
        """
        if self._shards is not None:
            return
        with self._indexing:
            new = self._index is None
            self._bring_up_to_date()
        if new and self._index is not None:
            self._warm_up()

    def _warm_up(self) -> None:
        """Makes what is made at first use now, not at somebody's first search."""
        height, width = self.embedder.config.size
        features = self._embed([np.zeros((height, width, 3), np.uint8)])
        if self._index is not None and Dimensions.of(features) == self._index.size:
            self._index.search(features, 1, now=self._gallery.now())

    def _embed(self, images: Sequence[Image]) -> Features:
        with self._embedding:
            return self.embedder.embed(images)

    def _ready(self) -> LiveIndex | None:
        index = self._index
        if index is not None and self._took > QUICK_SECONDS and time.monotonic() - self._looked < self._age:
            index.take_in(self._gallery)
            return index
        with self._indexing:
            self._bring_up_to_date()
            return self._index

    def _bring_up_to_date(self) -> None:
        begun = time.monotonic()
        if self._index is None:
            self._index = LiveIndex.open(self._gallery, self._device)
        else:
            self._index.sync(self._gallery)
        self._looked, self._took = begun, time.monotonic() - begun

    def _search(self, user: tuple[int, str], wish: Wish, query: _Query, began: float) -> Search:
        origin = {**query.origin, "reason": wish.reason} if wish.reason else query.origin
        left_out = {*query.keys, *query.beside}
        sharded = None if self._shards is None else self._shards()
        index = self._ready() if sharded is None else None
        matches = search(
            self._gallery,
            query.features,
            # Where the query comes from is found first, and is no news.
            top=wish.top + len(left_out),
            start=wish.start,
            end=wish.end,
            cameras=list(wish.cameras) or None,
            exact=wish.exact,
            calibration=self.embedder.calibration,
            origin=origin,
            who=user[1],
            index=index if sharded is None else sharded,
            people=self._people(wish, self._gallery.revision() if index is None else index.revision),
        )
        elsewhere = [match for match in matches if (match.camera, match.track) not in left_out][: wish.top]
        made = Search(
            id=secrets.token_urlsafe(12),
            user=user[0],
            title=query.title,
            wish=wish,
            origin=origin,
            query=query.features,
            pictures=query.pictures,
            keys=query.keys,
            beside=query.beside,
            matches=[replace(match, rank=place) for place, match in enumerate(elsewhere, 1)],
            bar=self._config.gallery.match_probability,
            seconds=time.perf_counter() - began,
            made=self._gallery.now(),
            missing=() if sharded is None else sharded.missing,
        )
        self._kept.keep(made)
        return made

    def _people(self, wish: Wish, revision: int) -> int:
        """How many people there are to choose from; counted again when the gallery has changed, or after a while.

        In a large gallery to count them takes longer than to search.
        """
        key, now = (wish.cameras, wish.start, wish.end), time.monotonic()
        then, counted, count = self._counted.get(key, (-np.inf, -1, 0))
        if now - then > (COUNTED_SECONDS if counted == revision else CHANGING_SECONDS):
            count = self._gallery.people(list(wish.cameras) or None, wish.start, wish.end)
            self._counted[key] = now, revision, count
            while len(self._counted) > KEPT_COUNTS:
                self._counted.popitem(last=False)
        return count


def _overlaps(box: tuple[float, float, float, float], inside: Sequence[ShownBox]) -> npt.NDArray[np.float64]:
    """Intersection over union of a box (left, top, right, bottom) with each shown one, `(n,)`."""
    others = np.array([each.box for each in inside], np.float64).reshape(-1, 4)
    others[:, 2:] += others[:, :2]
    return np.asarray(iou(np.array([box]), others)[0], np.float64)


def _picture(image: Image) -> bytes:
    if image.shape[0] > PICTURE:
        width = max(1, round(image.shape[1] * PICTURE / image.shape[0]))
        image = np.asarray(cv2.resize(image, (width, PICTURE), interpolation=cv2.INTER_AREA), np.uint8)
    return encode(image, image.shape[1])
