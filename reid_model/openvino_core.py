"""One OpenVINO core for the whole process.

Each core's CPU plugin gives the process an alternate stack for signals, and puts back the one before it when it goes.
When several go in another order than they came, what it puts back is memory already freed, and the next signal, such
as Ctrl-C, ends the process with a segmentation fault (seen with OpenVINO 2026.4). A core that all share never goes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from reid_model.telemetry import silence_telemetry

if TYPE_CHECKING:
    import openvino


@cache
def openvino_core() -> openvino.Core:
    """The core.

    Raises:
        ImportError: If openvino is not installed.
    """
    silence_telemetry()
    import openvino

    return openvino.Core()
