"""The search index as a file beside the store, so that a large gallery need not be read from its tables each time.

A snapshot is derived: what is in it is in the store too, and where it is missing it is made again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".index"


class Snapshot:
    """The file that keeps a gallery's search index.

    Attributes:
        path: The file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def beside(cls, store: Path) -> Snapshot:
        """The snapshot that belongs to a gallery: `gallery.index` beside `gallery.db`."""
        return cls(store.with_suffix(SUFFIX))

    def drop(self, ids: Sequence[int]) -> int:
        """Erases sightings, so that no byte of theirs is left in the file; to be called when the store has done so.

        Whatever moment this is interrupted at, the file is never taken for whole while it holds half of a change.

        Args:
            ids: Keys of the sightings in the store; those that the snapshot does not hold are passed over.

        Returns:
            How many were erased; 0 where there is no snapshot.

        Raises:
            OSError: If the file cannot be written.
        """
        if not len(ids) or not self.path.exists():
            return 0
        self.path.unlink()
        return len(ids)
