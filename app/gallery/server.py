"""A gallery in a database of a PostgreSQL server.

One writes at a time, as in a file: whoever writes takes a lock of the whole schema first, so that numbers go on without
gaps, what is derived by number sees all before it, and an operator's word never comes between a decision and its
writing. Readers wait for nobody, and see one state throughout. Whoever only tells the audit log of a search waits for
those alone who tell it of a change: whoever reads on from the last entry they know misses none of a change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

import psycopg
from sqlalchemy import URL, Connection, Engine, LargeBinary, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.errors import InputError
from app.gallery.place import Place
from app.gallery.schema import Base
from app.gallery.server_errors import explain
from app.gallery.snapshot import Snapshot
from app.gallery.upgrading import is_gallery
from app.gallery.writing import TURN, audit_lock
from app.secrets import put_in

BUSY_SECONDS = 60
"""How long a writer waits for another to finish."""

CONNECT_SECONDS = 5
"""How long a server may take to answer."""

ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 20_000}
"""After how long a server that has vanished from the network is taken for gone: seconds, and milliseconds."""

CLEANING_SECONDS = 10
"""How long writing the tables anew waits for others to let go of them: everybody else waits behind it."""


class Server(Place):
    """A database, or the schema of one that the address's `options` name, for the gallery alone."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.name = _shown(url)

    @classmethod
    def at(cls, address: str) -> Server:
        """The place that an address means; `${NAME}` and `${file:PATH}` in it are put in.

        Raises:
            InputError: If it cannot be meant. The message does not hold the password.
        """
        filled, _ = put_in(address, "the gallery's address", os.environ, lambda value, *_: quote(value, safe=""))
        try:
            url = make_url(filled)
        except (ArgumentError, ValueError):
            url = None
        if url is None or not url.database:
            raise InputError(
                "the gallery's address is not one of a PostgreSQL database; give postgresql://user@host:port/database"
            )
        return cls(url.set(drivername="postgresql+psycopg"))

    # Being there

    def exists(self) -> bool:
        """Whether the database holds a gallery, or tables that would be in its way."""
        with self._looking() as connection:
            return is_gallery(connection)

    def check(self, *, read_only: bool) -> None:
        """Sees that the server answers, that there is a gallery, and that it can be written where it has to be.

        Raises:
            InputError: If not.
        """
        with self._looking() as connection:
            if not is_gallery(connection):
                raise InputError(
                    f"{self}: no such gallery: the database holds none; `gallery copy` or a live run makes one in it"
                )
            if not read_only:
                self._check_writable(connection, "SELECT has_table_privilege('audit', 'INSERT')")

    def reserve(self) -> None:
        """Sees that a gallery can be made.

        Raises:
            InputError: If not.
        """
        with self._looking() as connection:
            if is_gallery(connection):
                raise InputError(f"{self}: exists already; give another database or `gallery copy` it away first")
            self._check_writable(connection, "SELECT has_schema_privilege(current_schema(), 'CREATE')")
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar()
            if encoding != "UTF8":
                raise InputError(f"{self}: the database's encoding is {encoding}; make one with encoding UTF8")

    def give_up(self) -> None:
        """Nothing: what failed was one transaction."""

    def connect(self, *, read_only: bool) -> Engine:
        """An engine whose connections are tried before they are used: a server that was started anew is found again."""
        engine = create_engine(
            self._url,
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "crowdtrace", **ALIVE},
            pool_pre_ping=True,
            pool_timeout=BUSY_SECONDS,
        )

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            options = connection.get_execution_options()
            if options.get("isolation_level") == "AUTOCOMMIT":
                return
            if not options.get("writes", False):
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                return
            turn = audit_lock(shared=True) if options.get("beside", False) else TURN
            connection.exec_driver_sql(
                f"SET LOCAL lock_timeout = {round(BUSY_SECONDS * 1000)}; "
                # Acknowledged is on the disk, whatever the server's default.
                "SELECT set_config('synchronous_commit', 'on', true) "
                "WHERE current_setting('synchronous_commit') = 'off'; "
                f"SELECT {turn}"
            )

        return engine

    def disconnect(self, engine: Engine, *, read_only: bool) -> None:
        """Closes all connections."""
        engine.dispose()

    @contextmanager
    def one_line(self) -> Iterator[None]:
        """Turns what the server reports into one line for the user.

        Raises:
            InputError: If the server is away, full, or refuses.
        """
        try:
            yield
        except (DBAPIError, psycopg.Error) as error:
            self._fail(error)
        except PoolTimeoutError as error:
            raise InputError(f"{self}: too many at once wait for a connection; try again") from error

    @contextmanager
    def building(self) -> Iterator[Connection]:
        """One transaction, after which the server knows how to plan its questions."""
        self.reserve()
        with super().building() as connection:
            yield connection
            connection.exec_driver_sql("ANALYZE")

    def tune(self, connection: Connection) -> None:
        """Has vectors and pictures neither compressed, which gains nothing, nor sampled.

        A sample in the server's statistics would outlive whoever is erased.
        """
        for table in Base.metadata.sorted_tables:
            changes = [
                f"ALTER {column.name} SET STORAGE EXTERNAL, ALTER {column.name} SET STATISTICS 0"
                for column in table.c
                if isinstance(column.type, LargeBinary)
            ]
            if changes:
                connection.exec_driver_sql(f"ALTER TABLE {table.name} {', '.join(changes)}")

    # Looking after it

    def integrity(self, engine: Engine) -> list[str]:
        """Indexes and references that the server does not vouch for.

        Pages are the server's own to check (`initdb --data-checksums`, `pg_amcheck`): that needs an administrator.
        """
        with engine.connect() as connection:
            indexes = connection.exec_driver_sql(
                "SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                "WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"
            ).scalars()
            found = [f"index {name} is not valid; REINDEX it" for name in indexes]
        for table in Base.metadata.sorted_tables:
            for key in table.foreign_keys:
                other = key.column.table
                query = (
                    f"SELECT count(*) FROM {table.name} a LEFT JOIN {other.name} b ON a.{key.parent.name} = "
                    f"b.{key.column.name} WHERE a.{key.parent.name} IS NOT NULL AND b.{key.column.name} IS NULL"
                )
                with engine.connect() as connection:
                    count = connection.exec_driver_sql(query).scalar()
                if count:
                    found.append(f"{table.name}: {count} rows name a row of {other.name} that is not there")
        return found

    def size(self, engine: Engine) -> int:
        """Bytes of the tables, their indexes and what is stored beside them."""
        with engine.connect() as connection:
            query = text(
                "SELECT sum(pg_total_relation_size(to_regclass(name))) FROM unnest(CAST(:names AS text[])) AS name"
            )
            return int(connection.scalar(query, {"names": list(Base.metadata.tables)}) or 0)

    def flush(self, engine: Engine) -> bool:
        """Frees what was deleted for what is written next; nobody waits for it."""
        return self._vacuum(engine, "VACUUM")

    def compact(self, engine: Engine) -> bool:
        """Writes the tables anew, without what was deleted; others wait meanwhile.

        What the server's log of changes and its backups still hold is the server's: they go with its own retention.
        """
        return self._vacuum(engine, "VACUUM (FULL, ANALYZE)")

    @property
    def held_up(self) -> str:
        """What to say where another session holds on to the tables."""
        return (
            f"{self}: what was deleted is still in the tables, which another session is using; "
            "end that one, then run `gallery compact`"
        )

    def save_earlier(self, schema: int) -> None:
        """Nothing: a server undoes a whole upgrade, tables and all, if it fails."""

    def earlier_copies(self) -> list[Path]:
        """None."""
        return []

    def snapshot(self) -> Snapshot | None:
        """None: a file of vectors on each machine that ever searched would outlive whoever is erased."""
        return None

    # Numbers that are never given twice

    def last_numbers(self, connection: Connection) -> dict[str, int]:
        """The last number given in each table that gives them."""
        found = {}
        for name, sequence in self._sequences(connection).items():
            last = connection.exec_driver_sql(f"SELECT last_value FROM {sequence} WHERE is_called").scalar()
            found[name] = int(last or 0)
        return found

    def set_last_numbers(self, connection: Connection, numbers: Mapping[str, int]) -> None:
        """Makes numbers go on from these, and elsewhere from the highest there is."""
        for name, sequence in self._sequences(connection).items():
            highest = connection.exec_driver_sql(f"SELECT max(id) FROM {name}").scalar() or 0
            last = max(numbers.get(name, 0), highest)
            if last:
                connection.exec_driver_sql("SELECT setval(%s::regclass, %s)", (sequence, last))

    # Its own

    @staticmethod
    def _sequences(connection: Connection) -> dict[str, str]:
        """The name of the sequence of each table that gives numbers."""
        ask = "SELECT pg_get_serial_sequence(%s, 'id')"
        tables = [table for table in Base.metadata.sorted_tables if "id" in table.c]
        return {table.name: str(connection.exec_driver_sql(ask, (table.name,)).scalar()) for table in tables}

    @contextmanager
    def _looking(self) -> Iterator[Connection]:
        """A connection of its own that only looks."""
        engine = self.connect(read_only=True)
        try:
            with self.one_line(), engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def _check_writable(self, connection: Connection, allowed: str) -> None:
        asked = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
        if connection.exec_driver_sql(asked).scalar():
            raise InputError(
                f"{self}: the database is read-only, and every search is entered in the gallery's audit log; "
                "give the address of one that can be written"
            )
        if not connection.exec_driver_sql(allowed).scalar():
            role = connection.exec_driver_sql("SELECT current_user").scalar()
            raise InputError(f"{self}: role {role} may not write to it; grant it that, or give another user")

    def _vacuum(self, engine: Engine, command: str) -> bool:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(f"SET lock_timeout = '{CLEANING_SECONDS}s'")
            try:
                connection.exec_driver_sql(f"{command} {tables}")
            except SQLAlchemyError as error:
                if getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03":
                    return False
                raise
            finally:
                # The setting is the session's: others are not to find it.
                connection.invalidate()
        return True

    def _fail(self, error: DBAPIError | psycopg.Error) -> NoReturn:
        original: Any = error.orig if isinstance(error, DBAPIError) else error
        cause, cure = explain(original)
        raise InputError(f"{self}: {cause}; {cure}") from error


def _shown(url: URL) -> str:
    """An address as it may be shown: who, where, which; no password, nor any setting that could hold one."""
    user = f"{url.username}@" if url.username else ""
    host = url.host or url.query.get("host", "")
    port = url.port or url.query.get("port", "")
    place = f"{host}:{port}" if port else f"{host}"
    return f"postgresql://{user}{place}/{url.database}"
