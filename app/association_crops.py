"""Scoring the links between tracklets that are made of a re-identification dataset's crops: real people, many cameras.

Market-1501's names say which camera took a crop, in which of its recordings, and in which frame. So the crops of a
person in a recording of a camera are a tracklet, cut where the person was away for longer than `AWAY`. A distractor
(identity 0) is nobody who is seen twice: each is a tracklet and a person of its own, who must stay alone. Junk is left
out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.association import CameraTracklet
from app.association.clustering import agglomerate
from app.association.constraints import simultaneous
from app.association_evaluation import Associator, Result, cameras_of, identities_of, linker
from app.association_tracklets import Labels, Progress, made_tracklet
from app.config import Config
from app.config_association import AssociationConfig
from app.embedding import load_embedder
from app.errors import InputError
from app.linking_scores import NOBODY, cross_pairs, each_alone, linking_scores, pair_scores
from app.reid_evaluation import occluder_folder
from reid_model.datasets import ReidImages, held_out, read_dataset
from reid_model.datasets.images import DISTRACTOR, JUNK
from reid_model.datasets.market1501 import MARKET_NAME
from reid_model.embedder import Embedder
from reid_model.features import Features, FloatArray
from reid_model.occlusion import Occluders
from trackers.appearance import Crops, Exemplars
from trackers.tracklet import Views

RATE = 25.0
"""Frames a second of Market-1501's cameras."""

AWAY = 10.0
"""Seconds without a crop from which a person in a recording is another tracklet."""

PAUSE = 3600.0
"""Seconds between two recordings: longer than anybody is remembered by a tracker."""

TOGETHER = 1024
"""Crops of which features stand in memory before the views that are kept are chosen."""

STEP = 256
"""Crops embedded at once."""

THRESHOLDS = np.arange(0.30, 0.9001, 0.02)
"""Among which the threshold of each way to match is chosen."""

ASKING_MORE = frozenset({"gasm", "gasm online", "global"})
"""Ways that ask for more among more people by themselves."""

ImageArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True)
class CropsRequest:
    """What is scored.

    Attributes:
        data: `KIND:DIR` of a dataset whose files are named as Market-1501's are, with its training part.
        occlude: Seed by which every crop is covered; None leaves them as they are.
        occluders: Penn-Fudan folder; that of the shared data when None.
    """

    data: str
    occlude: int | None = None
    occluders: Path | None = None


@dataclass(frozen=True, eq=False)
class Presence:
    """n tracklets, as crops.

    Attributes:
        images: All crops.
        rows: Of each tracklet its crops' places in `images`, in order of time.
        people: Whose each is, `(n,)`; `NOBODY`: a person of its own.
        cameras: Where, `(n,)`.
        frames: Of each tracklet the frame of each crop, counted over all recordings.
    """

    images: ReidImages
    rows: list[IntArray]
    people: Labels
    cameras: Labels
    frames: list[Labels]


@dataclass(frozen=True, eq=False)
class Shown:
    """Tracklets of real people, as association takes them.

    Attributes:
        tracklets: n of them, with the views that the tracker would keep.
        means: Mean pooled feature of all crops of each, unit length, `(n, D)`.
        people: Whose each is, `(n,)`; `NOBODY`: a person of its own.
    """

    tracklets: list[CameraTracklet]
    means: FloatArray
    people: Labels

    @property
    def cameras(self) -> Labels:
        """Number of each tracklet's camera, `(n,)`."""
        return cameras_of(self.tracklets)


Linked = Callable[[Shown, float], Labels]
"""Identity of each tracklet at a threshold."""


def evaluate_crops(request: CropsRequest, config: Config, associator: Associator, progress: Progress) -> list[Result]:
    """Scores the links between the tracklets of a dataset's query and gallery parts.

    Each way to match has the threshold that serves it best on the people kept out of training: the highest F1, where a
    false link counts as often as there are more tracklets here to be wrong about than there, unless the way asks for
    more among more people by itself. With `occlude` both are covered.

    Args:
        request: What is scored.
        config: Settings; exemplars a tracklet are `tracker.exemplars`.
        associator: How tracklets are linked by `gasm` and `global`.
        progress: Called as crops are embedded.

    Returns:
        `gasm`, `global` (pooled features of the same views, otherwise linked alike) and `mean-feature` (cosine of the
        tracklets' mean features, clustered with average linkage), then `as configured`: the settings and their
        threshold as they are. Each with the scores of `linking_scores`, its `threshold`, and how many `tracklets` and
        `people` there are.

    Raises:
        InputError: If names do not say when and where crops were taken, or there is nobody to score.
        reid_model.datasets.DatasetError: If the data or the occluders cannot be used.
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
    """
    shown, kept = read_shown(request, config, progress)
    ways = linked_by(config.association, associator)
    results = []
    for name, way in ways.items():
        tick = partial(progress, "choose", name)
        results.append(
            score_shown(name, shown, way, chosen_threshold(kept, way, chosen_among(name, shown, kept), tick))
        )
    configured = partial(_associated, config=config.association, associator=associator)
    return [*results, score_shown("as configured", shown, configured, config.association.threshold)]


