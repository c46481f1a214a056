"""What a gallery gives back: each question in a transaction of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from app.gallery import queries
from app.gallery.packing import Dimensions
from app.gallery.rows import AuditEntry, CameraRow, IdentityRow, Sighting, TrackletRow
from reid_model.features import Features


class Readable(ABC):
    """The questions that a gallery answers."""

    _size: Dimensions | None = None

    @abstractmethod
    def now(self) -> float:
        """The current time, seconds since the epoch."""

    @abstractmethod
    def checked(self) -> AbstractContextManager[Connection]:
        """A connection for a block that reads and does nothing else.

        Raises:
            InputError: If what is stored is damaged.
        """

    def cameras(self) -> list[CameraRow]:
        """All cameras, by name."""
        with self.checked() as connection:
            return queries.cameras(connection)

    def dimensions(self) -> Dimensions | None:
        """The sizes of the stored vectors, or None where none is stored yet."""
        # Those of the first vector are those of all.
        if self._size is None:
            with self.checked() as connection:
                self._size = queries.dimensions(connection)
        return self._size

    def revision(self) -> int:
        """Grows with every committed change of sightings: of their rows, vectors, tracklets or identities."""
        with self.checked() as connection:
            return queries.revision(connection)

    def sightings(
        self,
        cameras: Sequence[str] | None = None,
        start: float | None = None,
        end: float | None = None,
        *,
        track: int | None = None,
        identity: int | None = None,
    ) -> tuple[list[Sighting], Features | None]:
        """Sightings and their features, filtered before anything is loaded; expired ones are never among them.

        Args:
            cameras: Names of the cameras to keep; None for all.
            start: Earliest time, seconds since the epoch, included.
            end: Latest time, included.
            track: Track number to keep.
            identity: Identity number to keep.

        Returns:
            n sightings in the order they were stored, and their features, n rows in the same order; None where there
            is no sighting.

        Raises:
            InputError: If what is stored is damaged.
        """
        chosen = queries.Filter(self.now(), cameras, start, end, track, identity)
        return self._sightings(lambda connection: queries.sightings(connection, chosen))

    def look_up(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> tuple[list[Sighting], Features | None]:
        """What `sightings` gives, of sightings by their numbers; in no order, without those that are gone or expired.

        Raises:
            InputError: If what is stored is damaged.
        """
        numbers = np.asarray(ids, np.int64).tolist()
        return self._sightings(lambda connection: queries.look_up(connection, numbers, self.now()))

    def people(self, cameras: Sequence[str] | None = None, start: float | None = None, end: float | None = None) -> int:
        """How many people the sightings show that `sightings` gives; a tracklet without an identity counts as one."""
        with self.checked() as connection:
            return queries.people(connection, queries.Filter(self.now(), cameras, start, end))

    def sighting_ids(
        self, cameras: Sequence[str] | None = None, start: float | None = None, end: float | None = None
    ) -> npt.NDArray[np.int64]:
        """The numbers of the sightings that `sightings` gives, `(n,)`, ascending; a number is never given twice."""
        with self.checked() as connection:
            return queries.sighting_ids(connection, queries.Filter(self.now(), cameras, start, end))

    def sightings_by_id(self, ids: Sequence[int] | npt.NDArray[np.int64]) -> list[Sighting | None]:
        """Sightings by their numbers, in the order asked; None where there is none or it has expired."""
        with self.checked() as connection:
            return queries.rows_of(connection, np.asarray(ids, np.int64).tolist(), self.now())

    def crops(self, ids: Sequence[int]) -> list[bytes | None]:
        """The pictures of sightings as JPEG, in the order asked; None where none is stored or it has expired."""
        with self.checked() as connection:
            return queries.crops(connection, ids, self.now())

    def tracklet(self, camera: str, track: int) -> TrackletRow | None:
        """A tracklet, or None where there is none."""
        with self.checked() as connection:
            return next(queries.tracklets(connection, camera, track), None)

    def tracklets(self, camera: str | None = None) -> list[TrackletRow]:
        """All tracklets, of one camera or of all, by camera and track number."""
        with self.checked() as connection:
            return list(queries.tracklets(connection, camera, None))

    def identity(self, number: int) -> IdentityRow | None:
        """An identity, or None where there is none."""
        with self.checked() as connection:
            return next(queries.identities(connection, number), None)

    def identities(self) -> list[IdentityRow]:
        """All identities, by number."""
        with self.checked() as connection:
            return list(queries.identities(connection, None))

    def audit_log(self) -> list[AuditEntry]:
        """Everything that was entered in the audit log, oldest first."""
        with self.checked() as connection:
            return queries.audit_log(connection)

    def _sightings(
        self, ask: Callable[[Connection], tuple[list[Sighting], Features | None]]
    ) -> tuple[list[Sighting], Features | None]:
        with self.checked() as connection:
            return ask(connection)
