"""Commands about the people in a gallery: list, show, erase."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from app.cli_gallery import GalleryPath
from app.cli_options import JsonFile
from app.errors import InputError

identity = typer.Typer(help="The people in a gallery.", no_args_is_help=True, rich_markup_mode=None)

Number = Annotated[int, typer.Argument(metavar="IDENTITY", help="Its number.")]


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
def erase(
    number: Number,
    source: GalleryPath,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Erase one person from the gallery, for good: rows, vectors, pictures, and searches for them."""
    from app import reports
    from app.files import check_target
    from app.gallery.erasing import erase_identity
    from app.gallery.store import Gallery, gallery_file

    check_target(json_file)
    path = gallery_file(source)
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"identity {number}: erasing cannot be undone; give --yes to do it without being asked")
        typer.confirm(f"Erase identity {number} from {path} for good?", abort=True)
    with Gallery.open(path) as opened:
        removed = erase_identity(opened, number)
    counts = {name: value for name, value in asdict(removed).items() if name not in ("person", "identities")}
    print(f"identity {number} erased: " + ", ".join(f"{value} {name}" for name, value in counts.items()))
    print(f"the audit log knows them as {removed.person}")
    print("videos, lists and contact sheets written earlier, and backups, still show them", file=sys.stderr)
    reports.write_results("identity erase", [{"name": removed.person, **counts}], json_file)
