"""From tracks to figures: per sequence, and over several sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.tracking_boxes import Boxes, perfect, visibility_of
from benchmarks.tracking_run import Failure, Run
from trackers.evaluation import Rows, SequenceError, score
from trackers.gaps import Gaps, same_after_gap

GAPS = (1.0, 3.0, 5.0)
"""Seconds out of sight."""
MEASURES = ("HOTA", "IDF1", "MOTA")
PERFECT = "perfect association"

Result = dict[str, str | float | None]


@dataclass(frozen=True)
class Figures:
    """A tracker on one sequence or on several.

    Attributes:
        sequence: Name of the sequence or of the set.
        tracker: Whose.
        scores: HOTA, IDF1 and MOTA in per cent, and IDSW, a count.
        best: IDF1 of perfect association.
        gaps: Of each length in `GAPS`.
        frames: Number of frames tracked.
        elapsed: Seconds they took.
        processor: Seconds of processor time they took.
        tracking: Seconds they took without embedding, where that differs.
        failed: Why there are no figures.
    """

    sequence: str
    tracker: str
    scores: dict[str, float]
    best: float
    gaps: tuple[Gaps, ...]
    frames: int = 0
    elapsed: float = 0.0
    processor: float = 0.0
    tracking: float | None = None
    failed: str | None = None

    def result(self) -> Result:
        """As in the table and the JSON: per cent and frames a second; None where there is nothing to measure."""
        row: Result = {
            "name": f"{self.sequence}: {self.tracker}",
            "sequence": self.sequence,
            "tracker": self.tracker,
        }
        if self.failed is not None:
            return row | {"failed": self.failed}
        row |= {key: round(self.scores[key], 1) for key in MEASURES}
        row["IDSW"] = round(self.scores["IDSW"])
        row["reached"] = round(100 * self.scores["IDF1"] / max(self.best, 1e-9), 1)
        for seconds, found in zip(GAPS, self.gaps, strict=True):
            row[f"gaps_{seconds:g}s"] = found.gaps
            row[f"same_{seconds:g}s"] = round(100 * found.same / found.gaps, 1) if found.gaps else None
        row["fps"] = self._rate(self.elapsed)
        row["processor_fps"] = self._rate(self.processor)
        row["tracking_fps"] = self._rate(self.elapsed if self.tracking is None else self.tracking)
        return row

    def _rate(self, seconds: float) -> float | None:
        return round(self.frames / seconds, 1) if seconds else None


class Judge:
    """Scores the trackers of one sequence.

    Args:
        boxes: What they were given.
    """

    def __init__(self, boxes: Boxes) -> None:
        self._boxes = boxes
        self._visibility = visibility_of(boxes.sequence)
        tracks = perfect(boxes)
        self._best = score(boxes.sequence, tracks)
        self.perfect = Figures(boxes.name, PERFECT, self._best, self._best["IDF1"], self._gaps(tracks))

    def figures(self, run: Run | Failure) -> Figures:
        """Figures of a tracker; tracks that cannot be scored are a failure of theirs."""
        if isinstance(run, Failure):
            return self._failure(run.tracker, run.reason)
        try:
            scores = score(self._boxes.sequence, run.tracks)
        except SequenceError as error:
            return self._failure(run.tracker, str(error))
        return Figures(
            self._boxes.name,
            run.tracker,
            scores,
            self._best["IDF1"],
            self._gaps(run.tracks),
            len(run.elapsed),
            float(run.elapsed.sum()),
            float(run.processor.sum()),
            run.tracking,
        )

    def _failure(self, tracker: str, reason: str) -> Figures:
        return Figures(self._boxes.name, tracker, {}, 0.0, (), failed=reason)

    def _gaps(self, tracks: Rows) -> tuple[Gaps, ...]:
        sequence = self._boxes.sequence
        return tuple(same_after_gap(sequence.truth, self._visibility, sequence.fps, tracks, GAPS))


def together(name: str, parts: list[Figures]) -> Figures:
    """One tracker over several sequences: means of the scores, sums of switches, gaps, frames and seconds.

    What is reached is the mean IDF1 over the mean of what perfect association reaches. A tracker that failed in one of
    them has failed.
    """
    tracker = parts[0].tracker
    failed = [f"{each.sequence}: {each.failed}" for each in parts if each.failed is not None]
    if failed:
        return Figures(name, tracker, {}, 0.0, (), failed=failed[0])
    scores = {key: float(np.mean([each.scores[key] for each in parts])) for key in MEASURES}
    scores["IDSW"] = sum(each.scores["IDSW"] for each in parts)
    alone = [each.tracking for each in parts if each.tracking is not None]
    return Figures(
        name,
        tracker,
        scores,
        float(np.mean([each.best for each in parts])),
        tuple(
            Gaps(sum(each.gaps for each in length), sum(each.same for each in length))
            for length in zip(*(each.gaps for each in parts), strict=True)
        ),
        sum(each.frames for each in parts),
        sum(each.elapsed for each in parts),
        sum(each.processor for each in parts),
        sum(alone) if len(alone) == len(parts) else None,
    )