def linked_by(config: AssociationConfig, associator: Associator) -> dict[str, Linked]:
    """The ways to match that are compared."""
    gasm, pooled = (config.model_copy(update={"matching": name}) for name in ("gasm", "global"))
    return {
        "gasm": partial(_associated, config=gasm, associator=associator),
        "global": partial(_associated, config=pooled, associator=associator),
        "mean-feature": by_mean_feature,
    }


def _associated(shown: Shown, threshold: float, *, config: AssociationConfig, associator: Associator) -> Labels:
    found = linker(associator)(shown.tracklets, config.model_copy(update={"threshold": threshold}), {})
    return identities_of(shown.tracklets, found)


def by_mean_feature(shown: Shown, threshold: float) -> Labels:
    """Identities by the cosine of mean features, average linkage; tracklets at once in a camera stay apart."""
    distances = np.asarray(1 - shown.means @ shown.means.T, np.float32)
    distances[simultaneous(shown.tracklets)] = np.inf
    return clustered(distances, threshold)


def clustered(distances: FloatArray, threshold: float) -> Labels:
    """The cluster of each of n items, named by its lowest, `(n,)`."""
    cluster = np.arange(len(distances), dtype=np.int64)
    for merge in agglomerate(distances, threshold):
        cluster[cluster == merge.second] = merge.first
    return cluster


def chosen_among(name: str, shown: Shown, kept: Shown) -> int:
    """For how many tracklets a way's threshold is chosen: one that falls in a crowd by itself shall not fall twice."""
    return len((kept if name in ASKING_MORE else shown).tracklets)


def chosen_threshold(
    kept: Shown, way: Linked, tracklets: int, progress: Callable[[int, int | None], None] | None = None
) -> float:
    """The threshold at which people kept out of training are linked best, as if there were so many tracklets.

    Of n tracklets each can be linked to n − 1, nearly all of them strangers: false links grow with the crowd, right
    ones do not.
    """
    people, cameras = each_alone(kept.people), kept.cameras
    weight = max(tracklets - 1, 1) / max(len(people) - 1, 1)
    true = cross_pairs(people, cameras)
    scores = []
    for threshold in THRESHOLDS.tolist():
        found = way(kept, threshold)
        right = cross_pairs(found * (people.max() + 1) + people, cameras)
        wrong = cross_pairs(found, cameras) - right
        scores.append(pair_scores(right, right + weight * wrong, true)["F1"])
        if progress is not None:
            progress(len(scores), len(THRESHOLDS))
    return round(float(THRESHOLDS[int(np.argmax(scores))]), 2)


def score_shown(name: str, shown: Shown, way: Linked, threshold: float) -> Result:
    """The scores of one way to match at a threshold."""
    scores = linking_scores(shown.people, shown.cameras, way(shown, threshold))
    return {
        "name": name,
        **{key: round(value, 2) for key, value in scores.items()},
        "threshold": threshold,
        "tracklets": len(shown.tracklets),
        "people": len(np.unique(shown.people[shown.people != NOBODY])),
    }


def read_shown(request: CropsRequest, config: Config, progress: Progress) -> tuple[Shown, Shown]:
    """The tracklets that are scored, and those of the people kept out of training.

    Raises:
        InputError: As `evaluate_crops` says.
    """
    if request.occlude is not None and request.occlude < 0:
        raise InputError(f"--occlude {request.occlude}: a seed is 0 or more; give another")
    if request.occluders is not None and request.occlude is None:
        raise InputError("--occluders: nothing is covered without --occlude SEED; give it too")
    occluders = None if request.occlude is None else Occluders(occluder_folder(request.occluders))
    training = read_dataset(request.data, "train")
    kept = presences(training.subset(held_out(training.identities)), request.data, AWAY)
    test = presences(_joined([read_dataset(request.data, part) for part in ("query", "gallery")]), request.data, AWAY)
    embedder = load_embedder(config.embedder)
    showing = partial(
        show, embedder=embedder, views=config.tracker.exemplars, occluders=occluders, seed=request.occlude or 0
    )
    return showing(test, progress=partial(progress, "embed", "scored")), showing(
        kept, progress=partial(progress, "embed", "kept out")
    )


def _joined(parts: Sequence[ReidImages]) -> ReidImages:
    return ReidImages(
        [name for part in parts for name in part.names],
        [data for part in parts for data in part.encoded],
        np.concatenate([part.identities for part in parts]),
        np.concatenate([part.cameras for part in parts]),
    )


