"""The gallery: writing what was seen, and reading it back."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from app.association.types import Identity
from app.config import GalleryConfig
from app.errors import InputError
from app.gallery import queries
from app.gallery.database import check_file, connect, create_file, disconnect, one_line
from app.gallery.packing import Dimensions
from app.gallery.records import sighting_values, tracklet_values
from app.gallery.rows import AuditEntry, CameraRow, IdentityRow, Sighting, TrackletRow
from app.gallery.schema import (
    SCHEMA,
    AuditRecord,
    Base,
    Camera,
    IdentityRecord,
    Meta,
    SightingRecord,
    TrackletRecord,
)
from reid_model.features import Features
from trackers.tracklet import Tracklet

__all__ = ["AuditEntry", "CameraRow", "Gallery", "IdentityRow", "Sighting", "TrackletRow"]

SECONDS_A_DAY = 86400


class Gallery:
    """A durable store of cameras, tracklets, sightings, identities and the audit log, in one file.

    Every writing method is one transaction: after a kill, what a method returned from is there, and nothing half. Use
    it as a context manager, or call `close`.

    Attributes:
        path: The file.
        model: Name of the model that the vectors come from.
    """

    def __init__(
        self,
        path: Path,
        engine: Engine,
        model: str,
        *,
        read_only: bool,
        config: GalleryConfig,
        clock: Callable[[], float],
    ) -> None:
        """Use `Gallery.create` or `Gallery.open`."""
        self.path = path
        self.model = model
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._read_only = read_only
        self._config = config
        self._clock = clock

    @classmethod
    def create(
        cls,
        path: Path | str,
        model_id: str,
        *,
        config: GalleryConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Gallery:
        """Makes a new, empty gallery.

        Args:
            path: A file that does not exist, in a folder that does.
            model_id: Name of the model whose vectors will be stored: backbone, sizes and the hash of its weights.
            config: Whether pictures are kept, and for how long sightings are.
            clock: Gives the current time, seconds since the epoch; sightings expire by it.

        Raises:
            InputError: If the path exists, or cannot be written.
        """
        path = Path(path)
        create_file(path)
        engine = connect(path, read_only=False)
        try:
            with one_line(path), engine.execution_options(writes=True).begin() as connection:
                Base.metadata.create_all(connection)
                facts = [{"key": "schema", "value": str(SCHEMA)}, {"key": "model", "value": model_id}]
                connection.execute(insert(Meta), facts)
        except BaseException:
            engine.dispose()
            path.unlink(missing_ok=True)
            raise
        return cls(path, engine, model_id, read_only=False, config=config or GalleryConfig(), clock=clock)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        model_id: str | None = None,
        read_only: bool = False,
        config: GalleryConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Gallery:
        """Opens an existing gallery.

        Args:
            path: The file.
            model_id: Name of the model whose vectors will be compared or added; None to accept any.
            read_only: Whether nothing will be written; searches need to write the audit log.
            config: Whether pictures are kept, and for how long sightings are.
            clock: Gives the current time, seconds since the epoch; sightings past their expiry are not returned.

        Raises:
            InputError: If it is missing, not a gallery, damaged, or of another schema or model.
        """
        path = Path(path)
        check_file(path, read_only=read_only)
        # Looked at without the right to write, so that another program's database is left as it is.
        looking = connect(path, read_only=True)
        try:
            model = _check_meta(path, looking, model_id)
        finally:
            looking.dispose()
        engine = connect(path, read_only=read_only)
        return cls(path, engine, model, read_only=read_only, config=config or GalleryConfig(), clock=clock)

    def close(self) -> None:
        """Closes the gallery, leaving one plain file."""
        disconnect(self._engine, read_only=self._read_only)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # Writing

    def add_camera(self, camera: CameraRow) -> None:
        """Adds a camera, or replaces the facts about the one of that name.

        Raises:
            InputError: If the gallery cannot be written.
        """
        values = {
            "source": camera.source,
            "start": float(camera.start),
            "width": int(camera.width),
            "height": int(camera.height),
            "rate": float(camera.rate),
            "frame_count": int(camera.frame_count),
        }
        with self._write() as connection:
            changed = connection.execute(update(Camera).where(Camera.name == camera.name).values(**values))
            if not changed.rowcount:
                connection.execute(insert(Camera).values(name=camera.name, **values))

    def add_tracklets(self, camera: str, tracklets: Sequence[Tracklet]) -> None:
        """Adds tracklets of a camera and their exemplars as sightings, in one transaction.

        Args:
            camera: Name of a camera that was added.
            tracklets: Tracklets with numbers that the camera does not have yet.

        Raises:
            InputError: If the gallery cannot be written.
            ValueError: If the camera was not added, has a track of that number, or the exemplars' dimensions are not
                the gallery's.
        """
        with self._write() as connection:
            camera_id = connection.scalar(select(Camera.id).where(Camera.name == camera))
            if camera_id is None:
                raise ValueError(f"camera: expected one that was added, given {camera!r}")
            self._check_dimensions(connection, tracklets)
            expires = self._clock() + self._config.retention_days * SECONDS_A_DAY
            for tracklet in tracklets:
                try:
                    key = connection.scalar(
                        insert(TrackletRecord).returning(TrackletRecord.id), tracklet_values(camera_id, tracklet)
                    )
                except IntegrityError:
                    raise ValueError(f"tracklets: camera {camera} has a track {tracklet.track_id} already") from None
                assert key is not None
                sightings = sighting_values(key, tracklet, expires, crops=self._config.crops)
                if sightings:
                    connection.execute(insert(SightingRecord), sightings)

    def set_identities(self, identities: Sequence[Identity]) -> None:
        """Replaces all identities, in one transaction.

        Args:
            identities: Identities whose members were added; a tracklet in none of them is left without.

        Raises:
            InputError: If the gallery cannot be written.
            ValueError: If a member was not added.
        """
        with self._write() as connection:
            known = queries.tracklet_keys(connection)
            links = []
            for identity in identities:
                for member in identity.members:
                    if member.key not in known:
                        camera, track = member.key
                        raise ValueError(f"identities: expected stored tracklets, given {camera} track {track}")
                    links.append({"key": known[member.key], "number": identity.number})
            connection.execute(update(TrackletRecord).values(identity=None))
            connection.execute(delete(IdentityRecord))
            if identities:
                rows = [{"number": identity.number, "status": identity.status} for identity in identities]
                connection.execute(insert(IdentityRecord), rows)
                linking = (
                    update(TrackletRecord.__table__)  # type: ignore[arg-type]
                    .where(TrackletRecord.id == bindparam("key"))
                    .values(identity=bindparam("number"))
                )
                connection.execute(linking, links)

    def audit(self, action: str, details: Mapping[str, object], *, who: str | None = None) -> None:
        """Enters something in the audit log; it is on disk when this returns.

        Args:
            action: What was done, such as `search`.
            details: What is needed to understand it: plain values that JSON can hold.
            who: User name; None for the account that the program runs under.

        Raises:
            InputError: If the gallery cannot be written.
        """
        entry = {"time": self._clock(), "who": who or _account(), "action": action, "details": dict(details)}
        with self._write() as connection:
            connection.execute(insert(AuditRecord), [entry])

    # Reading

    def cameras(self) -> list[CameraRow]:
        """All cameras, by name."""
        with self._read() as connection:
            return queries.cameras(connection)

    def dimensions(self) -> Dimensions | None:
        """The sizes of the stored vectors, or None where none is stored yet."""
        with self._read() as connection:
            return queries.dimensions(connection)

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
        with self._read() as connection:
            chosen = queries.Filter(self._clock(), cameras, start, end, track, identity)
            try:
                return queries.sightings(connection, chosen)
            except ValueError as error:
                raise self._damaged(error) from error

    def crops(self, ids: Sequence[int]) -> list[bytes | None]:
        """The pictures of sightings as JPEG, in the order asked; None where none is stored or it has expired."""
        with self._read() as connection:
            return queries.crops(connection, ids, self._clock())

    def tracklet(self, camera: str, track: int) -> TrackletRow | None:
        """A tracklet, or None where there is none."""
        with self._read() as connection:
            try:
                return next(queries.tracklets(connection, camera, track), None)
            except ValueError as error:
                raise self._damaged(error) from error

    def tracklets(self, camera: str | None = None) -> list[TrackletRow]:
        """All tracklets, of one camera or of all, by camera and track number."""
        with self._read() as connection:
            try:
                return list(queries.tracklets(connection, camera, None))
            except ValueError as error:
                raise self._damaged(error) from error

    def identity(self, number: int) -> IdentityRow | None:
        """An identity, or None where there is none."""
        with self._read() as connection:
            return next(queries.identities(connection, number), None)

    def identities(self) -> list[IdentityRow]:
        """All identities, by number."""
        with self._read() as connection:
            return list(queries.identities(connection, None))

    def audit_log(self) -> list[AuditEntry]:
        """Everything that was entered in the audit log, oldest first."""
        with self._read() as connection:
            return queries.audit_log(connection)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with one_line(self.path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        if self._read_only:
            raise InputError(f"{self.path}: was opened for reading only; open it for writing")
        with one_line(self.path), self._writer.begin() as connection:
            yield connection

    def _damaged(self, error: ValueError) -> InputError:
        return InputError(f"{self.path}: is damaged: {error}; restore it from a copy or annotate again")

    def _check_dimensions(self, connection: Connection, tracklets: Sequence[Tracklet]) -> None:
        given = {Dimensions.of(item.exemplars) for item in tracklets if item.exemplars is not None}
        if not given:
            return
        stored = queries.dimensions(connection)
        if stored is None and len(given) == 1:
            connection.execute(insert(Meta), queries.dimension_facts(*given))
        elif given != {stored}:
            sizes = "; ".join(sorted(map(str, given)))
            raise ValueError(f"exemplars: expected {stored or 'one set of sizes'}, given {sizes}")


def _check_meta(path: Path, engine: Engine, model_id: str | None) -> str:
    with one_line(path), engine.begin() as connection:
        try:
            facts = queries.meta(connection)
        except OperationalError as error:
            if "no such" not in str(error.orig):
                raise
            facts = {}
    if not {"schema", "model"} <= facts.keys():
        raise InputError(f"{path}: is a database but not a gallery; give the gallery.db that annotate wrote")
    if facts["schema"] != str(SCHEMA):
        raise InputError(
            f"{path}: has schema version {facts['schema']}, this program has {SCHEMA}; annotate again with this version"
        )
    if model_id is not None and facts["model"] != model_id:
        raise InputError(
            f"{path}: its vectors come from model {facts['model']}, the model in use is {model_id}; "
            "use those weights, or annotate again with these"
        )
    return facts["model"]


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
