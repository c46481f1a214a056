"""The gallery: writing what was seen, and reading it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from sqlalchemy import Connection, Engine

from app.association.types import Identity
from app.config import GalleryConfig
from app.errors import InputError
from app.gallery import writing
from app.gallery.following import Reappearance, raise_events
from app.gallery.place import Place
from app.gallery.places import gallery_file, place_of
from app.gallery.reading import Readable
from app.gallery.records import sighting_values, tracklet_values
from app.gallery.rows import AuditEntry, CameraRow, IdentityRow, Sighting, TrackletRow
from app.gallery.schema import SCHEMA
from app.gallery.scrubbing import scrub, unfinished
from app.gallery.upgrading import check_facts, make_tables, read_facts, upgrade
from trackers.tracklet import Tracklet

__all__ = ["AuditEntry", "CameraRow", "Gallery", "IdentityRow", "Sighting", "TrackletRow", "gallery_file"]

SECONDS_A_DAY = 86400


DAMAGE = (ValueError, TypeError, AttributeError, KeyError, OverflowError)
"""What values of another type than the program writes lead to; SQLite takes any value in any column."""


class Gallery(Readable):
    """A durable store of cameras, tracklets, sightings, identities and the audit log, in one file or on a server.

    Every writing method is one transaction: after a kill, what a method returned from is there, and nothing half. Use
    it as a context manager, or call `close`.

    Attributes:
        place: Where it is kept.
        path: The file, or the address of the server without its password.
        model: Name of the model that the vectors come from.
        config: Whether pictures are kept, and for how long sightings are.
    """

    def __init__(
        self,
        place: Place,
        engine: Engine,
        model: str,
        *,
        read_only: bool,
        config: GalleryConfig,
        clock: Callable[[], float],
    ) -> None:
        """Use `Gallery.create` or `Gallery.open`."""
        self.place = place
        self.path = place.name
        self.model = model
        self._engine = engine
        self._writer = engine.execution_options(writes=True)
        self._read_only = read_only
        self.config = config
        self._clock = clock

    @classmethod
    def create(
        cls,
        path: Place | Path | str,
        model_id: str,
        *,
        config: GalleryConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Gallery:
        """Makes a new, empty gallery.

        Args:
            path: A file that does not exist, in a folder that does; or the address of a server's database that holds
                no gallery.
            model_id: Name of the model whose vectors will be stored: backbone, sizes and the hash of its weights.
            config: Whether pictures are kept, and for how long sightings are.
            clock: Gives the current time, seconds since the epoch; sightings expire by it.

        Raises:
            InputError: If the path exists, or cannot be written.
        """
        place = place_of(path)
        place.reserve()
        engine = place.connect(read_only=False)
        try:
            with place.one_line(), engine.execution_options(writes=True).begin() as connection:
                make_tables(connection, place, {"schema": str(SCHEMA), "model": model_id, "revision": "0"})
        except BaseException:
            engine.dispose()
            place.give_up()
            raise
        return cls(place, engine, model_id, read_only=False, config=config or GalleryConfig(), clock=clock)

    @classmethod
    def open_or_create(
        cls, path: Place | Path | str, model_id: str, *, config: GalleryConfig, clock: Callable[[], float] = time.time
    ) -> Gallery:
        """Opens a gallery for writing where there is one, else makes it.

        Raises:
            InputError: If it cannot be used, or holds another model's vectors.
        """
        place = place_of(path)
        if not place.exists():
            try:
                return cls.create(place, model_id, config=config, clock=clock)
            except InputError:
                # Another process may have made it meanwhile.
                if not place.exists():
                    raise
        return cls.open(place, model_id=model_id, config=config, clock=clock)

    @classmethod
    def open(
        cls,
        path: Place | Path | str,
        *,
        model_id: str | None = None,
        read_only: bool = False,
        config: GalleryConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Gallery:
        """Opens an existing gallery; one of an older schema is upgraded, after a copy, when opened for writing.

        Args:
            path: The file, or the address of a server's database.
            model_id: Name of the model whose vectors will be compared or added; None to accept any.
            read_only: Whether nothing will be written; searches need to write the audit log.
            config: Whether pictures are kept, and for how long sightings are.
            clock: Gives the current time, seconds since the epoch; sightings past their expiry are not returned.

        Raises:
            InputError: If it is missing, not a gallery, damaged, or of another model or a schema that cannot be used.
        """
        place = place_of(path)
        place.check(read_only=read_only)
        facts = read_facts(place)
        check_facts(place, facts, model_id, read_only=read_only)
        engine = place.connect(read_only=read_only)
        if int(facts["schema"]) < SCHEMA:
            try:
                with place.one_line():
                    upgrade(place, engine)
            except BaseException:
                place.disconnect(engine, read_only=False)
                raise
        if unfinished(facts) and not read_only:
            # An erasure that was cut off; where it cannot be finished now either, `gallery verify` says so.
            with suppress(InputError), place.one_line():
                scrub(place, engine)
        return cls(place, engine, facts["model"], read_only=read_only, config=config or GalleryConfig(), clock=clock)

    def close(self) -> None:
        """Closes the gallery; of a file, one plain file is left."""
        self.place.disconnect(self._engine, read_only=self._read_only)

    def __enter__(self) -> Gallery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def now(self) -> float:
        """The current time by the gallery's clock, seconds since the epoch."""
        return self._clock()

    def integrity(self) -> list[str]:
        """What the database itself finds wrong, a line each; nothing in a sound one."""
        with self.place.one_line():
            return self.place.integrity(self._engine)

    def size(self) -> int:
        """Bytes that the gallery takes."""
        with self.place.one_line():
            return self.place.size(self._engine)

    def clean_up(self) -> None:
        """Leaves no byte of what was deleted; writes the file anew only where that takes it.

        Raises:
            InputError: If a file cannot be changed, or another process holds on to what was deleted.
        """
        self._check_writable()
        with self.place.one_line():
            scrub(self.place, self._engine)

    def compact(self) -> None:
        """Writes the file anew: smaller, and without a trace of what was deleted.

        Raises:
            InputError: If there is no room for it, or another process holds on to what was deleted.
        """
        self._check_writable()
        with self.place.one_line():
            scrub(self.place, self._engine, whole=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the gallery throughout.

        Raises:
            InputError: If the database fails: one line that names cause and cure.
        """
        with self.place.one_line(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def checked(self) -> Iterator[Connection]:
        """The same, for a block that reads and does nothing else: what is stored and cannot be is told in one line.

        Raises:
            InputError: If what is stored is damaged.
        """
        with self.reading() as connection:
            try:
                yield connection
            except DAMAGE as error:
                raise InputError(
                    f"{self.path}: is damaged: {error}; restore it from a copy or annotate again"
                ) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection whose changes are on disk, all of them, when the block ends; none if it ends by an exception.

        Raises:
            InputError: If the gallery was opened for reading only, or the database fails.
        """
        self._check_writable()
        with self.place.one_line(), self._writer.begin() as connection:
            yield connection

    # Writing

    def add_camera(self, camera: CameraRow) -> None:
        """Adds a camera, or replaces the facts about the one of that name.

        Raises:
            InputError: If the gallery cannot be written.
        """
        with self.writing() as connection:
            writing.put_camera(connection, camera)

    def add_tracklets(self, camera: str, tracklets: Sequence[Tracklet]) -> list[Reappearance]:
        """Adds tracklets of a camera and the best of their exemplars as sightings, in one transaction.

        Args:
            camera: Name of a camera that was added.
            tracklets: Tracklets with numbers that the camera does not have yet.

        Returns:
            The events of follows whose person is among them; stored and in the audit log too.

        Raises:
            InputError: If the gallery cannot be written.
            ValueError: If the camera was not added, has a track of that number, or the exemplars' dimensions are not
                the gallery's.
        """
        stored = self.now()
        expires = stored + self.config.retention_days * SECONDS_A_DAY
        # Pictures are encoded before the lock is taken: others may write meanwhile.
        sightings = sighting_values(tracklets, expires, crops=self.config.crops)
        with self.writing() as connection:
            key = writing.camera_key(connection, camera, tracklets)
            values = [tracklet_values(key, item, stored, expires) for item in tracklets]
            numbers = writing.insert_tracklets(connection, values, sightings)
            return raise_events(connection, [camera], numbers[0] - 1, stored) if numbers else []

    def set_identities(self, identities: Sequence[Identity]) -> None:
        """Replaces all identities, in one transaction.

        Args:
            identities: Identities whose members were added; a tracklet in none of them is left without.

        Raises:
            InputError: If the gallery cannot be written.
            ValueError: If a member was not added.
        """
        with self.writing() as connection:
            writing.replace_identities(connection, identities)

    def audit(self, action: str, details: Mapping[str, object], *, who: str | None = None) -> None:
        """Enters something in the audit log that changes nothing; it is on disk when this returns.

        On a server it waits for nobody who writes sightings.

        Args:
            action: What was done, such as `search`.
            details: What is needed to understand it: plain values that JSON can hold.
            who: User name; None for the account that the program runs under.

        Raises:
            InputError: If the gallery cannot be written.
        """
        self._check_writable()
        with self.place.one_line(), self._writer.execution_options(beside=True).begin() as connection:
            writing.enter_audit(connection, self.now(), action, details, who)

    def _check_writable(self) -> None:
        if self._read_only:
            raise InputError(f"{self.path}: was opened for reading only; open it for writing")
