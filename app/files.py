"""Writing results: whole files or none, and one clear line when a place cannot be written."""

from __future__ import annotations

import json
import os
from pathlib import Path

from app.errors import InputError


def prepare_folder(folder: Path) -> None:
    """Makes an output folder and sees that files can be written there.

    Raises:
        InputError: If it cannot be made or written.
    """
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{folder}: cannot write results there ({reason}); give another --output") from None


def check_target(path: Path | None) -> None:
    """Sees, before long work, that a file will be writable at its end; None is no file.

    Raises:
        InputError: If its folder is missing or cannot be written, or it is a folder itself.
    """
    if path is None:
        return
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written; give the path of a file in a writable folder")


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}); give another path") from None


def write_json(path: Path, value: object) -> None:
    """Writes indented JSON, whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
