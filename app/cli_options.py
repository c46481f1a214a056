"""What several commands take, and how they end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.errors import InputError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

Overrides = Annotated[list[str], typer.Option("--set", metavar="A.B=C", help="Change one setting; repeatable.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write a machine-readable result.")]


def parse_seconds(text: str | None, option: str) -> float | None:
    """A time given as seconds or ISO 8601; None where none is given.

    Raises:
        InputError: If it is neither; the message names the option.
    """
    # Processes started afresh import the command line again; the configuration would bring torch along.
    from app.config import parse_time

    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise InputError(f"{option} {text}: {error}") from None
