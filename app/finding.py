"""Searching a gallery from a box in a stored video, from pictures or from an identity; files for the operator."""

from __future__ import annotations

import csv
import io
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch

from app.cluster.starting import join_shards
from app.config import Config, GalleryConfig
from app.contact_sheet import format_time, write_contact_sheet
from app.devices import choose_device
from app.embedding import load_embedder
from app.errors import InputError
from app.files import prepare_folder, write_text
from app.following import store_follow
from app.gallery import Gallery, queries
from app.gallery.reasons import cell_rows, in_words
from app.gallery.store import gallery_file
from app.pointing import box_query, find_camera
from app.saving import save_shown
from app.search import Match, identity_sightings, search, to_rows
from app.sources import read_frame
from reid_model.embedder import Embedder, cut
from reid_model.features import Features
from trackers.gates import iou

Image = npt.NDArray[np.uint8]

LEAST_MASS = 0.1
"""Saliency mass below which a query shows nobody. In the scene of the demonstration, with either of the shipped
weights, nobody has less, not even people mostly hidden; with the default ones, half of all boxes around nobody do."""

UNTRACKED_MASS = 0.15
"""The same for a box where nobody was followed in that frame: there, less than what one in a hundred has of the people
visible by a third or more, and more than what three of four boxes around nobody have."""

LEAST_CONTRAST = 2.5
"""Standard deviation of grey levels, of 255, below which a picture shows nothing: less than noise at night."""

OVERLAP = 0.1
"""Overlap (intersection over union) with somebody's box above which they may be meant."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is searched for, and where.

    Attributes:
        gallery: gallery.db, the folder that holds it, or a server's address.
        camera: Camera of the box.
        frame: Its frame, from 0, or
        time: its time, seconds since the epoch.
        box: Left, top, width, height in source pixels.
        images: Pictures of one person.
        identity: Number of a known identity.
        top: Most matches.
        start: Earliest time of a match.
        end: Latest time of a match.
        cameras: Cameras to search; none for all.
        exact: Whether every sighting is matched cell by cell.
        output: Folder for the contact sheet and the list, and for pictures and clips; None for `search/` beside the
            gallery, without those.
        clips: Most clips cut from the recordings; needs `output`.
        follow: Name under which the search is stored, to raise an event when the person is seen again; None for not.
    """

    gallery: Path | str
    camera: str | None = None
    frame: int | None = None
    time: float | None = None
    box: tuple[float, float, float, float] | None = None
    images: tuple[Path, ...] = ()
    identity: int | None = None
    top: int = 20
    start: float | None = None
    end: float | None = None
    cameras: tuple[str, ...] = ()
    exact: bool = False
    output: Path | None = None
    clips: int = 0
    follow: str | None = None


