"""People cut from a MOT Challenge sequence with truth: covered ones ask, clear ones are the gallery.

Everybody is seen by one camera, so time keeps the task honest: no query has a gallery crop of its person less than
two seconds away. Queries count as taken by camera 1 and the gallery by camera 2.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from reid_model.datasets.images import DatasetError, ImageArray, Labelled, Part, ReidImages, decode_image, read_bytes
from reid_model.datasets.visibility import visible_shares

WITH_CLASSES = ("MOT16", "MOT17", "MOT20")
"""Sequences whose truth tells the class in column 8 (1 is a pedestrian) and the visibility in column 9."""

QUERY_VISIBILITY = (0.1, 0.6)
"""Visible share of a query's box: covered, but not out of sight."""

GALLERY_VISIBILITY = 0.8
TRAIN_VISIBILITY = 0.4

UNSURE = 0.04
"""Feet less than this share of a box's height apart do not tell who is nearer."""

GAP = 2.0
"""Seconds between a query and any gallery crop of its person."""

SPACING: dict[Part, float] = {"train": 0.2, "query": 0.4, "gallery": 0.4}
"""Seconds of a person's life of which one crop is taken."""

SMALLEST = (12, 32)
"""Width and height in pixels below which a box is not cut."""

_CAMERAS: dict[Part, int] = {"train": 1, "query": 1, "gallery": 2}


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """n people to be cut from a sequence.

    Attributes:
        folder: The sequence's folder.
        name: The sequence's name.
        rate: Frames per second.
        frames: Frame of each, from 1, `(n,)`.
        ids: Person of each, `(n,)`.
        boxes: Left, top, right, bottom inside the picture, in pixels, `(n, 4)`.
        most: Visible share of each box, 0 to 1, where all that is unsure shows, `(n,)`.
        least: The same where all that is unsure is covered, `(n,)`.
    """

    folder: Path
    name: str
    rate: float
    frames: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    most: npt.NDArray[np.float64]
    least: npt.NDArray[np.float64]


def read_mot(folder: Path, part: Part) -> ReidImages:
    """One part of a sequence with truth, or of several in one folder, cut into PNG crops.

    - query: crops of low visibility, of people also seen clearly at another time;
    - gallery: crops of high visibility; a sequence too short for queries still gives its people as strangers;
    - train: sufficiently visible crops of people with two or more.

    Raises:
        DatasetError: If a file is missing, malformed or does not decode, or the sequences have no crop for this part.
    """
    images: list[Labelled] = []
    first = 1
    for sequence in _sequences(folder):
        truth = read_truth(sequence)
        chosen = choose(truth, part)
        people = np.unique(truth.ids, return_inverse=True)[1] + first
        first += len(np.unique(truth.ids))
        for row, crop in _cut(truth, chosen):
            name = f"{truth.name}_{truth.ids[row]:04d}_{truth.frames[row]:06d}_v{100 * truth.least[row]:03.0f}.png"
            images.append((name, _png(crop), int(people[row]), _CAMERAS[part]))
    if not images:
        reasons: dict[Part, str] = {
            "query": f"nobody is seen covered and, {GAP:g} s or more away, clearly; give a longer sequence",
            "gallery": "nobody is seen clearly; give another sequence",
            "train": "nobody is seen clearly twice; give a longer sequence",
        }
        raise DatasetError(f"{folder}: {reasons[part]}")
    return ReidImages.of(images)


def _sequences(folder: Path) -> list[Path]:
    """The folder itself, or the sequences in it; of one video with several detectors' boxes only the first."""
    if (folder / "seqinfo.ini").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/seqinfo.ini"))
    if not found:
        raise DatasetError(f"{folder}: no seqinfo.ini here or one folder down; name a MOT sequence")
    return list({re.sub(r"-(DPM|FRCNN|SDP)$", "", path.name): path for path in reversed(found)}.values())[::-1]