def presences(images: ReidImages, spec: str, gap: float) -> Presence:
    """The tracklets that crops make.

    Args:
        images: Crops.
        spec: Names the dataset in messages.
        gap: Seconds of absence that cut a tracklet.

    Raises:
        InputError: If a name does not say when its crop was taken, or nobody is in two cameras.
    """
    images = images.subset(images.identities != JUNK)
    matches = [MARKET_NAME.fullmatch(Path(name).name) for name in images.names]
    unlike = next((name for name, match in zip(images.names, matches, strict=True) if match is None), None)
    if unlike is not None:
        raise InputError(
            f"{spec}: {unlike} does not say when it was taken; tracklets need names like 0002_c1s1_000451_03.jpg"
        )
    recording = np.array([int(match[3]) for match in matches if match], np.int64)
    frame = np.array([int(match[4]) for match in matches if match], np.int64)
    # One recording after another; cameras of one recording run side by side.
    longest = np.zeros(recording.max(initial=0) + 2, np.int64)
    np.maximum.at(longest, recording + 1, frame + int(PAUSE * RATE))
    frame = frame + np.cumsum(longest)[recording]
    person = np.where(images.identities == DISTRACTOR, -1 - np.arange(len(images)), images.identities)
    order = np.lexsort((frame, images.cameras, person))
    changes = (np.diff(person[order]) != 0) | (np.diff(images.cameras[order]) != 0)
    changes |= np.diff(frame[order]) > gap * RATE
    rows = np.split(order, np.flatnonzero(changes) + 1) if len(order) else []
    first = np.array([part[0] for part in rows], np.intp)
    people = np.where(person[first] < 0, NOBODY, person[first]).astype(np.int64)
    if not cross_pairs(each_alone(people), images.cameras[first]):
        raise InputError(f"{spec}: nobody in it is seen by two cameras; name a dataset whose people are")
    return Presence(images, rows, people, images.cameras[first], [frame[part] for part in rows])


def show(
    there: Presence,
    progress: Callable[[int, int | None], None],
    *,
    embedder: Embedder,
    views: int,
    occluders: Occluders | None,
    seed: int,
) -> Shown:
    """Embeds the crops of tracklets, in parts, and keeps of each the views that the tracker would keep."""
    ends = np.cumsum([len(rows) for rows in there.rows])
    part_of = (ends - 1) // TOGETHER
    tracklets: list[CameraTracklet] = []
    means = []
    for part in np.unique(part_of):
        mine = np.flatnonzero(part_of == part)
        rows = np.concatenate([there.rows[number] for number in mine])
        features = _embedded(there.images, rows, embedder, occluders, seed)
        lengths = np.array([len(there.rows[number]) for number in mine])
        starts = np.cumsum(lengths) - lengths
        mean = np.add.reduceat(features.global_, starts, axis=0) / lengths[:, None]
        means.append(mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12))
        kept = _kept_views(features, starts, lengths, views)
        tracklets += [_tracklet(there, number, kept[place]) for place, number in enumerate(mine.tolist())]
        progress(int(ends[mine[-1]]), int(ends[-1]))
    return Shown(tracklets, np.asarray(np.concatenate(means), np.float32), there.people)


def _embedded(
    images: ReidImages, rows: IntArray, embedder: Embedder, occluders: Occluders | None, seed: int
) -> Features:
    crops, numbers, parts = images.subset(rows).crops(), iter(rows.tolist()), []
    while batch := list(islice(crops, STEP)):
        places = list(islice(numbers, len(batch)))
        parts.append(embedder.embed(occluders.occlude(batch, seed, places) if occluders else batch))
    return Features.concatenate(parts)


def _kept_views(features: Features, starts: IntArray, lengths: IntArray, views: int) -> list[Views | None]:
    """The views kept of each tracklet; its crops are offered in order of time, one of each tracklet at once."""
    exemplars = Exemplars(views)
    numbers = np.arange(1, len(starts) + 1)
    for turn in range(int(lengths.max())):
        here = np.flatnonzero(lengths > turn)
        rows = starts[here] + turn
        # Crops of datasets are scaled to one size: no telling how large they were.
        boxes = np.tile(np.array([0.0, 0.0, 64.0, 128.0]), (len(rows), 1))
        exemplars.learn(numbers[here], Crops(features[rows], turn, float(turn), boxes, [None] * len(rows)))
    return [exemplars.forget(number) for number in numbers.tolist()]


def _tracklet(there: Presence, number: int, views: Views | None) -> CameraTracklet:
    """A tracklet in a place of its own: where in the picture a crop was, nobody says."""
    frames = np.unique(there.frames[number])
    place = np.array([100 * number, 0, 100 * number + 64, 128], np.float32)
    boxes = np.tile(place, (len(frames), 1))
    made = made_tracklet(number + 1, frames, frames / RATE, boxes, views)
    return CameraTracklet(f"c{there.cameras[number]}", made)
