"""The command that watches live cameras."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import Overrides


class Log(StrEnum):
    """How the log is written."""

    plain = "plain"
    json = "json"


def track(
    config_file: Annotated[Path, typer.Option("--config", help="Configuration file (YAML) with the cameras.")],
    overrides: Overrides = [],  # noqa: B006
    log: Annotated[Log, typer.Option(help="How the log on standard error is written.")] = Log.plain,
) -> None:
    """Watch live cameras until stopped: events, one identity a person over all of them, and a gallery to search."""
    from app.logs import log_to_stderr
    from app.settings import load_config

    config = load_config(config_file, overrides)
    log_to_stderr(log.value)

    from app.live.process import prepare_process
    from app.live.session import Session, run_until_told

    prepare_process()
    session = Session(config, lambda: load_config(config_file, overrides))
    names = ", ".join(camera.name for camera in config.cameras)
    print(f"watching {names}; Ctrl-C ends it", flush=True)
    print(f"gallery: {session.gallery.path}", flush=True)
    if session.health is not None:
        print(f"figures: http://{config.events.metrics_host}:{session.health.port}/metrics", flush=True)
    run_until_told(session)
    print("ended in order", flush=True)
