"""The command line: each command checks its arguments, calls one use case and prints what came of it."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app import (
    __version__,
    cli_association,
    cli_bench,
    cli_cluster,
    cli_console,
    cli_gallery,
    cli_identity,
    cli_live,
    cli_reid,
    cli_search,
    cli_simulation,
)
from app.blurring_choice import Blur, chosen_blurring
from app.cli_options import INTERRUPTED, JsonFile, Overrides
from app.errors import InputError

app = typer.Typer(
    name="crowdtrace",
    help="Follow people through crowds and across cameras.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
)
evaluate = typer.Typer(help="Score against truth.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(evaluate, name="evaluate")
app.add_typer(cli_gallery.gallery, name="gallery")
app.add_typer(cli_identity.identity, name="identity")
for command in (
    *(cli_reid.teach, cli_reid.train, cli_reid.explain, cli_reid.export),
    *(cli_cluster.cluster, cli_live.track, cli_search.search, cli_simulation.simulate, cli_console.serve),
):
    app.command()(command)
evaluate.command("reid")(cli_reid.evaluate_reid)
evaluate.command("association")(cli_association.evaluate_association)
# What follows the name goes to the benchmark, --help included.
app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)(cli_bench.bench)

BAD_INPUT = 2

ConfigFile = Annotated[Path | None, typer.Option("--config", help="Configuration file (YAML).")]


class Ids(StrEnum):
    """Which numbers `evaluate tracking` scores."""

    track = "track"
    identity = "identity"


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        print(f"crowdtrace {__version__}")
        raise typer.Exit


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="Configuration file (YAML).")],
    overrides: Overrides = [],  # noqa: B006
    cameras: Annotated[
        bool, typer.Option("--connect", help="Also connect to every camera, and say how it is.")
    ] = False,
) -> None:
    """Explain every mistake in a configuration; with --connect, in what its cameras say too."""
    from app import checking
    from app.settings import ConfigError, load_config

    try:
        config = load_config(file, overrides)
        problems = [f"{file}: {problem}" for problem in checking.find_problems(config)]
    except ConfigError as error:
        problems = error.problems
    if problems:
        print("\n".join(problems), file=sys.stderr)
        raise typer.Exit(2)
    names = ", ".join(camera.name for camera in config.cameras) or "none"
    print(f"{file}: valid; cameras: {names}")
    for note in checking.find_notes(config):
        print(f"note: {note}", file=sys.stderr)
    if cameras:
        states = checking.connect(config)
        for state in states:
            print(checking.said(state), file=sys.stdout if state.state == "live" else sys.stderr)
        if any(state.state != "live" for state in states):
            raise typer.Exit(2)


@app.command()
def annotate(
    output: Annotated[Path, typer.Option("--output", help="Folder for the results.")],
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE…", help="Video files or image folders, or NAME=PATH each.")
    ] = None,
    blur: Annotated[
        Blur | None, typer.Option(help="Make people in the videos unrecognisable: everybody, or all but those kept.")
    ] = None,
    keep: Annotated[
        list[str], typer.Option("--keep", metavar="ID", help="Identity that --blur others leaves clear; repeatable.")
    ] = [],  # noqa: B006
    config_file: ConfigFile = None,
    overrides: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """Track recordings: annotated videos, MOT rows, identities and a gallery to search."""
    from app import reports
    from app.files import check_target
    from app.offline import annotate as run
    from app.settings import load_config
    from app.sources import name_sources

    check_target(json_file)
    blurred = chosen_blurring(blur, keep)
    config = load_config(config_file, overrides)
    cameras = reports.chosen_cameras(name_sources(sources or []), config)
    with reports.Progress() as progress:
        result = run(cameras, output, config, progress.update, blurred)
    reports.print_annotation(result, output, json_file)
    if result.interrupted:
        raise typer.Exit(INTERRUPTED)


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", help="Folder for the results.")] = Path("demo"),
    overrides: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """See it work: three simulated cameras tracked, linked, scored against truth and searched; no network needed."""
    from app import reports
    from app.demo import demonstrate as run
    from app.files import check_target
    from app.settings import load_config

    check_target(json_file)
    config = load_config(None, ["detector.weights=bundled", *overrides])
    with reports.Progress() as progress:
        shown = run(output, config, progress.update)
    if shown.annotation.interrupted:
        raise typer.Exit(INTERRUPTED)
    reports.print_demonstration(shown, output, json_file)
    if not shown.passed:
        raise typer.Exit(1)


@evaluate.command("tracking")
def evaluate_tracking(
    sequence: Annotated[list[Path], typer.Option("--sequence", help="Folder of a MOT sequence; repeatable.")],
    boxes: Annotated[bool, typer.Option("--boxes", help="Use det/det.txt alone; no pictures needed.")] = False,
    ids: Annotated[Ids, typer.Option(help="Which numbers are scored.")] = Ids.track,
    config_file: ConfigFile = None,
    overrides: Overrides = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """Score tracking: HOTA, AssA, DetA, IDF1, MOTA and switches, one result a sequence."""
    from app import reports
    from app.evaluation import evaluate_tracking as run
    from app.files import check_target
    from app.settings import load_config

    check_target(json_file)
    config = load_config(config_file, overrides)
    with reports.Progress() as progress:
        results = run(sequence, config, boxes=boxes, identities=ids is Ids.identity, progress=progress.update)
    reports.print_results("evaluate tracking", results, json_file)


def main() -> None:
    """Runs a command. Bad input ends with one line on standard error and exit code 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error))
    except OSError as error:
        # A full disk or a lost mount can strike at any write; it is still the user's to mend.
        if error.strerror is None:
            raise
        _fail(f"{error.filename or 'files'}: {error.strerror}; free or mend the place, then run again")
    except ValueError as error:
        # The folders below know nothing of InputError; their own user errors are subclasses of ValueError.
        from reid_model.checkpoint import WeightsError
        from reid_model.datasets import DatasetError
        from trackers.evaluation import SequenceError

        if not isinstance(error, WeightsError | DatasetError | SequenceError):
            raise
        _fail(str(error))


def _fail(message: str) -> None:
    line = " ".join(message.split())
    print(f"crowdtrace: {line}", file=sys.stderr)
    sys.exit(BAD_INPUT)
