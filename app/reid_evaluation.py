"""Scoring re-identification: our network by each way of matching, and other networks, in one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from app import reports
from app.devices import processors
from app.errors import InputError
from app.files import check_target
from app.pipeline import Stopwatch
from app.shared_data import shared_data
from reid_model.datasets import ReidImages, read_dataset
from reid_model.embedder import Embedder
from reid_model.evaluation import score
from reid_model.features import Features, FloatArray
from reid_model.matching import METHODS, Method, distances_of, fastest_precision
from reid_model.occlusion import Occluders
from reid_model.peers import Peer

OCCLUDERS = "data/pennfudan"

STEP = 256
"""Crops decoded and embedded at once."""

HELD_BYTES = 512 << 20
"""Cell features matched at once: the gallery never stands in memory whole."""

ImageArray = npt.NDArray[np.uint8]
Result = dict[str, object]


@dataclass(frozen=True)
class ReidRequest:
    """What is scored on what.

    Attributes:
        data: `KIND:DIR` of a dataset with queries and a gallery.
        weights: GASM weights or an exported network; the shipped weights when None.
        matching: Ways to match; all when empty.
        peers: Other networks, as `reid_model.peers.Peer` takes them.
        occlude: Seed by which the queries are covered; None leaves them as they are.
        occluders: Penn-Fudan folder; that of the shared data when None.
        every: Every so many-th query is used.
    """

    data: str
    weights: Path | None = None
    matching: tuple[str, ...] = ()
    peers: tuple[Path, ...] = ()
    occlude: int | None = None
    occluders: Path | None = None
    every: int = 1


def evaluate_reid(request: ReidRequest, json_file: Path | None = None) -> None:
    """Scores a network by each way of matching, and its peers, and prints a row for each.

    A result has the scores of `reid_model.evaluation.ReidScores` and the seconds that embedding and matching took.
    Matchings share their cell scores, so `match_s` is that of all of them together, but for `dsr` its own.

    Args:
        request: What is scored on what.
        json_file: Where to write the results, or None.

    Raises:
        InputError: If a matching is unknown, occluders are missing, no query has a right answer in the gallery, or the
            JSON cannot be written.
        reid_model.checkpoint.WeightsError: If the weights or a peer cannot be used.
        reid_model.datasets.DatasetError: If the data or the occluders cannot be used.
    """
    check_target(json_file)
    methods = _methods(request.matching)
    trial = _Trial.read(request)
    threads = processors()
    embedder = Embedder(request.weights, threads=threads)
    peers = [Peer(path, threads) for path in request.peers]  # before the long work: one may turn out unusable
    with reports.Progress() as progress:
        results = _own_results(embedder, methods, trial, progress)
        results += [_peer_result(peer, trial, progress) for peer in peers]
    reports.print_results("evaluate reid", results, json_file)


def _methods(names: Sequence[str]) -> tuple[Method, ...]:
    for name in names:
        if name not in METHODS:
            raise InputError(f"--matching {name}: no such way to match; choose of {', '.join(METHODS)}")
    return cast(tuple[Method, ...], tuple(dict.fromkeys(names))) or METHODS


@dataclass(frozen=True, eq=False)
class _Trial:
    """Queries, which may be covered, and the gallery.

    Attributes:
        query: The queries used.
        gallery: The gallery.
        rows: Number of each query in its dataset, `(q,)`: a query is covered alike whichever others are used.
        occluders: What covers them, or None.
        seed: By which they are covered.
    """

    query: ReidImages
    gallery: ReidImages
    rows: npt.NDArray[np.intp]
    occluders: Occluders | None
    seed: int

    @classmethod
    def read(cls, request: ReidRequest) -> _Trial:
        occluders = None if request.occlude is None else Occluders(occluder_folder(request.occluders))
        if request.occlude is not None and request.occlude < 0:
            raise InputError(f"--occlude {request.occlude}: a seed is 0 or more; give another")
        query, gallery = read_dataset(request.data, "query"), read_dataset(request.data, "gallery")
        rows = np.arange(0, len(query), request.every)
        return cls(query.subset(rows), gallery, rows, occluders, request.occlude or 0)

    def queries(self) -> Iterator[list[ImageArray]]:
        """The queries as networks see them, BGR, in parts."""
        rows = iter(self.rows.tolist())
        for crops in _parts(self.query):
            part = list(islice(rows, len(crops)))
            yield self.occluders.occlude(crops, self.seed, part) if self.occluders else crops

    def scores(self, distance: FloatArray) -> Result:
        """The scores of distances `(q, g)`, rounded for reading.

        Raises:
            InputError: If no query has a right answer in the gallery.
        """
        query, gallery = self.query, self.gallery
        try:
            scores = score(distance, query.identities, query.cameras, gallery.identities, gallery.cameras)
        except ValueError as error:
            raise InputError(f"{error}; name a dataset whose people are seen by two cameras") from None
        return {name: round(value, 2) for name, value in scores.as_dict().items()}


def occluder_folder(named: Path | None) -> Path:
    """The Penn-Fudan folder that was named, else that of the shared data.

    Raises:
        InputError: If there is neither.
    """
    folder = named or shared_data(OCCLUDERS)
    if folder is None:
        raise InputError("--occlude: no Penn-Fudan photographs here; name their folder with --occluders")
    return folder


def _parts(images: ReidImages) -> Iterator[list[ImageArray]]:
    crops = images.crops()
    while part := list(islice(crops, STEP)):
        yield part


def _own_results(
    embedder: Embedder, methods: Sequence[Method], trial: _Trial, progress: reports.Progress
) -> list[Result]:
    """A result for each matching. The gallery is embedded and matched in parts that fit in memory."""
    watch = Stopwatch()
    done, total = 0, len(trial.query) + len(trial.gallery)

    def embed(parts: Iterator[list[ImageArray]]) -> Iterator[Features]:
        nonlocal done
        for crops in parts:
            with watch("embed"):
                features = embedder.embed(crops)
            done += len(crops)
            progress.update("embed", "ours", done, total)
            yield features

    _, cells, dims = embedder.empty().local.shape
    steps = max(1, HELD_BYTES // (4 * cells * dims * STEP))
    query = list(_joined(embed(trial.queries()), steps))
    matcher = _Matcher(query, methods, len(trial.gallery), watch, progress)
    for part in _joined(embed(_parts(trial.gallery)), steps):
        matcher.match(part)
    return [
        {
            "name": method,
            **trial.scores(matcher.distances[method]),
            "embed_s": round(watch.seconds["embed"], 2),
            "match_s": round(watch.seconds["dsr" if method == "dsr" else "match"], 2),
        }
        for method in methods
    ]


def _joined(features: Iterator[Features], steps: int) -> Iterator[Features]:
    """So many sets of features as one, again and again."""
    while parts := list(islice(features, steps)):
        yield Features.concatenate(parts)


class _Matcher:
    """The distances of all queries to a gallery that comes in parts.

    Attributes:
        distances: For each method `(q, g)`; columns of crops that have not come are undefined.
    """

    def __init__(
        self,
        query: Sequence[Features],
        methods: Sequence[Method],
        gallery: int,
        watch: Stopwatch,
        progress: reports.Progress,
    ) -> None:
        self._query = query
        # Reconstruction shares no cell scores with the others, so it is timed alone.
        stages: dict[str, list[Method]] = {"match": [m for m in methods if m != "dsr"], "dsr": ["dsr"]}
        self._stages = {name: group for name, group in stages.items() if set(group) <= set(methods) and group}
        self._watch, self._progress = watch, progress
        self._precision = fastest_precision()
        self._columns, self._total = 0, gallery
        queries = sum(map(len, query))
        self.distances = {method: np.empty((queries, gallery), np.float32) for method in methods}

    def match(self, part: Features) -> None:
        """Matches the gallery's next crops."""
        columns = slice(self._columns, self._columns + len(part))
        for stage, group in self._stages.items():
            row = 0
            for query in self._query:
                rows = slice(row, row + len(query))
                tick = partial(self._tick, stage, (row, len(query), len(part)))
                with self._watch(stage):
                    found = distances_of(query, part, group, precision=self._precision, progress=tick)
                for method, distance in found.items():
                    self.distances[method][rows, columns] = distance
                row = rows.stop
        self._columns = columns.stop

    def _tick(self, stage: str, place: tuple[int, int, int], done: int, of: int) -> None:
        """Shows how many pairs are matched; `place` is the block at work: its first row, its rows and columns."""
        top, rows, columns = place
        queries = sum(map(len, self._query))
        pairs = self._columns * queries + top * columns + rows * columns * done // of
        self._progress.update(stage, "ours", pairs, queries * self._total)


def _peer_result(peer: Peer, trial: _Trial, progress: reports.Progress) -> Result:
    watch = Stopwatch()
    done, total = 0, len(trial.query) + len(trial.gallery)
    sides = []
    for source in (trial.queries(), _parts(trial.gallery)):
        rows = []
        for crops in source:
            with watch("embed"):
                rows.append(peer.embed(crops))
            done += len(crops)
            progress.update("embed", peer.name, done, total)
        sides.append(np.concatenate(rows))
    with watch("match"):
        distance = 1 - sides[0] @ sides[1].T
    seconds = {"embed_s": round(watch.seconds["embed"], 2), "match_s": round(watch.seconds["match"], 2)}
    return {"name": peer.name, **trial.scores(distance), **seconds}
