"""The log of a training run: one CSV line a step."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType

COLUMNS = ("epoch", "batch", "images_per_second", "learning_rate")


class StepLog:
    """Writes `log.csv`. A resumed run drops the lines of steps that its checkpoint had not seen, then goes on.

    Args:
        path: The file.
        start: Number of the first step to come, `epoch · scale + batch`; 0 begins a new file.
        scale: How steps are numbered.
    """

    def __init__(self, path: Path, start: int, scale: int) -> None:
        self.path = path
        self._kept: list[dict[str, str]] = []
        self._begun = False
        if start and path.is_file():
            with path.open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if None not in row.values()]
            self._kept = [row for row in rows if (int(row["epoch"]) - 1) * scale + int(row["batch"]) - 1 < start]

    def __enter__(self) -> StepLog:
        partial = self.path.with_name(self.path.name + ".part")
        with partial.open("w", newline="") as file:
            if self._kept:
                csv.writer(file).writerows([list(self._kept[0]), *(row.values() for row in self._kept)])
        partial.replace(self.path)
        self._file = self.path.open("a", newline="")
        self._writer = csv.writer(self._file)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def sums(self, epoch: int) -> dict[str, float]:
        """Sums of the losses that a resumed epoch, from 0, already had."""
        rows = [row for row in self._kept if int(row["epoch"]) == epoch + 1]
        names = [name for name in rows[0] if name not in COLUMNS] if rows else []
        return {name: sum(float(row[name]) for row in rows) for name in names}

    def write(self, epoch: int, batch: int, rate: float, learning_rate: float, losses: dict[str, float]) -> None:
        """Adds a step; epoch and batch count from 0 here, from 1 in the file."""
        if not self._kept and not self._begun:
            self._writer.writerow([*COLUMNS, *losses])
        self._begun = True
        values = [f"{value:.6f}" for value in losses.values()]
        self._writer.writerow([epoch + 1, batch + 1, f"{rate:.1f}", f"{learning_rate:.3e}", *values])

    def flush(self) -> None:
        """Makes the lines so far visible to other programs."""
        self._file.flush()
