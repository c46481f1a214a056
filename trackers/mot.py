"""Sequences and rows in the MOT Challenge's format."""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

PEDESTRIAN = 1
"""The class that counts in column 8 of MOT16, MOT17 and MOT20 truth."""

LARGEST = 2.0**53
"""Largest whole number up to which all are told apart: those beyond are no frames and nobody's numbers."""

WITH_CLASSES = ("MOT16", "MOT17", "MOT20")
"""Sequences whose column 8 is a class; elsewhere it is a world coordinate or −1."""


class SequenceError(ValueError):
    """A sequence or a file of rows cannot be used; the message is one line."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """n boxes of a sequence.

    Attributes:
        frames: Frame of each box, from 1, shape `(n,)`, int64.
        ids: Identity of each box, shape `(n,)`, int64.
        boxes: x1, y1, x2, y2 in pixels, shape `(n, 4)`, float64.
        scores: Column 7: a detection's confidence on its detector's own scale, a truth row's use; shape `(n,)`.
        kinds: Column 8: the class where there are classes, else −1 or a coordinate; −1 where absent; shape `(n,)`.
    """

    frames: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    kinds: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Rows:
        return Rows(self.frames[index], self.ids[index], self.boxes[index], self.scores[index], self.kinds[index])


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A video with truth.

    Attributes:
        name: Name in seqinfo.ini.
        path: Its folder.
        length: Number of frames.
        fps: Frames per second.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
        images: `video.mp4` or the folder of images, or None where there is neither.
        truth: Boxes of people that count: column 7 is not 0 and, where there are classes, the class is pedestrian.
    """

    name: str
    path: Path
    length: int
    fps: float
    width: int
    height: int
    images: Path | None
    truth: Rows


def read_sequence(folder: str | os.PathLike[str]) -> Sequence:
    """Reads a sequence: `seqinfo.ini`, `gt/gt.txt`, and where its pictures are.

    Raises:
        SequenceError: If the folder or a file is missing, or something in them is not as the format says.
    """
    path = Path(folder)
    if not path.is_dir():
        raise SequenceError(f"{path}: no such folder; give the folder of a MOT sequence")
    info = _read_info(path / "seqinfo.ini")
    truth = read_mot(path / "gt" / "gt.txt")
    counts = _count(info["name"], truth.scores, truth.kinds)
    pictures = [path / "video.mp4", path / info["imDir"]]
    try:
        return Sequence(
            name=info["name"],
            path=path,
            length=int(_positive(info["seqLength"])),
            fps=_positive(info["frameRate"]),
            width=int(_positive(info["imWidth"])),
            height=int(_positive(info["imHeight"])),
            images=next((each for each in pictures if each.exists()), None),
            truth=_checked(truth[counts], int(info["seqLength"]), path / "gt" / "gt.txt"),
        )
    except ValueError as error:
        raise error if isinstance(error, SequenceError) else SequenceError(f"{path / 'seqinfo.ini'}: {error}") from None