@dataclass(frozen=True, slots=True)
class _Query:
    """A person to search for: features, pictures to show, and where they come from."""

    features: Features
    pictures: list[Image]
    title: str
    stem: str
    origin: dict[str, object]


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search.

    Attributes:
        matches: Nearest first, one for each tracklet.
        title: What was searched for.
        sheet: The contact sheet.
        table: The same matches as CSV.
        rows: The same as plain values, in the same order: what `to_rows` gives, the reason in words, whether it passes
            the bar, where its picture and clip are, and why not where they are not.
        cells: The cells of query and match that speak most for each, in the same order.
        bar: Probability from which a match counts as the person.
        seconds: Time the search took, features included, without loading weights.
        follow: Number of the follow that was stored, or None.
        missing: What could not be searched, in words: shards of a cluster that are away.
    """

    matches: list[Match]
    title: str
    sheet: Path
    table: Path
    rows: list[dict[str, object]]
    cells: list[list[dict[str, object]]]
    bar: float
    seconds: float
    follow: int | None
    missing: tuple[str, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """Why each matched, in words."""
        return [str(row["reason"]) for row in self.rows]

    @property
    def somebody(self) -> bool:
        """Whether any match counts as the person; where probabilities are not known, whether there is any."""
        return any(row["passes"] is not False for row in self.rows)


def find(request: Request, config: Config) -> Found:
    """Searches, enters it in the gallery's audit log, and writes a contact sheet and a CSV list.

    Raises:
        InputError: If the request or the gallery cannot be used.
    """
    _check(request)
    path = gallery_file(request.gallery)
    embedder = load_embedder(config.embedder)
    with Gallery.open(path, model_id=embedder.model_id, config=config.gallery) as gallery:
        output = request.output or (path.parent if isinstance(path, Path) else Path()) / "search"
        prepare_folder(output)
        shards = join_shards(gallery, config)
        index = None if shards is None else shards()
        start = time.perf_counter()
        query = _query(request, gallery, embedder)
        matches = search(
            gallery,
            query.features,
            top=request.top,
            start=request.start,
            end=request.end,
            cameras=request.cameras or None,
            exact=request.exact,
            calibration=embedder.calibration,
            origin=query.origin,
            index=index,
            device=_device(config.gallery),
        )
        seconds = time.perf_counter() - start
        number = _follow(request, gallery, query, embedder, config)
        reasons = [in_words(match.reason, *embedder.grid) for match in matches]
        rows = [{**row, "reason": reason} for row, reason in zip(to_rows(matches), reasons, strict=True)]
        bar = config.gallery.match_probability
        for row, match in zip(rows, matches, strict=True):
            row["passes"] = None if match.probability is None else match.probability >= bar
        if request.output is not None:
            save_shown(gallery, matches, rows, output / query.stem, request.clips)
    sheet, table = output / f"{query.stem}.jpg", output / f"{query.stem}.csv"
    write_contact_sheet(sheet, matches, query.pictures, title=query.title)
    write_text(table, _csv(rows))
    cells = [cell_rows(match.reason, embedder.grid[1]) for match in matches]
    missing = () if index is None else index.missing
    return Found(matches, query.title, sheet, table, rows, cells, bar, seconds, number, missing)


def _device(config: GalleryConfig) -> torch.device | None:
    """Where cells are matched; None for the processor, which has a way of its own."""
    name = choose_device(config.device, "gallery.device")
    return None if name == "cpu" else torch.device(name)


def _follow(request: Request, gallery: Gallery, query: _Query, embedder: Embedder, config: Config) -> int | None:
    if request.follow is None:
        return None
    return store_follow(
        gallery,
        request.follow,
        query.features,
        calibration=embedder.calibration,
        config=config.gallery,
        origin=query.origin,
        cameras=request.cameras or None,
    )


def _check(request: Request) -> None:
    by_box = request.camera is not None
    ways = [by_box, bool(request.images), request.identity is not None]
    if sum(ways) != 1:
        raise InputError(
            "say who to search for: --camera with --frame and --box, or --image, or --identity; one of them"
        )
    if by_box and (request.box is None or (request.frame is None) == (request.time is None)):
        raise InputError("--camera needs --box, and either --frame or --time")
    if not by_box and (request.box is not None or request.frame is not None or request.time is not None):
        raise InputError("--frame, --time and --box need --camera: they point at a person in its recording")


def _query(request: Request, gallery: Gallery, embedder: Embedder) -> _Query:
    if request.camera is not None:
        query, least = _from_box(request, request.camera, gallery, embedder)
        refuse_nobody(f"box in camera {request.camera}", query.pictures[0], float(query.features.mass[0]), least)
        return query
    if request.identity is not None:
        return _from_identity(request.identity, gallery)
    query = _from_images(request.images, embedder)
    for place, path in enumerate(request.images):
        refuse_nobody(str(path), query.pictures[place], float(query.features.mass[place]), LEAST_MASS)
    return query


def refuse_nobody(where: str, picture: Image, mass: float, least: float) -> None:
    """Refuses a picture in which nobody is to be seen.

    Args:
        where: What it is, for the message.
        picture: BGR, `(h, w, 3)`.
        mass: Its saliency mass, [0, 1].
        least: What somebody has at least.

    Raises:
        InputError: If it is of one colour, or has less.
    """
    # The network has never seen an empty picture and may find anything in one.
    if float(picture.std(axis=(0, 1)).max()) < LEAST_CONTRAST:
        raise InputError(f"{where}: is of one colour; give a box or picture that a person fills")
    if mass < least:
        raise InputError(
            f"{where}: nobody is to be seen in it (saliency {mass:.2f}, a person has {least:g} or more); "
            "give a box or picture that a person fills"
        )


def _from_images(paths: tuple[Path, ...], embedder: Embedder) -> _Query:
    pictures = [_read_picture(path) for path in paths]
    names = [path.name for path in paths]
    return _Query(
        embedder.embed(pictures),
        pictures,
        f"search for {', '.join(names)}",
        f"image-{paths[0].stem}",
        {"images": names},
    )


def _from_box(request: Request, name: str, gallery: Gallery, embedder: Embedder) -> tuple[_Query, float]:
    """The query, and the least saliency mass that somebody in that box has."""
    camera = find_camera(gallery, name)
    assert request.box is not None
    if request.time is not None:
        frame = read_frame(camera.source, time=request.time, start=camera.start)
        box = box_query(gallery, name, request.box, frame=frame.index)
    else:
        box = box_query(gallery, name, request.box, frame=request.frame)
        frame = read_frame(camera.source, index=box.frame, start=camera.start)
    crop = cut(frame.image, box.box)
    title = f"search for a box in {name}, frame {frame.index}, {format_time(frame.time)}"
    corner = "-".join(f"{value:.0f}" for value in box.box[:2])
    origin = {"camera": name, "frame": frame.index, "box": list(request.box)}
    with gallery.reading() as connection:
        followed = queries.boxes_at(connection, name, frame.index).astype(np.float64)
    least = LEAST_MASS if iou(np.asarray([box.box]), followed).max(initial=0) > OVERLAP else UNTRACKED_MASS
    return _Query(embedder.embed([crop]), [crop], title, f"{name}-{frame.index}-{corner}", origin), least


def _from_identity(number: int, gallery: Gallery) -> _Query:
    rows, features = identity_sightings(gallery, number)
    stored = [data for data in gallery.crops([row.id for row in rows]) if data is not None]
    pictures = [np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), np.uint8) for data in stored]
    return _Query(features, pictures, f"search for identity {number}", f"identity-{number}", {"identity": number})


def _read_picture(path: Path) -> Image:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a JPEG or PNG picture") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise InputError(f"{path}: not a picture that decodes; name a JPEG or PNG of one person")
    return np.asarray(image, np.uint8)


def _csv(rows: list[dict[str, object]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
