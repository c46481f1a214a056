"""What comes with the program besides code: the demonstration's films and the configurations.

In a checkout they are links to the folders at its root; a built package holds copies.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

CONFIGS = "configs"
"""A path that begins with this and is not there means the configuration that came with the program."""


def shipped(*parts: str) -> Path:
    """A shipped file or folder, such as `shipped("demo_videos", "three-cameras")`; it need not be there."""
    return Path(str(files(__package__).joinpath(*parts)))


def find_config(path: Path) -> Path:
    """The path itself, or where it begins with `configs/` and is not there, the shipped configuration of that name."""
    if path.is_absolute() or path.parts[:1] != (CONFIGS,) or ".." in path.parts or path.exists():
        return path
    ours = shipped(*path.parts)
    return ours if ours.is_file() else path
