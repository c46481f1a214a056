"""What a PostgreSQL server reports, as a cause and a cure in one line."""

from __future__ import annotations

import re

CURES = (
    ("28P01|password authentication|no password supplied",
     "give the right one in the address, as PGPASSWORD or in ~/.pgpass"),
    ("28000|role .* does not exist|no pg_hba.conf entry",
     "give a user that the server lets in"),
    ("3D000|database .* does not exist",
     "make it with `createdb`, or give another"),
    ("could not translate|name or service|name resolution|resolve host",
     "give the right host, or see to the network"),
    ("refused|timeout expired|timed out|unreachable|no route|no such file or directory|reset by peer",
     "make sure that the server runs and can be reached from here"),
    ("57P0[123]|08[0-9A-Z]{3}|server closed|connection is (lost|closed|bad)|terminat|consuming input|eof detected"
     "|starting up|shutting down|closed the connection|no connection",
     "the server went away; try again when it is back"),
    ("53100|no space left", "free some space on the server's disk"),
    ("53200", "give the server more memory"),
    ("53300|too many clients|connection slots", "let the server take more connections (max_connections)"),
    ("25006", "the database is read-only; give the address of one that can be written"),
    ("42501", "grant its user the right to, or give another user"),
    ("55P03|40P01|40001|57014", "another process is at work on it; try again when it is done"),
    ("42P01|42703|3F000", "its tables are not those of a gallery; give another database, or restore it from a backup"),
    ("XX001|XX002", "its data are damaged; restore it from a backup"),
)  # fmt: skip
"""What a report's code and words are searched for, and what helps."""


def explain(error: BaseException) -> tuple[str, str]:
    """Cause and cure of what psycopg has raised.

    The cause is the server's own words, without a password: those are never in them.
    """
    told = " ".join(str(error).split())
    # One attempt for each address of a host: the last says as much as all.
    told = re.split(r"Multiple connection attempts failed\. All failures were: ", told)[0] or told
    told = re.sub(r"^connection failed: |^connection is bad: |connection to server (at|on) .*? failed: ", "", told)
    told = re.sub(r"\b(FATAL|ERROR|PANIC): +", "", told)
    told = re.split(r" (DETAIL|HINT|CONTEXT|LINE \d+|Is the server running|- host:)", told)[0].strip(" .;:")
    code = getattr(error, "sqlstate", None) or ""
    for pattern, cure in CURES:
        if re.search(pattern, f"{code} {told}", re.IGNORECASE):
            return told or "the connection was lost", cure
    return told or type(error).__name__, "make sure that the server is well and the gallery is whole"
