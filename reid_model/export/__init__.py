"""Networks for machines without torch, or for speed: ONNX and OpenVINO, fp16 and int8."""

from __future__ import annotations

from reid_model.export.convert import ExportError
from reid_model.export.folder import SIDECAR, Format, Sidecar, is_export, read_export, write_export

__all__ = ["SIDECAR", "ExportError", "Format", "Sidecar", "is_export", "read_export", "write_export"]
