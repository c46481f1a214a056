"""Commands that look after galleries: copy, verify, purge, backup, compact, and the searches that are followed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli_options import JsonFile
from app.errors import InputError

gallery = typer.Typer(help="Move, check, expire and save galleries.", no_args_is_help=True, rich_markup_mode=None)

WHERE = "gallery.db, the folder that holds it, or postgresql://user@host/database."

GalleryPath = Annotated[str, typer.Option("--gallery", help=WHERE)]
Target = Annotated[Path, typer.Option("--output", help="File to write; it must not exist.")]


@gallery.command()
def copy(
    source: Annotated[str, typer.Argument(metavar="SRC", help=WHERE)],
    target: Annotated[
        str, typer.Argument(metavar="DST", help="File that does not exist, or a server's empty database.")
    ],
    json_file: JsonFile = None,
) -> None:
    """Write every row of a gallery into a new one, without gaps, and compare them: between files and servers."""
    from app import reports
    from app.files import check_target
    from app.gallery.copying import copy as run
    from app.gallery.places import place_of
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    to = place_of(target)
    with Gallery.open(gallery_file(source)) as opened, reports.Progress() as progress:
        tallies = run(opened, to, lambda done, expected: progress.update("copy", "", done, expected))
        print(f"{opened.path} copied to {to}; rows and hashes of both are the same:")
    counted = ", ".join(f"{tally.rows} {name}" for name, tally in tallies.items() if name != "meta")
    print(counted)
    tables = {name: {"rows": tally.rows, "sha256": tally.sha256} for name, tally in tallies.items()}
    reports.write_results("gallery copy", [{"name": str(to), "tables": tables}], json_file)


@gallery.command()
def backup(source: GalleryPath, output: Target, json_file: JsonFile = None) -> None:
    """Save a gallery as it is now; others may go on to write to it."""
    from app import reports
    from app.files import check_target
    from app.gallery.copying import backup as run
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    with Gallery.open(gallery_file(source)) as opened:
        run(opened, output)
        print(f"{opened.path} saved as {output}")
    reports.write_results("gallery backup", [{"name": str(output), "bytes": output.stat().st_size}], json_file)


@gallery.command()
def verify(source: GalleryPath, json_file: JsonFile = None) -> None:
    """Check a gallery from its pages to the last vector and picture; exit code 2 where it is damaged."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file
    from app.gallery.upkeep import verify as run

    check_target(json_file)
    with Gallery.open(gallery_file(source), read_only=True) as opened, reports.Progress() as progress:
        path = opened.path
        report = run(opened, lambda done, expected: progress.update("verify", "", done, expected))
    result = {"name": str(path), **report.counts, "expired": report.expired, "problems": list(report.problems)}
    reports.write_results("gallery verify", [result], json_file)
    for problem in report.problems:
        print(problem)
    if report.problems:
        raise InputError(
            f"{path}: is damaged, {len(report.problems)} problems; restore it from a backup, or annotate again"
        )
    print(f"{path}: sound; " + ", ".join(f"{count} {name}" for name, count in report.counts.items() if name != "meta"))
    if report.expired:
        print(f"note: {report.expired} sightings have expired; `gallery purge` takes them out")
    if report.unfinished:
        print("note: an erasure has not cleaned up behind itself; `gallery compact` does")


@gallery.command()
def purge(
    source: GalleryPath,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Also what was stored longer ago.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Take out what has expired: sightings, pictures, tracklets, and searches that are followed."""
    from app import reports
    from app.files import check_target
    from app.gallery.erasing import purge as run
    from app.gallery.store import SECONDS_A_DAY, Gallery, gallery_file

    check_target(json_file)
    with Gallery.open(gallery_file(source)) as opened:
        path = opened.path
        removed = run(opened, older_than=None if older_than is None else older_than * SECONDS_A_DAY)
    result = {name: value for name, value in asdict(removed).items() if name != "person"}
    print(f"{path}: taken out: " + ", ".join(f"{value} {name}" for name, value in result.items()))
    reports.write_results("gallery purge", [{"name": str(path), **result}], json_file)


@gallery.command()
def compact(source: GalleryPath, json_file: JsonFile = None) -> None:
    """Write a gallery anew: smaller, and without a trace of what was deleted."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    with Gallery.open(gallery_file(source)) as opened:
        path, before = opened.path, opened.size()
        opened.compact()
        after = opened.size()
    print(f"{path}: {before / 1e6:.1f} MB before, {after / 1e6:.1f} MB now")
    results = [{"name": str(path), "bytes_before": before, "bytes": after}]
    reports.write_results("gallery compact", results, json_file)


@gallery.command()
def follows(
    source: GalleryPath,
    after: Annotated[int, typer.Option(min=0, help="Only events with a larger number.")] = 0,
    stop: Annotated[list[int], typer.Option("--stop", metavar="N", help="End follow N; repeatable.")] = [],  # noqa: B006
    json_file: JsonFile = None,
) -> None:
    """List the searches that are followed and, one line of JSON each, what they have raised; or end some."""
    from app import reports
    from app.files import check_target
    from app.following import end_follows, list_follows
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    with Gallery.open(gallery_file(source), read_only=not stop) as opened:
        end_follows(opened, stop)
        running, events = list_follows(opened, after)
    reports.print_results("gallery follows", running, None)
    for event in events:
        print(json.dumps(event))
    reports.write_results("gallery follows", [*running, *events], json_file)
