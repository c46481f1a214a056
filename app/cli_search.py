"""The command that finds people in a gallery."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_gallery import GalleryPath
from app.cli_options import JsonFile, Overrides, parse_seconds


def search(
    gallery: GalleryPath,
    camera: Annotated[str | None, typer.Option(help="Camera of the box.")] = None,
    frame: Annotated[int | None, typer.Option(help="Frame of the box, from 0.")] = None,
    time: Annotated[str | None, typer.Option(help="Time of the box, instead of its frame.")] = None,
    box: Annotated[
        tuple[float, float, float, float] | None,
        typer.Option(metavar="L T W H", help="Left, top, width, height in source pixels."),
    ] = None,
    image: Annotated[list[Path], typer.Option(help="A picture of the person; repeatable.")] = [],  # noqa: B006
    identity: Annotated[int | None, typer.Option(help="Search for a known identity.")] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="Most matches listed.")] = 20,
    from_: Annotated[str | None, typer.Option("--from", help="Earliest time.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Latest time.")] = None,
    in_: Annotated[list[str], typer.Option("--in", metavar="CAMERA", help="Camera to search; repeatable.")] = [],  # noqa: B006
    exact: Annotated[bool, typer.Option("--exact", help="Match every sighting cell by cell.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for contact sheet and lists, pictures and clips.")
    ] = None,
    clips: Annotated[int, typer.Option(min=0, max=1000, help="Most clips cut into --output.")] = 5,
    follow: Annotated[
        str | None, typer.Option(metavar="NAME", help="Store the search: an event is raised when the person reappears.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ask the shards of a running cluster: auto, or its host (cluster.ask)."),
    ] = None,
    config_file: Annotated[Path | None, typer.Option("--config", help="Configuration file (YAML).")] = None,
    overrides: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """Find a person in a gallery: by a box in a frame, by pictures, or by identity."""
    import json

    from app.files import check_target
    from app.finding import Request
    from app.finding import find as run
    from app.search_report import print_search
    from app.settings import load_config

    check_target(json_file)
    request = Request(
        gallery=gallery,
        camera=camera,
        frame=frame,
        time=parse_seconds(time, "--time"),
        box=box,
        images=tuple(image),
        identity=identity,
        top=top,
        start=parse_seconds(from_, "--from"),
        end=parse_seconds(to, "--to"),
        cameras=tuple(in_),
        exact=exact,
        output=output,
        clips=clips,
        follow=follow,
    )
    asked = [] if cluster is None else [f"cluster.ask={json.dumps(cluster)}"]
    print_search(run(request, load_config(config_file, [*overrides, *asked])), json_file)
