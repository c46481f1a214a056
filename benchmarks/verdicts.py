"""What benchmarks of live cameras share of which each row holds or not: their command line, table, file and end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from app.files import check_target
from app.reports import write_results
from tests.app.events.servers import Broker
from tests.rtsp.running import missing

WIDTH = 200
"""Letters of a line of the table: there are many columns, and rarely a terminal."""


def command_line(about: str | None) -> argparse.ArgumentParser:
    """A command line that explains itself in a module's own words and takes `--json FILE`."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    return parser


def parsed(parser: argparse.ArgumentParser, *, broker: bool) -> argparse.Namespace:
    """What was given, if it can be done here: hours later would be too late to say so.

    Args:
        parser: As `command_line` makes it.
        broker: Whether a broker of MQTT is needed, too.

    Raises:
        SystemExit: If there is no RTSP server on this machine, or no broker.
        InputError: If the file cannot be written.
    """
    given = parser.parse_args()
    check_target(given.json)
    why = missing() or ("mosquitto is not installed" if broker and Broker.missing() else "")
    if why:
        raise SystemExit(why)
    return given


def conclude(
    command: str, rows: Sequence[Mapping[str, Any]], json_file: Path | None, hidden: Collection[str] = (), **facts: Any
) -> NoReturn:
    """Prints a table, writes the file, and ends: with 0 where every row's `passed` says so, else with 1.

    Args:
        command: Name of the benchmark.
        rows: One for each thing that must hold; not all have the same columns.
        json_file: Where to write them, if anywhere.
        hidden: Columns that are in the file only.
        facts: What is said of all rows, in the file.
    """
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in hidden]
    table = Table(*columns)
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console(width=WIDTH).print(table)
    write_results(command, rows, json_file, **facts)
    sys.exit(0 if all(row["passed"] for row in rows) else 1)
