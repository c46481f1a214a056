"""The command that serves the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import Overrides


def serve(
    gallery: Annotated[Path, typer.Option("--gallery", help="gallery.db, or the folder that holds it.")],
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of console.host.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on, instead of console.port.")
    ] = None,
    new_password: Annotated[
        str | None,
        typer.Option("--new-password", metavar="USER", help="Give a user a one-time password, and print it."),
    ] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="Configuration file (YAML).")] = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Serve the web console over an annotated folder: wall, search, people, corrections."""
    import json

    from app.console.server import serve_gallery
    from app.settings import load_config

    given = [] if host is None else [f"console.host={json.dumps(host)}"]
    given += [] if port is None else [f"console.port={port}"]
    serve_gallery(
        gallery, load_config(config_file, [*overrides, *given]), new_password, lambda line: print(line, flush=True)
    )
