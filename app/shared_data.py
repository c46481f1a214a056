"""Where test data lies by default on a developer's machine."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "CROWDTRACE_SHARED"
"""Environment variable that names the folder of shared data and models."""


def shared_data(relative: str) -> Path | None:
    """A file or folder of the shared data, such as `data/pennfudan`; None where it is not there.

    The data is looked for in the folder that `CROWDTRACE_SHARED` names, else in `shared` beside the project's root.
    """
    project = Path(__file__).resolve().parent.parent
    path = Path(os.environ.get(VARIABLE) or project.parent / "shared") / relative
    return path if path.exists() else None
