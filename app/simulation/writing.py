"""A camera's folder: video, MOT rows and the whole truth, there when all of it is complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.truth import FrameTruth, json_line, mot_rows
from app.video import VideoWriter

T = TypeVar("T")


class CameraWriter:
    """Writes `video.mp4`, `gt/gt.txt`, `truth.jsonl` and `seqinfo.ini` of one camera.

    They grow in `.<name>.part` beside the folder, which takes its name on `finish`. When the `with` block ends by an
    exception, nothing is left.

    Args:
        folder: The camera's folder, which is not there yet.
        camera: The camera.
        fps: Frames a second.

    Raises:
        InputError: If the folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: Path, camera: Camera, fps: float) -> None:
        self.folder = folder
        self.frames = self.boxes = 0
        self._camera, self._fps = camera, fps
        self._part = folder.with_name(f".{folder.name}.part")
        self._do(self._open)

    def _open(self) -> None:
        shutil.rmtree(self._part, ignore_errors=True)
        (self._part / "gt").mkdir(parents=True)
        self._rows = (self._part / "gt" / "gt.txt").open("w", encoding="utf-8")
        self._lines = (self._part / "truth.jsonl").open("w", encoding="utf-8")
        # One thread: the pictures must not depend on how many cores there are, and each core has its camera.
        self._video = VideoWriter(
            self._part / "video.mp4",
            *self._camera.size,
            Fraction(self._fps).limit_denominator(1001),
            quality=self._camera.look.quality,
            threads=1,
        )

    def write(self, image: npt.NDArray[np.uint8], truth: FrameTruth) -> None:
        """Append a frame.

        Args:
            image: BGR, (h, w, 3).
            truth: What is true about it.

        Raises:
            InputError: If the disk is full.
        """
        self._do(lambda: self._write(image, truth))

    def _write(self, image: npt.NDArray[np.uint8], truth: FrameTruth) -> None:
        self._video.write(image, truth.time)
        rows = mot_rows(truth)
        self._rows.write(rows)
        self._lines.write(json_line(truth))
        self.frames += 1
        self.boxes += rows.count("\n")

    def finish(self) -> None:
        """Give the folder its name; without any frame there is none.

        Raises:
            InputError: If the disk is full.
        """
        self._do(self._finish)

    def _finish(self) -> None:
        self._close()
        if not self.frames:
            shutil.rmtree(self._part)
            return
        width, height = self._camera.size
        (self._part / "seqinfo.ini").write_text(
            f"[Sequence]\nname={self.folder.name}\nimDir=img1\nframeRate={self._fps:.10g}\nseqLength={self.frames}\n"
            f"imWidth={width}\nimHeight={height}\nimExt=.jpg\n",
            encoding="utf-8",
        )
        self._part.replace(self.folder)

    def _close(self) -> None:
        self._video.close()
        self._rows.close()
        self._lines.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            shutil.rmtree(self._part, ignore_errors=True)

    def _do(self, action: Callable[[], T]) -> T:
        """Run what touches the disk; its errors become one clear line, and no part is left."""
        try:
            return action()
        except OSError as error:
            shutil.rmtree(self._part, ignore_errors=True)
            raise unwritable(self.folder, error) from None
        except InputError as error:
            shutil.rmtree(self._part, ignore_errors=True)
            # What the user asked for has another name than what is written until it is whole.
            raise InputError(str(error).replace(str(self._part), str(self.folder))) from None


def unwritable(path: Path, error: OSError) -> InputError:
    """One line about a place that cannot be written."""
    if error.errno == errno.ENOSPC:
        return InputError(f"{path}: the disk is full; free some space or give another --output")
    reason = error.strerror or os.strerror(error.errno or errno.EIO)
    return InputError(f"{path}: cannot be written ({reason}); give another --output")
