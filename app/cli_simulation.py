"""The command that makes crowds with exact truth."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli_options import INTERRUPTED, JsonFile, parse_seconds
from app.errors import InputError

if TYPE_CHECKING:
    from app.simulation.simulate import Simulation


def simulate(
    output: Annotated[Path, typer.Option("--output", help="New folder for the results.")],
    cameras: Annotated[int | None, typer.Option(help="How many film the crowd. Default: 3.")] = None,
    people: Annotated[int | None, typer.Option(help="How many people there are. Default: 40.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Length of the videos. Default: 60.")] = None,
    seed: Annotated[int | None, typer.Option(help="Another makes another world and crowd. Default: 7.")] = None,
    fps: Annotated[float | None, typer.Option(help="Frames a second. Default: 25.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Size of the pictures. Default: 1280x720.")] = None,
    start: Annotated[str | None, typer.Option(metavar="TIME", help="Time of the first frame. Default: 0.")] = None,
    scene: Annotated[
        Path | None, typer.Option(help="A scene.yaml to film again, edited or not, instead of a new world.")
    ] = None,
    crops: Annotated[
        bool, typer.Option("--crops", help="Write people cut out, a re-ID dataset, instead of videos.")
    ] = False,
    every: Annotated[float | None, typer.Option(help="Seconds between looks of --crops. Default: 0.4.")] = None,
    workers: Annotated[int | None, typer.Option(help="Most processes. Default: one a processor core.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Simulate a crowd: videos of several cameras with exact truth about everybody in them."""
    from app import reports
    from app.files import check_target
    from app.simulation.simulate import simulate as run

    check_target(json_file)
    given: dict[str, Any] = {
        "cameras": cameras,
        "people": people,
        "seconds": seconds,
        "seed": seed,
        "fps": fps,
        "size": size and _size(size),
        "start": parse_seconds(start, "--start"),
        "every": every,
    }
    if every is not None and not crops:
        raise InputError("--every is the time between looks of --crops; give --crops too, or leave it out")
    wishes = {name: value for name, value in given.items() if value is not None}
    words = {**{name: str(value) for name, value in wishes.items()}, **({"size": size} if size else {})}
    command = _command(scene, crops, words)
    if workers is not None:
        wishes["workers"] = workers
    with reports.Progress() as progress:
        result = run(output, scene, crops, command, progress.update, **wishes)
    reports.print_results("simulate", _results(result), json_file)
    print(f"written to {output}")
    if result.interrupted:
        print("interrupted: the files hold what was done by then", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


def _results(simulation: Simulation) -> list[dict[str, object]]:
    """A result for each camera, or for each part of a dataset."""
    if simulation.parts:
        return [dataclasses.asdict(part) for part in simulation.parts]
    people = simulation.config.people
    return [
        {
            "name": name,
            "frames": footage.frames,
            "people": people,
            "boxes": footage.boxes,
            "boxes_per_frame": round(footage.boxes / footage.frames, 2),
        }
        for name, footage in simulation.footage.items()
    ]


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[x×](\d{1,6})", text)
    if not match:
        raise InputError(f"--size {text}: expected width and height in pixels, such as 1280x720")
    return int(match[1]), int(match[2])


def _command(scene: Path | None, crops: bool, words: dict[str, str]) -> str:
    """The command again, without what the results do not depend on, so that they are the same wherever they are."""
    parts = ["run.py", "simulate", "--output", "DIR"]
    if scene is not None:
        parts += ["--scene", "scene.yaml"]
    for name, word in words.items():
        parts += [f"--{name}", word]
    return shlex.join([*parts, "--crops"] if crops else parts)