def read_truth(folder: Path) -> Truth:
    """The people in a sequence's `gt/gt.txt` that count: column 7 is not 0 and, where there are classes, pedestrians.

    Visibility is column 9 where the format has it. Elsewhere, as in MOT15 where these columns are world coordinates,
    it is the share of the box inside the picture and not under a box that ends lower, which is nearer.

    Raises:
        DatasetError: If a file is missing or not as the format says.
    """
    name, rate, width, height = _read_info(folder / "seqinfo.ini")
    rows = _read_rows(folder / "gt" / "gt.txt")
    corners = np.hstack([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]])
    frames, classes = rows[:, 0].astype(np.int64), name.startswith(WITH_CLASSES)
    if classes and rows.shape[1] > 8:
        shares = np.stack([rows[:, 8]] * 2)
    else:
        shares = np.stack([visible_shares(frames, corners, width, height, lead) for lead in (UNSURE, -UNSURE)])
    counts = rows[:, 6] != 0
    if classes:
        counts &= rows[:, 7] == 1
    boxes = corners.clip(0, [width, height, width, height])
    counts &= (boxes[:, 2:] - boxes[:, :2] >= SMALLEST).all(axis=1)
    ids = rows[:, 1].astype(np.int64)
    return Truth(folder, name, rate, frames[counts], ids[counts], boxes[counts], *shares[:, counts])


def _read_info(path: Path) -> tuple[str, float, int, int]:
    """Name, frames per second, width and height."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_bytes(path).decode("utf-8-sig"))
        info = parser["Sequence"]
        values = float(info["frameRate"]), int(info["imWidth"]), int(info["imHeight"])
    except (configparser.Error, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: not a sequence's description ({' '.join(str(error).split())})") from None
    if min(values) <= 0:
        raise DatasetError(f"{path}: frameRate, imWidth and imHeight must be above 0")
    return info.get("name", path.parent.name), *values


def _read_rows(path: Path) -> npt.NDArray[np.float64]:
    """Rows of truth, `(n, 8 or more)`: frame, id, left, top, width, height, use, class and what follows."""
    lines = [line for line in read_bytes(path).decode("utf-8-sig", "replace").splitlines() if line.strip()]
    try:
        rows = np.array([line.replace(",", " ").split() for line in lines], np.float64)
    except ValueError as error:
        raise DatasetError(f"{path}: expected rows of numbers, equally long ({error})") from None
    if rows.ndim != 2 or rows.shape[1] < 6 or not np.isfinite(rows).all() or (rows[:, 0] < 1).any():
        raise DatasetError(f"{path}: expected rows frame,id,left,top,width,height,…, frames from 1")
    defaults = np.broadcast_to([1.0, 1.0], (len(rows), 2))
    return np.hstack([rows, defaults[:, rows.shape[1] - 6 :]])


def choose(truth: Truth, part: Part) -> npt.NDArray[np.intp]:
    """Which people of a sequence make up a part, as sorted indices into `truth`."""
    if part == "train":
        return _train_rows(truth)
    low, high = QUERY_VISIBILITY
    covered = _thinned(truth, (truth.least >= low) & (truth.most <= high), SPACING["query"])
    clear = _thinned(truth, truth.least >= GALLERY_VISIBILITY, SPACING["gallery"])
    asked: list[npt.NDArray[np.intp]] = []
    shown: list[npt.NDArray[np.intp]] = []
    for person in np.unique(truth.ids):
        mine, theirs = covered[truth.ids[covered] == person], clear[truth.ids[clear] == person]
        queries, gallery = apart(truth.frames[mine], truth.frames[theirs], GAP * truth.rate)
        asked.append(mine[queries])
        shown.append(theirs[gallery])
    return np.sort(np.concatenate(asked if part == "query" else shown, dtype=np.intp)) if asked else np.arange(0)


def _train_rows(truth: Truth) -> npt.NDArray[np.intp]:
    seen = truth.least >= TRAIN_VISIBILITY
    rows = _thinned(truth, seen, SPACING["train"])
    # Of somebody seen only briefly, the last crop beside the first is better than no pair.
    backward = np.flatnonzero(seen)[::-1]
    last = backward[np.unique(truth.ids[backward], return_index=True)[1]]
    people, counts = np.unique(truth.ids[rows], return_counts=True)
    rows = np.union1d(rows, last[np.isin(truth.ids[last], people[counts == 1])])
    people, counts = np.unique(truth.ids[rows], return_counts=True)
    return np.asarray(rows[np.isin(truth.ids[rows], people[counts > 1])], np.intp)


def _thinned(truth: Truth, wanted: npt.NDArray[np.bool_], seconds: float) -> npt.NDArray[np.intp]:
    """Of each person the first wanted row in every stretch of so many seconds, by time."""
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(truth.frames[rows], kind="stable")]
    stretch = ((truth.frames[rows] - 1) / max(1.0, seconds * truth.rate)).astype(np.int64)
    return np.sort(rows[np.unique(np.stack([truth.ids[rows], stretch]), axis=1, return_index=True)[1]])


def apart(
    covered: npt.NDArray[np.int64], clear: npt.NDArray[np.int64], gap: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Which covered and which clear frames of one person to keep, so that all pairs lie `gap` frames apart.

    The queries are those of one stretch of time and the gallery what lies outside it; of all stretches the one with
    most queries, then with most gallery. Where none leaves both, there are no queries and the whole gallery stays.

    Args:
        covered: Frames of the queries, `(q,)`.
        clear: Frames of the gallery, `(g,)`.
        gap: Least distance in frames.

    Returns:
        Masks `(q,)` and `(g,)`.
    """
    best = (0, len(clear), np.zeros(len(covered), bool), np.ones(len(clear), bool))
    for start in np.unique(covered):
        for end in np.unique(covered[covered >= start]):
            asked = (covered >= start) & (covered <= end)
            shown = (clear <= start - gap) | (clear >= end + gap)
            found = (int(asked.sum()), int(shown.sum()))
            if found[1] and found > best[:2]:
                best = (*found, asked, shown)
    return best[2], best[3]


