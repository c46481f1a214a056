"""The command that serves the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_live import Log
from app.cli_options import Overrides


def serve(
    gallery: Annotated[
        str | None,
        typer.Option(
            "--gallery",
            help="gallery.db, the folder that holds it, or a postgresql:// address: the console over recordings.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of console.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of console.port.")
    ] = None,
    new_password: Annotated[
        str | None,
        typer.Option("--new-password", metavar="USER", help="Give a user a one-time password, and print it."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", help="Configuration file (YAML); without --gallery, with the live cameras."),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    log: Annotated[Log, typer.Option(help="How the log on standard error is written, live.")] = Log.plain,
) -> None:
    """Serve the web console: over live cameras, which are watched as `track` does, or over an annotated folder."""
    import json

    from app.errors import InputError
    from app.settings import load_config

    given = [] if host is None else [f"console.host={json.dumps(host)}"]
    given += [] if port is None else [f"console.port={port}"]

    def say(line: str) -> None:
        print(line, flush=True)

    if gallery is None and config_file is None:
        raise InputError("give --gallery DIR that annotate wrote, or --config FILE with live cameras")
    config = load_config(config_file, [*overrides, *given])
    if gallery is not None:
        from app.console.server import serve_gallery

        serve_gallery(gallery, config, new_password, say)
        return

    from app.logs import log_to_stderr

    log_to_stderr(log.value)

    from app.console.live import serve_live
    from app.live.process import prepare_process

    prepare_process()
    serve_live(config, lambda: load_config(config_file, [*overrides, *given]), new_password, say)
    say("ended in order")
