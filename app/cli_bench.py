"""The command that measures this machine."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import Annotated

import typer

from app.errors import InputError


class What(StrEnum):
    """What can be measured, and the module of `benchmarks` that does it."""

    match = "matching"
    embed = "embed"
    search = "search"
    track = "tracking"
    pipeline = "pipeline"


def bench(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="match|embed|search|track|pipeline", help="What is measured.")],
) -> None:
    """Measure speed beside peers: print a table, and write it with --json FILE.

    Each takes options of its own: `bench search --help` shows them.
    """
    if what not in What.__members__:
        raise InputError(f"bench {what}: cannot be measured; give one of {', '.join(What.__members__)}")
    try:
        module = import_module(f"benchmarks.{What[what].value}")
    except ModuleNotFoundError as error:
        if error.name != "benchmarks":
            raise
        raise InputError("bench: the benchmarks come with the source, not with the package; run it there") from None
    module.main(context.args or (["--speed"] if what == "track" else []))
