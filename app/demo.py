"""The demonstration: three simulated cameras tracked, linked, drawn and scored against truth, and one search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from app.config import Config
from app.errors import InputError
from app.files import prepare_folder
from app.finding import Found, Request, find
from app.mosaic import Part, write_mosaic
from app.offline import Annotation, annotate
from app.search import Match
from app.shipped import shipped
from app.sources import name_sources
from trackers import evaluation as mot
from trackers.evaluation import Rows, Sequence
from trackers.gates import iou

SCENE = shipped("demo_videos", "three-cameras")

LEAST_IDF1 = 70.0
"""IDF1 across cameras, per cent, below which the demonstration has failed."""

PARTLY = (0.35, 0.65)
"""Share of a person that is visible where they count as partly hidden."""

VISIBLE = 0.7
"""Share of a person that is visible where they are plain to see."""

MATCHES = 8
FOUND = 0.5
"""Least overlap (intersection over union) of a sighting with a person's true box."""

Result = dict[str, str | float]


@dataclass(frozen=True, slots=True)
class Hidden:
    """A person partly hidden: who is searched for.

    Attributes:
        camera: Where they are seen.
        frame: 0-based frame number.
        box: Left, top, width, height in pixels, of the whole person.
        person: Their true number.
        visibility: Share of them that is visible.
    """

    camera: str
    frame: int
    box: tuple[float, float, float, float]
    person: int
    visibility: float


@dataclass(frozen=True, slots=True)
class Demonstration:
    """What came of it.

    Attributes:
        annotation: What `annotate` did.
        mosaic: The video of all cameras; None where it was interrupted.
        scores: A result for each camera, and one, `all cameras`, across them.
        hidden: Who was searched for.
        found: What the search found.
        right: For each match, whether it is truly that person.
    """

    annotation: Annotation
    mosaic: Path | None
    scores: list[Result]
    hidden: Hidden | None
    found: Found | None
    right: list[bool]

    @property
    def passed(self) -> bool:
        """Whether identities across cameras are as good as they must be."""
        return bool(self.scores) and float(self.scores[-1]["IDF1"]) >= LEAST_IDF1


def demonstrate(output: Path, config: Config, progress: Callable[[str, str, int, int | None], None]) -> Demonstration:
    """Runs the product's main job on the simulated scene that comes with it.

    Args:
        output: Folder for everything it writes.
        config: Settings.
        progress: Told the stage, the camera, the frames done and expected.

    Raises:
        InputError: If the scene is not there, or the output cannot be written.
    """
    sequences = _read_scene(SCENE)
    prepare_folder(output)
    annotation = annotate(
        name_sources([f"{sequence.path.name}={sequence.images}" for sequence in sequences]), output, config, progress
    )
    if annotation.interrupted:
        return Demonstration(annotation, None, [], None, None, [])
    predictions = [mot.read_mot(output / f"{sequence.path.name}.txt") for sequence in sequences]
    mosaic = output / "mosaic.mp4"
    parts = [
        Part(sequence.path.name, output / f"{sequence.path.name}.mp4", rows)
        for sequence, rows in zip(sequences, predictions, strict=True)
    ]
    write_mosaic(parts, mosaic, lambda done, expected: progress("mosaic", "", done, expected))
    hidden = choose_hidden(sequences)
    request = Request(
        gallery=output, camera=hidden.camera, frame=hidden.frame, box=hidden.box, top=MATCHES, output=output / "search"
    )
    found = find(request, config)
    by_name = {sequence.path.name: sequence.truth for sequence in sequences}
    right = [true_person(match, by_name[match.camera]) == hidden.person for match in found.matches]
    return Demonstration(annotation, mosaic, scores(sequences, predictions), hidden, found, right)


def scores(sequences: list[Sequence], predictions: list[Rows]) -> list[Result]:
    """Identities against truth: a result for each camera, then one across all of them."""
    results: list[Result] = []
    for sequence, rows in zip(sequences, predictions, strict=True):
        results.append({"name": sequence.path.name, **_rounded(mot.score(sequence, rows))})
    return [*results, {"name": "all cameras", **_rounded(mot.score_cameras(sequences, predictions))}]


def choose_hidden(sequences: list[Sequence]) -> Hidden:
    """The tallest partly hidden person, wholly inside the picture, whom another camera sees well.

    Raises:
        InputError: If there is none.
    """
    visibilities = [mot.read_visibility(sequence) for sequence in sequences]
    plain = [each.truth.ids[share >= VISIBLE] for each, share in zip(sequences, visibilities, strict=True)]
    best: tuple[float, Hidden] | None = None
    for place, (sequence, visible) in enumerate(zip(sequences, visibilities, strict=True)):
        elsewhere = [ids for other, ids in enumerate(plain) if other != place]
        boxes, truth = sequence.truth.boxes, sequence.truth
        inside = (boxes[:, :2] >= 0).all(axis=1) & (boxes[:, 2:] <= (sequence.width, sequence.height)).all(axis=1)
        fits = inside & (visible >= PARTLY[0]) & (visible <= PARTLY[1]) & np.isin(truth.ids, [*chain(*elsewhere)])
        heights = np.where(fits, boxes[:, 3] - boxes[:, 1], 0.0)
        row = int(heights.argmax())
        if heights[row] > (best[0] if best else 0.0):
            left, top, right, bottom = boxes[row].tolist()
            hidden = Hidden(
                camera=sequence.path.name,
                frame=int(truth.frames[row]) - 1,
                box=(left, top, right - left, bottom - top),
                person=int(truth.ids[row]),
                visibility=float(visible[row]),
            )
            best = float(heights[row]), hidden
    if best is None:
        raise InputError(f"{SCENE}: nobody in it is partly hidden; restore the folder as it was shipped")
    return best[1]


def true_person(match: Match, truth: Rows) -> int | None:
    """Who a match really shows: whose true box it overlaps most, by half or more; None for nobody."""
    here = truth[truth.frames == match.frame + 1]
    if not len(here):
        return None
    overlaps = iou(np.asarray([match.box], np.float64), here.boxes)[0]
    nearest = int(overlaps.argmax())
    return int(here.ids[nearest]) if overlaps[nearest] >= FOUND else None


def _read_scene(folder: Path) -> list[Sequence]:
    cameras = sorted(path.parent for path in folder.glob("*/video.mp4"))
    if not cameras:
        raise InputError(f"{folder}: the demonstration's videos are not there; install crowdtrace again")
    return [mot.read_sequence(camera) for camera in cameras]


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in values.items()}
