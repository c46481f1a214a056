"""A scene with truth: a folder for each camera, and what `scene.yaml` says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.config import CameraConfig, Config, Polygon
from app.config_association import AssociationConfig
from app.errors import InputError
from app.regions import Regions
from app.sources import Source, open_source
from trackers.evaluation import Rows, Sequence, SequenceError, read_mot, read_sequence, read_visibility

Matrix = list[list[float]]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LEAST_VISIBILITY = 0.3
"""Share of a person from which they count as visible, where the truth says how much shows."""

PEDESTRIAN = 1


class _Part(BaseModel):
    """What a scene file says besides is left alone: it may have been written for more than this."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class _Video(_Part):
    camera: str
    start: float = 0.0


class _Calibration(_Part):
    ground_to_image: Matrix | None = None


class _Overlap(_Part):
    cameras: tuple[str, str]


class _SceneFile(_Part):
    videos: list[_Video] = Field(default=[])
    calibration: dict[str, _Calibration] = Field(default={})
    overlaps: list[_Overlap] | None = None
    ignore: dict[str, list[Polygon]] = Field(default={})


@dataclass(frozen=True, eq=False)
class SceneCamera:
    """A camera of a scene.

    Attributes:
        config: Name, pictures, start and homography.
        source: Its pictures.
        sequence: Length, size and truth, all of it.
        visible: Which truth rows show enough of a person, `(n,)`.
        regions: Where what is seen counts.
    """

    config: CameraConfig
    source: Source
    sequence: Sequence
    visible: Bools
    regions: Regions

    @property
    def name(self) -> str:
        """Of the camera."""
        return self.config.name

    @cached_property
    def times(self) -> Floats:
        """Time of each frame in seconds, `(length,)`; a truth that is longer than the video goes on at its rate."""
        times = np.array(self.source.frame_times()[: self.sequence.length])
        more = np.arange(1, self.sequence.length - len(times) + 1) / self.sequence.fps
        return np.concatenate([times, times[-1] + more])

    def counted(self, rows: Rows) -> Rows:
        """Rows without those whose feet are where nothing counts, or that are past the end."""
        return rows[self.regions.keep(rows.boxes) & (rows.frames <= self.sequence.length)]


@dataclass(frozen=True, eq=False)
class Scene:
    """Cameras that film the same people.

    Attributes:
        name: Of its folder.
        cameras: By name.
        overlaps: Pairs of cameras that see a common place; None where nobody said.
    """

    name: str
    cameras: list[SceneCamera]
    overlaps: list[tuple[str, str]] | None

    @property
    def homographies(self) -> dict[str, Matrix]:
        """Of the cameras that have one, from source pixels to metres."""
        return {each.name: each.config.homography for each in self.cameras if each.config.homography is not None}

    def settings(self, config: AssociationConfig) -> AssociationConfig:
        """The settings with the scene's overlaps, where the settings have none of their own."""
        if self.overlaps is None or config.overlaps is not None:
            return config
        return config.model_copy(update={"overlaps": self.overlaps})


