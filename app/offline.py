"""Annotating recordings: track every camera, link identities, store the gallery, draw from the final identities."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import supervision as sv

from app.annotate import Annotator
from app.association import CameraTracklet, Identity, associate
from app.blurring import Sightings, pixelated
from app.blurring_choice import Blurring
from app.config import CameraConfig, Config
from app.detector import Detector
from app.embedding import load_embedder
from app.errors import InputError
from app.files import prepare_folder, write_json
from app.gallery import CameraRow, Gallery
from app.pipeline import Pipeline, Stopwatch, detect_each, timed
from app.regions import Regions
from app.rows import bridged_rows
from app.runtime import Interruption, read_ahead
from app.sources import Frame, Source, open_source
from app.video import VideoWriter
from trackers import Tracklet
from trackers.evaluation import Rows, write_mot

BRIDGED = 1.0
"""Seconds for which a person whom the detector misses is still shown, between where they were seen before and after."""

Progress = Callable[[str, str, int, int | None], None]
"""Told the stage, the camera, the frames done and the frames expected."""


@dataclass(slots=True)
class Recording:
    """One camera's recording and what became of it.

    Attributes:
        config: The camera.
        source: Its frames.
        frames: Frames processed: the number of the last one, plus one.
        boxes: Boxes of all tracklets.
        tracklets: Its tracklets, without their pictures: those are in the gallery.
        sightings: Everything that may be a person; None where nobody is blurred.
    """

    config: CameraConfig
    source: Source
    frames: int = 0
    boxes: int = 0
    tracklets: list[CameraTracklet] = field(default_factory=list)
    sightings: Sightings | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What `annotate` did.

    Attributes:
        recordings: The cameras, in the order given.
        identities: The people.
        seconds: Time spent in each stage; stages that run side by side both count.
        elapsed: Time all of it took, from the first frame on.
        interrupted: Whether Ctrl-C ended it early; what was done by then is complete.
        warnings: What was not as it should be, a line each.
    """

    recordings: list[Recording]
    identities: list[Identity]
    seconds: dict[str, float]
    elapsed: float
    interrupted: bool
    warnings: list[str]


def annotate(
    cameras: Sequence[CameraConfig],
    output: Path,
    config: Config,
    progress: Progress,
    blurring: Blurring | None = None,
) -> Annotation:
    """Tracks recordings and writes videos, MOT rows, identities and a gallery into a folder.

    Args:
        cameras: The recordings, with unique names.
        output: Folder for `<camera>.mp4`, `<camera>.txt`, `identities.json` and `gallery.db`; files of these names
            are replaced.
        config: Settings; people are looked at as often as its section `recordings` says.
        progress: Called after each frame.
        blurring: Who is made unrecognisable in the videos; None for nobody.

    Raises:
        InputError: If a source, the weights or the output cannot be used.
    """
    config = config.for_recordings()
    recordings = [
        Recording(camera, open_source(camera), sightings=None if blurring is None else Sightings())
        for camera in cameras
    ]
    _refuse_overwriting(recordings, output)
    prepare_folder(output)
    embedder = load_embedder(config.embedder)
    detector = Detector(config.detector)
    watch = Stopwatch()
    start = time.perf_counter()
    with Interruption() as interruption:
        with _NewGallery(output / "gallery.db", embedder.model_id, config) as gallery:
            for recording in recordings:
                _track(
                    recording,
                    detector,
                    Pipeline(embedder, config.tracker, watch),
                    gallery,
                    interruption,
                    progress,
                )
            done = [recording for recording in recordings if recording.frames]
            with watch("associate"):
                identities = associate([item for each in done for item in each.tracklets], config.association)
                gallery.set_identities(identities)
        rows = [bridged_rows(identities, recording.config.name, BRIDGED) for recording in done]
        _write_results(output, done, rows, identities)
        interrupted, interruption.requested = interruption.requested, False
        for recording, shown in zip(done, rows, strict=True):
            areas = None
            if blurring is not None and recording.sightings is not None:
                areas = recording.sightings.areas(shown, blurring.keep, recording.frames)
            _draw(recording, shown, areas, output, watch, interruption, progress)
        interrupted |= interruption.requested
    warnings = [line for recording in recordings for line in recording.source.warnings]
    missing = (blurring.keep if blurring is not None else frozenset()) - {each.number for each in identities}
    warnings += [f"--keep {number}: nobody has this number; all others are blurred" for number in sorted(missing)]
    return Annotation(recordings, identities, dict(watch.seconds), time.perf_counter() - start, interrupted, warnings)


def _refuse_overwriting(recordings: list[Recording], output: Path) -> None:
    for recording in recordings:
        target = output / f"{recording.config.name}.mp4"
        if target.exists() and target.samefile(recording.config.source):
            raise InputError(f"{target}: the annotated video would replace its own source; give another --output")


