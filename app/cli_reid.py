"""Commands about the re-identification network: teach, train, explain, export and `evaluate reid`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import INTERRUPTED, JsonFile

DataSpecs = Annotated[
    list[str], typer.Option("--data", metavar="KIND:DIR", help="A dataset, such as market1501:DIR; repeatable.")
]
DataSpec = Annotated[str, typer.Option("--data", metavar="KIND:DIR", help="A dataset, such as market1501:DIR.")]
WeightsFile = Annotated[Path | None, typer.Option("--weights", help="GASM weights: a path, default or small.")]


class ExportFormat(StrEnum):
    """File formats that `export` writes."""

    onnx = "onnx"
    openvino = "openvino"


def teach(
    data: DataSpecs,
    output: Annotated[Path, typer.Option("--output", help="File for the targets (.npz).")],
    body: Annotated[Path | None, typer.Option(help="Body teacher: a BlazePose landmark network (.tflite).")] = None,
    pose: Annotated[
        list[Path], typer.Option(help="Ultralytics pose or segmentation weights, as teacher or second opinion.")
    ] = [],  # noqa: B006
    features: Annotated[
        Path | None, typer.Option(help="OpenVINO re-ID network (.xml) whose features are to be distilled.")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Picture of 24 crops with their targets (.png).")] = None,
    json_file: JsonFile = None,
) -> None:
    """Mask and pose targets of training crops, from teacher networks."""
    from app.teaching import teach as run

    run(data, output, body=body, opinions=pose, features=features, picture=picture, json_file=json_file)


def train(
    config_file: Annotated[Path, typer.Option("--config", help="Training recipe (YAML): see configs/train.")],
    data: DataSpecs,
    output: Annotated[Path, typer.Option("--output", help="Folder for weights, checkpoints and log.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the output.")] = False,
    init: Annotated[Path | None, typer.Option(help="GASM weights to start from.")] = None,
    overrides: Annotated[
        list[str], typer.Option("--set", metavar="A.B=C", help="Change one setting; repeatable.")
    ] = [],  # noqa: B006
) -> None:
    """Train a network; stopped at any moment, it goes on with --resume."""
    from app.training import train as run

    if not run(config_file, data, output, resume=resume, init=init, overrides=overrides):
        raise typer.Exit(INTERRUPTED)


def explain(
    first: Annotated[Path, typer.Argument(metavar="A.jpg", help="Picture of a person.")],
    output: Annotated[Path, typer.Option("--output", help="Picture to write (.png).")],
    second: Annotated[Path | None, typer.Argument(metavar="[B.jpg]", help="Picture to compare with.")] = None,
    weights: WeightsFile = None,
    json_file: JsonFile = None,
) -> None:
    """Show what a crop's features look at, and which cells of two crops matched."""
    from app.explaining import explain as run

    run(first, second, output, weights, json_file)


def export(
    format_: Annotated[ExportFormat, typer.Option("--format", help="onnx or openvino.")],
    output: Annotated[Path, typer.Option("--output", help="Folder for the exported network.")],
    weights: WeightsFile = None,
    int8: Annotated[bool, typer.Option("--int8", help="Quantise to 8 bits.")] = False,
    data: Annotated[
        str | None, typer.Option("--data", metavar="KIND:DIR", help="Crops that set the ranges of --int8.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Write the network as ONNX or OpenVINO, for machines without torch or for speed."""
    from app.exporting import export as run

    run(format_.value, output, weights, int8=int8, data=data, json_file=json_file)


def evaluate_reid(
    data: DataSpec,
    weights: WeightsFile = None,
    matching: Annotated[list[str], typer.Option("--matching", help="A way to match; repeatable. Default: all.")] = [],  # noqa: B006
    peer: Annotated[
        list[Path], typer.Option("--peer", help="Another re-ID network to score in the same run; repeatable.")
    ] = [],  # noqa: B006
    occlude: Annotated[
        int | None, typer.Option("--occlude", metavar="SEED", help="Cover the queries, reproducibly.")
    ] = None,
    occluders: Annotated[
        Path | None, typer.Option("--occluders", help="Penn-Fudan folder whose people and scenery cover the queries.")
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Use every N-th query.")] = 1,
    json_file: JsonFile = None,
) -> None:
    """Score re-identification: R1, R5, R10, mAP, mINP and TAR at FAR, one result a matching."""
    from app.reid_evaluation import ReidRequest
    from app.reid_evaluation import evaluate_reid as run

    run(ReidRequest(data, weights, tuple(matching), tuple(peer), occlude, occluders, every), json_file)
