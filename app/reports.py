"""What the commands print, and the JSON they write."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.table import Table

from app import __version__
from app.config import CameraConfig, Config
from app.contact_sheet import format_time
from app.demo import LEAST_IDF1, Demonstration
from app.errors import InputError
from app.files import write_json
from app.offline import Annotation

Result = Mapping[str, object]

LEFT = ("name", "camera", "stage", "truth", "reason")
"""Columns of words; the others are numbers and end under one another."""


class Progress:
    """Progress bars on standard error, one for each stage and camera; silent where that is no terminal."""

    def __init__(self) -> None:
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Progress:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def update(self, stage: str, camera: str, done: int, expected: int | None) -> None:
        """Shows how far a stage of a camera is."""
        name = f"{stage} {camera}"
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=expected)
        self._bars.update(self._tasks[name], completed=done)


def chosen_cameras(named: Sequence[CameraConfig], config: Config) -> list[CameraConfig]:
    """The cameras to work on: the sources named, with the settings of configured cameras of the same name.

    Raises:
        InputError: If nothing is named, neither as a source nor in the configuration.
    """
    if not named and not config.cameras:
        raise InputError("nothing to do: name a video, as in: annotate video.mp4 --output out")
    known = {camera.name: camera for camera in config.cameras}
    if not named:
        return list(config.cameras)
    return [
        known[camera.name].model_copy(update={"source": camera.source}) if camera.name in known else camera
        for camera in named
    ]


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table with names of columns; fractions with two digits."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="left" if column in LEFT else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row))
    # Without a terminal rich assumes 80 columns and would cut the values.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def print_results(command: str, results: Sequence[Result], json_file: Path | None) -> None:
    """One row a result, and the JSON if asked for.

    Raises:
        InputError: If the JSON cannot be written.
    """
    if results:
        columns = list(results[0])
        print_table(columns, [[result.get(column, "") for column in columns] for result in results])
    write_results(command, results, json_file)


def write_results(command: str, results: Sequence[Result], json_file: Path | None, **more: object) -> None:
    """The JSON of a command, if asked for; `more` is said of all results.

    Raises:
        InputError: If it cannot be written.
    """
    if json_file is not None:
        write_json(json_file, {"command": command, "version": __version__, **more, "results": list(results)})


def print_annotation(annotation: Annotation, output: Path, json_file: Path | None) -> None:
    """What was found in each camera, what each stage cost, and where the files are.

    Raises:
        InputError: If the JSON cannot be written.
    """
    for warning in annotation.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    results: list[dict[str, object]] = []
    for recording in annotation.recordings:
        frames = recording.frames
        results.append(
            {
                "name": recording.config.name,
                "frames": frames,
                "tracklets": len(recording.tracklets),
                "boxes": recording.boxes,
                "boxes_per_frame": round(recording.boxes / frames, 2) if frames else 0.0,
            }
        )
    frames = sum(recording.frames for recording in annotation.recordings)
    total = annotation.elapsed
    print_table(list(results[0]), [list(result.values()) for result in results])
    print()
    print_table(
        ["stage", "seconds", "ms a frame"],
        [[stage, seconds, 1000 * seconds / max(frames, 1)] for stage, seconds in annotation.seconds.items()],
    )
    linked = sum(identity.status == "linked" for identity in annotation.identities)
    print(
        f"\n{frames} frames in {total:.1f} s: {frames / max(total, 1e-9):.1f} frames a second\n"
        f"{len(annotation.identities)} identities, {linked} of them linked from several tracklets\n"
        f"written to {output}"
    )
    if annotation.interrupted:
        print("interrupted: the files hold what was done by then", file=sys.stderr)
    summary = {
        "name": "all",
        "frames": frames,
        "identities": len(annotation.identities),
        "linked": linked,
        "fps": round(frames / max(total, 1e-9), 2),
        "elapsed_s": round(total, 3),
        **{f"{stage}_s": round(seconds, 3) for stage, seconds in annotation.seconds.items()},
    }
    write_results("annotate", [*results, summary], json_file)


def print_demonstration(shown: Demonstration, output: Path, json_file: Path | None) -> None:
    """How good the identities are, why each match of the search matched, and where everything is.

    Raises:
        InputError: If the JSON cannot be written.
    """
    measures = ["HOTA", "AssA", "DetA", "IDF1", "IDSW"]
    print("identities against truth, per cent (IDSW: a count):")
    print_table(["name", *measures], [[result[name] for name in ["name", *measures]] for result in shown.scores])
    if shown.hidden is not None and shown.found is not None:
        hidden, found = shown.hidden, shown.found
        print(
            f"\nsearch from the box of a person who is {100 * hidden.visibility:.0f} % visible: {hidden.camera}, "
            f"frame {hidden.frame}, box {' '.join(f'{value:.0f}' for value in hidden.box)}"
        )
        reasoned = zip(found.matches, shown.right, found.reasons, strict=True)
        print_table(
            ["rank", "camera", "track", "time", "distance", "truth", "reason"],
            [
                [
                    match.rank,
                    match.camera,
                    match.track,
                    format_time(match.time),
                    f"{match.distance:.3f}",
                    "same person" if right else "another",
                    reason,
                ]
                for match, right, reason in reasoned
            ],
        )
        print(f"contact sheet {found.sheet}")
    print(f"mosaic {shown.mosaic}\nvideos, identities and gallery in {output}")
    if not shown.passed:
        across = shown.scores[-1]["IDF1"]
        print(f"IDF1 across cameras is {across}, below the {LEAST_IDF1:g} it has to reach", file=sys.stderr)
    write_results("demo", shown.scores, json_file)