def _cut(truth: Truth, rows: npt.NDArray[np.intp]) -> Iterator[tuple[int, ImageArray]]:
    """Row and crop of each row, by time."""
    wanted = np.unique(truth.frames[rows])
    for frame, image in _images(truth.folder, wanted):
        height, width = image.shape[:2]
        for row in rows[truth.frames[rows] == frame]:
            left, top = np.floor(truth.boxes[row, :2]).astype(int)
            right, bottom = np.ceil(truth.boxes[row, 2:]).astype(int)
            if left >= width or top >= height:
                raise DatasetError(f"{truth.folder}: the pictures are smaller than seqinfo.ini says; correct it")
            yield int(row), image[top:bottom, left:right]


def _images(folder: Path, frames: npt.NDArray[np.int64]) -> Iterator[tuple[int, ImageArray]]:
    """The named frames of a sequence, from 1, as BGR."""
    if not len(frames):
        return
    video = folder / "video.mp4"
    if video.is_file():
        yield from _video_images(video, frames)
        return
    for frame in frames:
        path = next(
            (p for ending in (".jpg", ".png") if (p := folder / "img1" / f"{frame:06d}{ending}").is_file()), None
        )
        if path is None:
            raise DatasetError(f"{folder}: no video.mp4 and no img1/{frame:06d}.jpg here; add the pictures")
        yield int(frame), decode_image(str(path), read_bytes(path))


def _video_images(path: Path, frames: npt.NDArray[np.int64]) -> Iterator[tuple[int, ImageArray]]:
    wanted, last = set(frames.tolist()), int(frames[-1])
    number = 0
    try:
        # Only local files: a playlist under a video's name must not make the program fetch what it lists.
        with av.open(str(path.resolve()), options={"protocol_whitelist": "file"}) as container:
            for number, picture in enumerate(container.decode(video=0), 1):
                if number in wanted:
                    yield number, np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
                if number == last:
                    return
    except (av.error.FFmpegError, IndexError) as error:
        raise DatasetError(f"{path}: does not decode after {number} frames ({error}); copy it again") from None
    raise DatasetError(f"{path}: ends after {number} frames, the truth at {last}; copy it again")


def _png(crop: ImageArray) -> bytes:
    # Without loss: the crop is one decoding away from the video, as a tracker sees it.
    return bytes(cv2.imencode(".png", crop, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])
