"""A PostgreSQL server of the tests' own: made in a folder of its own, gone with it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg

USER, PASSWORD = "crowd", "s3cr3t-of-the-tests"

SETTINGS = (
    "listen_addresses = '127.0.0.1'",
    "max_connections = 60",
    "shared_buffers = 32MB",
    "autovacuum = off",
    "lc_messages = 'C'",
)

QUICK = ("fsync = off", "full_page_writes = off", "synchronous_commit = on")
"""Nothing of a test outlives a power cut; what survives a kill of the server does so without."""

HOST_RULES = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"


def programs() -> Path | None:
    """The folder of initdb and postgres, of the newest version; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[4]))
    if found:
        return found[-1].parent
    elsewhere = shutil.which("initdb")
    return None if elsewhere is None else Path(elsewhere).resolve().parent


class Postgres:
    """A server. It may be stopped, killed and started again.

    Attributes:
        folder: Everything of it.
        port: Where it listens, on 127.0.0.1; its socket is in `folder`.
    """

    def __init__(self, folder: Path, settings: tuple[str, ...] = QUICK) -> None:
        found = programs()
        assert found is not None
        self.folder, self._bin, self._number = folder, found, 0
        # It refuses to run as root.
        self._as = [] if os.geteuid() else ["setpriv", f"--reuid={_account()}", "--clear-groups", "--"]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        if not os.geteuid():
            os.chown(folder, pwd.getpwnam(_account()).pw_uid, -1)
        self._run("initdb", "--no-sync", "-A", "trust", "-U", "owner", "-E", "UTF8", "--locale=C", "-D", self._data)
        with (folder / "data" / "postgresql.conf").open("a") as file:
            lines = (*SETTINGS, *settings, f"port = {self.port}", f"unix_socket_directories = '{folder}'")
            file.write("\n".join(lines) + "\n")
        (folder / "data" / "pg_hba.conf").write_text(HOST_RULES)
        self.start()
        with self.administer() as connection:
            connection.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            connection.execute(f"CREATE DATABASE gallery OWNER {USER}")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def administer(self, database: str = "postgres") -> psycopg.Connection:
        """A connection with all rights, each statement at once."""
        address = f"host={self.folder} port={self.port} user=owner dbname={database}"
        return psycopg.connect(address, autocommit=True)

    def address(self, *, schema: str | None = None, database: str = "gallery", password: str = PASSWORD) -> str:
        """The address of a database by network and password."""
        options = "" if schema is None else "?options=" + quote(f"-csearch_path={schema}", safe="")
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}{options}"

    def empty(self) -> str:
        """The address of a place in which no gallery is yet: a schema of its own."""
        self._number += 1
        name = f"g{self._number}"
        with self.administer("gallery") as connection:
            connection.execute(f"CREATE SCHEMA {name} AUTHORIZATION {USER}")
        return self.address(schema=name)

    def database(self) -> str:
        """The address of a new database, in which no gallery is yet."""
        self._number += 1
        name = f"d{self._number}"
        with self.administer() as connection:
            connection.execute(f"CREATE DATABASE {name} OWNER {USER}")
        return self.address(database=name)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = (self.folder / "log").open("ab")
        command = [*self._as, str(self._bin / "postgres"), "-D", self._data]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        log.close()
        deadline = time.monotonic() + 30
        while True:
            try:
                self.administer().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def stop(self, *, kill: bool = False, at_once: bool = False) -> None:
        """Ends it at once, as an administrator does who waits for nobody, or by killing all its processes."""
        if self._process is None:
            return
        if at_once:
            # SIGQUIT: nothing is tidied up.
            self._process.send_signal(3)
        elif kill:
            subprocess.run(["pkill", "-9", "-P", str(self._process.pid)], check=False)
            self._process.kill()
        else:
            # SIGINT: a fast shutdown.
            self._process.send_signal(2)
        self._process.wait(30)
        self._process = None

    def _run(self, program: str, *words: str) -> None:
        command = [*self._as, str(self._bin / program), *words]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder)


@contextmanager
def server(*settings: str) -> Iterator[Postgres]:
    """A server, stopped and removed in the end."""
    # Not in pytest's own folders: those are for one account only.
    folder = Path(tempfile.mkdtemp(prefix="crowdtrace-pg-", dir="/tmp"))
    made: Postgres | None = None
    try:
        made = Postgres(folder, settings or QUICK)
        yield made
    finally:
        if made is not None:
            made.stop(at_once=True)
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str:
    """An account that is not root's."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise RuntimeError("no account is there that a server could run under")