def read_scene(folder: Path, config: Config, *, calibrated: bool = True) -> Scene:
    """Reads a scene: `<camera>/gt/gt.txt` beside `video.mp4` or `img1/`, and `scene.yaml` where there is one.

    Frame rate, length and size are those of `seqinfo.ini`, else of the pictures. A camera that the configuration names
    has its settings. `scene.yaml` says, each where it is known: `videos: [{camera, start}]`, `calibration: {camera:
    {ground_to_image}}` (3 × 3), `overlaps: [{cameras: [a, b]}]` and `ignore: {camera: [polygon, …]}` in source pixels.

    Args:
        folder: The scene.
        config: Settings.
        calibrated: Whether overlaps and calibration are used.

    Raises:
        InputError: If there are no cameras, or a file cannot be used.
        SequenceError: If a camera's truth cannot be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a scene with <camera>/video.mp4 and <camera>/gt/gt.txt")
    truths = sorted(folder.glob("*/gt/gt.txt"))
    if not truths:
        raise InputError(f"{folder}: no <camera>/gt/gt.txt in it; give a scene with a folder for each camera")
    told = _read_file(folder / "scene.yaml")
    known = {camera.name: camera for camera in config.cameras}
    places = [path.parent.parent for path in truths]
    cameras = [_camera(place, known.get(place.name), told, calibrated) for place in places]
    names = {camera.name for camera in cameras}
    overlaps = None
    if calibrated and told.overlaps is not None:
        overlaps = [each.cameras for each in told.overlaps if set(each.cameras) <= names]
    return Scene(folder.resolve().name, cameras, overlaps)


def _read_file(path: Path) -> _SceneFile:
    if not path.is_file():
        return _SceneFile()
    try:
        document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return TypeAdapter(_SceneFile).validate_python(document or {})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{path}: {where}: {problem['msg']}; correct it, or take it away: it may be missing") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: cannot be read ({reason}); correct it, or take it away: it may be missing") from None


def _camera(place: Path, known: CameraConfig | None, told: _SceneFile, calibrated: bool) -> SceneCamera:
    pictures = next((each for each in (place / "video.mp4", place / "img1") if each.exists()), None)
    informed = read_sequence(place) if (place / "seqinfo.ini").is_file() else None
    pictures = informed.images if informed is not None else pictures
    if pictures is None:
        raise InputError(f"{place}: neither video.mp4 nor img1/ is there; a camera of a scene needs its pictures")
    starts = {video.camera: video.start for video in told.videos}
    given: dict[str, Any] = {"start": starts.get(place.name, 0.0), "ignore": told.ignore.get(place.name, [])}
    if calibrated:
        given["homography"] = _homography(told.calibration, place)
    given |= {} if known is None else known.model_dump(exclude_unset=True)
    try:
        camera = CameraConfig(**(given | {"name": place.name, "source": str(pictures)}))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise InputError(f"{place}: {problem['msg'].removeprefix('Value error, ')}; rename or correct it") from None
    source = open_source(camera)
    sequence = informed or _uninformed(place, source, pictures)
    shown = _visibility(sequence) >= LEAST_VISIBILITY
    return SceneCamera(camera, source, sequence, shown, Regions(camera, sequence.width, sequence.height))


def _uninformed(place: Path, source: Source, pictures: Path) -> Sequence:
    """A camera without `seqinfo.ini`: what it would say is in the pictures."""
    path = place / "gt" / "gt.txt"
    truth = read_mot(path)
    truth = truth[truth.scores != 0]
    pairs = np.stack([truth.frames, truth.ids], axis=1)
    if len(np.unique(pairs, axis=0)) < len(pairs):
        raise SequenceError(f"{path}: an identity has two boxes in one frame")
    length, rate = len(source.frame_times()), Fraction(source.rate)
    if len(truth) and truth.frames.max() > length:
        raise SequenceError(f"{path}: frame {truth.frames.max()} is past the end of {pictures}, which has {length}")
    return Sequence(place.name, place, length, float(rate), source.width, source.height, pictures, truth)


def _visibility(sequence: Sequence) -> Floats:
    """How much of each truth row's person shows: column 9 where column 8 is the class of a person, else all of them."""
    if len(sequence.truth) and (sequence.truth.kinds == PEDESTRIAN).all():
        try:
            return read_visibility(sequence)
        except SequenceError:  # eight columns: nobody says
            pass
    return np.ones(len(sequence.truth))


def _homography(calibration: Mapping[str, _Calibration], place: Path) -> Matrix | None:
    """From source pixels to metres: the other way round than the file has it."""
    there = calibration.get(place.name)
    if there is None or there.ground_to_image is None:
        return None
    try:
        back = np.linalg.inv(np.array(there.ground_to_image, np.float64))
    except (np.linalg.LinAlgError, ValueError):
        raise InputError(
            f"{place.parent / 'scene.yaml'}: calibration.{place.name}.ground_to_image: expected a 3 × 3 matrix that "
            "can be inverted; correct it"
        ) from None
    return back.tolist()  # type: ignore[no-any-return]
