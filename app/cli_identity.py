"""Commands about the people in a gallery: list, show, merge, split, never, corrections, undo, erase."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli_gallery import GalleryPath
from app.cli_options import JsonFile
from app.errors import InputError

if TYPE_CHECKING:
    from app.gallery.corrections import Made
    from app.gallery.store import Gallery

identity = typer.Typer(help="The people in a gallery.", no_args_is_help=True, rich_markup_mode=None)

Number = Annotated[int, typer.Argument(metavar="IDENTITY", help="Its number.")]
Other = Annotated[int, typer.Argument(metavar="OTHER", help="Number of another.")]


@identity.command("list")
def list_(source: GalleryPath, json_file: JsonFile = None) -> None:
    """List everybody: where and when they were seen."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file
    from app.people import people

    check_target(json_file)
    with Gallery.open(gallery_file(source), read_only=True) as opened:
        reports.print_results("identity list", people(opened), json_file)


@identity.command()
def show(number: Number, source: GalleryPath, json_file: JsonFile = None) -> None:
    """Show one person's tracklets, in order of appearance."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file
    from app.people import tracklets_of

    check_target(json_file)
    with Gallery.open(gallery_file(source), read_only=True) as opened:
        reports.print_results("identity show", tracklets_of(opened, number), json_file)


@identity.command()
def merge(number: Number, other: Other, source: GalleryPath, json_file: JsonFile = None) -> None:
    """Say that two are one person; whatever is decided later obeys it."""
    from app.gallery import corrections

    _correct(source, json_file, "merge", lambda opened: corrections.merge(opened, number, other))


@identity.command()
def split(
    number: Number,
    source: GalleryPath,
    track: Annotated[
        list[str],
        typer.Option("--track", metavar="CAMERA:TRACK", help="A tracklet that is somebody else; repeatable."),
    ],
    json_file: JsonFile = None,
) -> None:
    """Say that some of a person's tracklets are somebody else: one new person."""
    from app.gallery import corrections

    keys = [_tracklet(text) for text in track]
    _correct(source, json_file, "split", lambda opened: corrections.split(opened, number, keys))


@identity.command()
def never(number: Number, other: Other, source: GalleryPath, json_file: JsonFile = None) -> None:
    """Say that two are never the same person; whatever is decided later obeys it."""
    from app.gallery import corrections

    _correct(source, json_file, "never", lambda opened: corrections.never(opened, number, other))


@identity.command()
def corrections(source: GalleryPath, json_file: JsonFile = None) -> None:
    """List what was said, by number: who said it, when, of which tracklets, and whether it was undone."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file
    from app.people import corrections_of

    check_target(json_file)
    with Gallery.open(gallery_file(source), read_only=True) as opened:
        reports.print_results("identity corrections", corrections_of(opened), json_file)


@identity.command()
def undo(
    source: GalleryPath,
    correction: Annotated[
        int | None, typer.Argument(metavar="[CORRECTION]", help="Its number; the latest in force where left out.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Take a merge, split or never back."""
    from app.gallery import corrections

    _correct(source, json_file, "undo", lambda opened: corrections.undo(opened, correction))


def _tracklet(text: str) -> tuple[str, int]:
    camera, _, track = text.rpartition(":")
    if not camera or not track.isdecimal():
        raise InputError(f"--track {text}: expected a camera and a track number, such as entrance:7")
    return camera, int(track)


def _correct(source: str, json_file: Path | None, command: str, run: Callable[[Gallery], Made]) -> None:
    """Carries out a correction and says what it changed."""
    from app import reports
    from app.files import check_target
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    with Gallery.open(gallery_file(source)) as opened:
        made = run(opened)
    what = "undone" if command == "undo" else made.kind
    print(f"correction {made.correction}: {what} of " + ", ".join(f"identity {each}" for each in made.identities))
    for (camera, track), number in made.moved.items():
        print(f"{camera} track {track} is identity {number} now")
    result = {
        "name": str(made.correction),
        "kind": made.kind,
        "identities": list(made.identities),
        "moved": [[camera, track, number] for (camera, track), number in made.moved.items()],
    }
    reports.write_results(f"identity {command}", [result], json_file)


@identity.command()
def erase(
    number: Number,
    source: GalleryPath,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Erase one person from the gallery, for good: rows, vectors, pictures, searches for them, and what waits."""
    from app import reports
    from app.files import check_target
    from app.gallery.erasing import erase_identity
    from app.gallery.places import place_of
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    place = place_of(gallery_file(source))
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"identity {number}: erasing cannot be undone; give --yes to do it without being asked")
        typer.confirm(f"Erase identity {number} from {place} for good?", abort=True)
    with Gallery.open(place) as opened:
        removed = erase_identity(opened, number)
    counts = {name: value for name, value in asdict(removed).items() if name not in ("person", "identities")}
    print(f"identity {number} erased: " + ", ".join(f"{value} {name}" for name, value in counts.items()))
    print(f"the audit log knows them as {removed.person}")
    print("videos, lists and contact sheets written earlier, and backups, still show them", file=sys.stderr)
    reports.write_results("identity erase", [{"name": removed.person, **counts}], json_file)