class _NewGallery:
    """A gallery written beside the old one, which it replaces only when it is complete."""

    def __init__(self, path: Path, model_id: str, config: Config) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.part")
        self._clear()
        self._gallery = Gallery.create(self._partial, model_id, config=config.gallery)

    def _clear(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._partial.with_name(self._partial.name + suffix).unlink(missing_ok=True)

    def __enter__(self) -> Gallery:
        return self._gallery

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self._gallery.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._clear()


def _track(
    recording: Recording,
    detector: Detector,
    pipeline: Pipeline,
    gallery: Gallery,
    interruption: Interruption,
    progress: Progress,
) -> None:
    """The first pass over a camera: its tracklets go into the gallery as they end."""
    if interruption.requested:
        return
    source, name = recording.source, recording.config.name
    gallery.add_camera(_camera_row(recording))
    regions = Regions(recording.config, source.width, source.height)
    # Detection runs ahead in a thread: it needs nothing from tracking, and both leave Python for most of their time.
    sightings = recording.sightings

    def noted(frame: Frame, found: sv.Detections) -> None:
        if sightings is not None:
            sightings.detected(frame.index, frame.time, found.xyxy)

    for frame, detections in read_ahead(detect_each(source, detector, regions, pipeline.watch, noted)):
        pipeline.process(frame, detections)
        if sightings is not None:
            sightings.expected(frame.index, pipeline.tracker.expected)
        recording.frames = frame.index + 1  # frames that do not decode keep their numbers
        _keep(recording, pipeline.finished(), gallery, pipeline.watch)
        progress("track", name, recording.frames, source.frame_count)
        if interruption.requested:
            break
    _keep(recording, pipeline.flush(), gallery, pipeline.watch)
    gallery.add_camera(_camera_row(recording))


def _camera_row(recording: Recording) -> CameraRow:
    source = recording.source
    return CameraRow(
        name=recording.config.name,
        source=str(Path(recording.config.source).resolve()),
        start=recording.config.start,
        width=source.width,
        height=source.height,
        rate=float(source.rate),
        frame_count=recording.frames,
    )


def _keep(recording: Recording, ended: list[Tracklet], gallery: Gallery, watch: Stopwatch) -> None:
    if not ended:
        return
    with watch("store"):
        gallery.add_tracklets(recording.config.name, ended)
    for tracklet in ended:
        bare = dataclasses.replace(tracklet, exemplar_crops=(None,) * len(tracklet.exemplar_crops))
        recording.tracklets.append(CameraTracklet(recording.config.name, bare))
        recording.boxes += len(tracklet)


def _write_results(output: Path, recordings: list[Recording], rows: list[Rows], identities: list[Identity]) -> None:
    for recording, boxes in zip(recordings, rows, strict=True):
        write_mot(output / f"{recording.config.name}.txt", boxes)
    cameras = [
        {
            "name": row.name,
            "source": row.source,
            "start": row.start,
            "width": row.width,
            "height": row.height,
            "rate": row.rate,
            "frames": row.frame_count,
        }
        for row in map(_camera_row, recordings)
    ]
    people = [
        {
            "identity": identity.number,
            "status": identity.status,
            "reason": identity.reason,
            "tracklets": [_tracklet_facts(member) for member in identity.members],
        }
        for identity in identities
    ]
    write_json(output / "identities.json", {"cameras": cameras, "identities": people})


def _tracklet_facts(member: CameraTracklet) -> dict[str, object]:
    tracklet = member.tracklet
    return {
        "camera": member.camera,
        "track": tracklet.track_id,
        "first_frame": int(tracklet.frames[0]),
        "last_frame": int(tracklet.frames[-1]),
        "first_time": float(tracklet.times[0]),
        "last_time": float(tracklet.times[-1]),
        "boxes": len(tracklet),
        "exemplars": 0 if tracklet.exemplars is None else len(tracklet.exemplars),
        "least_sure": None if tracklet.sure is None else round(float(tracklet.sure.min()), 3),
        "found_again": [{"frame": each.frame, "time": each.time, "reason": each.reason} for each in tracklet.refinds],
    }


def _draw(
    recording: Recording,
    rows: Rows,
    areas: Sequence[npt.NDArray[np.float64]] | None,
    output: Path,
    watch: Stopwatch,
    interruption: Interruption,
    progress: Progress,
) -> None:
    """The second pass over a camera: the frames that were tracked, drawn with their final identities."""
    if interruption.requested:
        return
    source, name = recording.source, recording.config.name
    edges: npt.NDArray[np.intp] = np.searchsorted(rows.frames, np.arange(1, recording.frames + 2))
    annotator = Annotator(source.height)
    with VideoWriter(output / f"{name}.mp4", source.width, source.height, source.rate) as writer:
        for frame in read_ahead(timed(source, "decode", watch)):
            if frame.index >= recording.frames or interruption.requested:
                break
            shown = slice(edges[frame.index], edges[frame.index + 1])
            with watch("draw"):
                image = frame.image if areas is None else pixelated(frame.image, areas[frame.index])
                image = annotator.draw(image, rows.boxes[shown], rows.ids[shown])
            with watch("encode"):
                writer.write(image, frame.time)
            progress("draw", name, frame.index + 1, recording.frames)
