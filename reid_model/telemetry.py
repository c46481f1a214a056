"""Libraries that send usage data, kept from it."""

from __future__ import annotations

import os
import sys


def silence_telemetry() -> None:
    """To be called before openvino, nncf or onnxruntime is imported.

    openvino and nncf report to their makers unless the package that does so is absent; onnxruntime keeps a device
    number and its reports in the user's home unless this variable is set.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
