"""From what a user gives to the place of a gallery."""

from __future__ import annotations

from pathlib import Path

from app.gallery.file import File
from app.gallery.place import Place

SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")


def is_address(text: str) -> bool:
    """Whether a text is the address of a server, not a path."""
    return text.startswith(SCHEMES)


def place_of(given: Place | Path | str) -> Place:
    """The place that a path or an address means.

    Raises:
        InputError: If it is an address that cannot be meant.
    """
    if isinstance(given, Place):
        return given
    if isinstance(given, str) and is_address(given):
        # Not needed, nor installed at all, where everything is in files.
        from app.gallery.server import Server

        return Server.at(given)
    return File(Path(given))


def gallery_file(given: Path | str) -> Path | str:
    """The store that is meant: an address as it is, `gallery.db` where a folder is given, else the file itself."""
    if isinstance(given, str) and is_address(given):
        return given
    path = Path(given)
    return path / "gallery.db" if path.is_dir() else path
