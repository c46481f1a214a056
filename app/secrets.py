"""Passwords and tokens from outside a configuration: `${NAME}` from the environment, `${file:PATH}` from a file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from app.errors import InputError

PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
"""`${NAME}` or `${file:PATH}`."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def put_in(
    text: str,
    what: str,
    environment: Mapping[str, str] = os.environ,
    written: Callable[[str, str, str], str] = lambda value, before, after: value,
) -> tuple[str, list[str]]:
    """A text with what its placeholders stand for, and the values that were put in.

    Args:
        text: With or without placeholders.
        what: What it is, for messages, such as `a camera's source`.
        environment: Where variables are looked up.
        written: How a value is written, given what stands before and after it in the text.

    Raises:
        InputError: If a variable is not set or a file cannot be read.
    """
    values: list[str] = []

    def value(match: re.Match[str]) -> str:
        found = _value(match.group(1), what, environment)
        values.append(found)
        return written(found, text[: match.start()], text[match.end() :])

    return PLACEHOLDER.sub(value, text), values


def _value(name: str, what: str, environment: Mapping[str, str]) -> str:
    if name.startswith("file:"):
        path = Path(name.removeprefix("file:"))
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise InputError(f"{path}: {what} cannot be completed from it ({why}); check the file") from None
    if not _VARIABLE.fullmatch(name):
        raise InputError(f"{what} holds a ${{…}} that is neither ${{NAME}} nor ${{file:PATH}}; correct it")
    if name not in environment:
        raise InputError(f"{what} needs the environment variable {name}, which is not set; set it")
    return environment[name]
