"""`evaluate association`: how well people are told across cameras."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import JsonFile, Overrides
from app.errors import InputError


def evaluate_association(
    scene: Annotated[
        list[Path], typer.Option("--scene", help="Folder with a folder for each camera; repeatable.")
    ] = [],  # noqa: B006
    tracklets: Annotated[
        str | None, typer.Option("--tracklets", metavar="KIND:DIR", help="Crops of people, such as market1501:DIR.")
    ] = None,
    occlude: Annotated[
        int | None, typer.Option("--occlude", metavar="SEED", help="Cover the crops of --tracklets, reproducibly.")
    ] = None,
    occluders: Annotated[
        Path | None, typer.Option("--occluders", help="Penn-Fudan folder whose people and scenery cover the crops.")
    ] = None,
    associator: Annotated[
        str, typer.Option("--associator", help="offline: all at once; online: as tracklets come.")
    ] = "offline",
    uncalibrated: Annotated[
        bool, typer.Option("--uncalibrated", help="Leave overlaps and homographies of a scene's file unused.")
    ] = False,
    config_file: Annotated[Path | None, typer.Option("--config", help="Configuration file (YAML).")] = None,
    overrides: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """Score identities across cameras, of scenes (from real boxes, true boxes, true tracks) or of crops of people."""
    from app import reports
    from app.association_crops import CropsRequest, evaluate_crops
    from app.association_evaluation import Associator, evaluate_scenes
    from app.files import check_target
    from app.settings import load_config

    if bool(scene) == (tracklets is not None):
        raise InputError("evaluate association: give --scene DIR or --tracklets KIND:DIR, one of the two")
    if associator not in Associator.__members__:
        raise InputError(f"--associator {associator}: no such associator; give offline or online")
    if scene and (occlude is not None or occluders is not None):
        raise InputError("--occlude covers the crops of --tracklets; scenes have their own people in the way")
    if tracklets is not None and uncalibrated:
        raise InputError("--uncalibrated is about a scene's file; leave it out with --tracklets")
    check_target(json_file)
    config = load_config(config_file, overrides)
    chosen = Associator(associator)
    with reports.Progress() as progress:
        if tracklets is None:
            results = evaluate_scenes(scene, config, chosen, calibrated=not uncalibrated, progress=progress.update)
        else:
            request = CropsRequest(tracklets, occlude, occluders)
            results = evaluate_crops(request, config, chosen, progress.update)
    reports.print_results("evaluate association", results, json_file)
