"""Many rows into a table at once: by COPY where the database is PostgreSQL, which is some times as fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Table, insert

Rows = Sequence[Mapping[str, object]]


def insert_many(connection: Connection, table: Table, rows: Rows) -> None:
    """Inserts rows that have their keys, all with values for the same columns."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.execute(insert(table), [dict(row) for row in rows])


def insert_numbered(connection: Connection, table: Table, rows: Rows) -> list[int]:
    """Inserts rows without their numbers, `id`, and gives those, in order; they go on from the last."""
    if not rows:
        return []
    if connection.dialect.name != "postgresql":
        query = insert(table).returning(table.c.id, sort_by_parameter_order=True)
        return list(connection.scalars(query, [dict(row) for row in rows]))
    given = "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)"
    # One writes at a time, so that nobody else is given numbers in between.
    numbers = sorted(connection.exec_driver_sql(given, (table.name, len(rows))).scalars())
    _copy(connection, table, [{"id": number, **row} for number, row in zip(numbers, rows, strict=True)])
    return numbers


def _copy(connection: Connection, table: Table, rows: Rows) -> None:
    names = list(rows[0])
    types = [table.c[name].type for name in names]
    change = [each.dialect_impl(connection.dialect).bind_processor(connection.dialect) for each in types]
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, names))}) FROM STDIN (FORMAT BINARY)"
    raw = cast(Any, connection.connection.driver_connection)
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_type_name(each.compile(connection.dialect)) for each in types])
        for row in rows:
            values = zip(change, (row[name] for name in names), strict=True)
            copy.write_row([value if to is None else to(value) for to, value in values])


def _type_name(declared: str) -> str:
    """A type as psycopg knows it, from how a column declares it: `varchar` from `VARCHAR(64) COLLATE "C"`."""
    name = declared.lower().partition(" collate")[0].partition("(")[0]
    # Every float is of 53 bits.
    return "float8" if name == "float" else name
