"""The log of a live run: plain lines or lines of JSON on standard error, without credentials."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Literal

from app.addresses import redacted

Style = Literal["plain", "json"]


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One line: time, level, message; a traceback below it."""
        return redacted(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON: time, level, logger, message, and error where there is one."""
        values: dict[str, object] = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            values["error"] = redacted(self.formatException(record.exc_info))
        return json.dumps(values, ensure_ascii=False)


def log_to_stderr(style: Style) -> None:
    """Sends the program's log to standard error, from level info on; that of libraries from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        handler.setFormatter(_Json())
    else:
        formatter = _Plain("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("app").setLevel(logging.INFO)