def _count(name: str, scores: npt.NDArray[np.float64], kinds: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which truth rows count, from columns 7 and 8 and the sequence's name."""
    counts: npt.NDArray[np.bool_] = scores != 0
    return counts & (kinds == PEDESTRIAN) if name.startswith(WITH_CLASSES) else counts


def read_visibility(sequence: Sequence) -> npt.NDArray[np.float64]:
    """How much of each person of the truth can be seen: column 9, `(n,)` in [0, 1], in the order of `sequence.truth`.

    Raises:
        SequenceError: If it has not.
    """
    path = sequence.path / "gt" / "gt.txt"
    try:
        table = np.loadtxt(path, delimiter=",", ndmin=2)
        shares: npt.NDArray[np.float64] = table[_count(sequence.name, table[:, 6], table[:, 7]), 8]
    except (ValueError, IndexError):
        raise SequenceError(f"{path}: expected 9 numbers in each row, the last the share that is visible") from None
    return shares


def _read_info(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SequenceError(f"{path}: no such file; a sequence needs one, with name, frameRate and size") from None
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SequenceError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    if not parser.has_section("Sequence"):
        raise SequenceError(f"{path}: expected a section [Sequence]")
    info = dict(parser["Sequence"])
    missing = [key for key in ("name", "frameRate", "seqLength", "imWidth", "imHeight") if key not in info]
    if missing:
        raise SequenceError(f"{path}: missing {', '.join(missing)}")
    return {"imDir": "img1", **info}


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e6:
        raise ValueError(f"expected a number above 0, given {text}")
    return value


def _checked(truth: Rows, length: int, path: Path) -> Rows:
    if len(truth) and truth.frames.max() > length:
        raise SequenceError(f"{path}: frame {truth.frames.max()} is past the sequence's length {length}")
    pairs = np.stack([truth.frames, truth.ids], axis=1)
    unique, counts = np.unique(pairs, axis=0, return_counts=True)
    if (counts > 1).any():
        frame, person = unique[counts > 1][0]
        raise SequenceError(f"{path}: identity {person} has two boxes in frame {frame}")
    return truth


def read_mot(path: str | os.PathLike[str]) -> Rows:
    """Reads rows `frame, id, left, top, width, height[, score[, class, …]]`, frames from 1, separated by commas.

    Raises:
        SequenceError: If the file is missing or a row is malformed; the message gives its line number.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise SequenceError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SequenceError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from None
    values = np.array([_row(line, f"{path}:{i}") for i, line in enumerate(lines, 1) if line.strip()], np.float64)
    values = values.reshape(-1, 8)
    boxes = values[:, 2:6].copy()
    boxes[:, 2:] += boxes[:, :2]
    return Rows(values[:, 0].astype(np.int64), values[:, 1].astype(np.int64), boxes, values[:, 6], values[:, 7])


def _row(line: str, place: str) -> list[float]:
    fields = line.replace(",", " ").split()
    if len(fields) < 6:
        raise SequenceError(f"{place}: expected at least 6 values, frame,id,left,top,width,height, given {len(fields)}")
    try:
        values = [float(field) for field in fields[:8]]
    except ValueError:
        raise SequenceError(f"{place}: expected numbers, given {line.strip()[:80]!r}") from None
    if not np.isfinite(values).all():
        raise SequenceError(f"{place}: expected finite numbers, given {line.strip()[:80]!r}")
    if not 1 <= values[0] <= LARGEST or abs(values[1]) > LARGEST or any(value % 1 for value in values[:2]):
        raise SequenceError(f"{place}: expected a frame from 1 and a whole id, given {fields[0]} and {fields[1]}")
    return values + [1.0, -1.0][len(values) - 6 :]


def write_mot(path: str | os.PathLike[str], rows: Rows) -> None:
    """Writes rows as `frame,id,left,top,width,height,score,-1,-1,-1`, whole or not at all.

    Raises:
        OSError: If the file cannot be written.
    """
    path = Path(path)
    sizes = rows.boxes[:, 2:] - rows.boxes[:, :2]
    columns = zip(rows.frames, rows.ids, rows.boxes, sizes, rows.scores, strict=True)
    text = "".join(
        f"{frame},{person},{box[0]:.2f},{box[1]:.2f},{size[0]:.2f},{size[1]:.2f},{score:.4f},-1,-1,-1\n"
        for frame, person, box, size, score in columns
    )
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_detections(sequence: Sequence) -> Rows:
    """A sequence's own detections, `det/det.txt`, with scores brought to [0, 1] by `rescaled`.

    Raises:
        SequenceError: If the file is missing or malformed.
    """
    rows = read_mot(sequence.path / "det" / "det.txt")
    return Rows(rows.frames, rows.ids, rows.boxes, rescaled(rows.scores), rows.kinds)


def rescaled(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Detection scores as confidences in [0, 1].

    Scores that already lie in [0, 1] stay as they are. Others are on their detector's own open-ended scale (MOT15's
    run from below 0 to above 100); a straight line takes their 5th percentile to 0.3 and their 95th to 1, clipped to
    [0, 1], so that most boxes are trusted and the weakest only continue tracks.
    """
    if not len(scores) or (scores.min() >= 0 and scores.max() <= 1):
        return scores
    low, high = np.percentile(scores, [5, 95])
    if high <= low:
        return np.ones_like(scores)
    return np.asarray(np.clip(0.3 + 0.7 * (scores - low) / (high - low), 0.0, 1.0))
