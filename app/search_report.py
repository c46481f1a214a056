"""What `search` prints, and the JSON it writes."""

from __future__ import annotations

from pathlib import Path

from app.contact_sheet import format_time
from app.finding import Found
from app.reports import print_table, write_results
from app.search import Match

COLUMNS = [
    "rank",
    "probability",
    "distance",
    "pooled",
    "spatial",
    "camera",
    "time",
    "frame",
    "box",
    "track",
    "identity",
]


def print_search(found: Found, json_file: Path | None) -> None:
    """The ranked matches, whether any of them is the person, and where the files are.

    Raises:
        InputError: If the JSON cannot be written.
    """
    print(found.title)
    if found.matches:
        print_table(COLUMNS, [_cells(match) for match in found.matches])
    print(_verdict(found))
    if found.missing:
        print(f"not searched, as it is away: {', '.join(found.missing)}")
    for note in dict.fromkeys(str(row["note"]) for row in found.rows if row.get("note")):
        print(f"note: {note}")
    print(f"\n{len(found.matches)} matches in {1000 * found.seconds:.0f} ms")
    print(f"contact sheet {found.sheet}\nlist {found.table}")
    if found.follow is not None:
        print(f"follow {found.follow} stored; `gallery follows` lists what it raises")
    results = [
        {"name": f"{row['camera']} {row['track']}", **row, "cells": cells}
        for row, cells in zip(found.rows, found.cells, strict=True)
    ]
    write_results("search", results, json_file, missing=list(found.missing))


def _cells(match: Match) -> list[object]:
    left, top, right, bottom = match.box
    return [
        match.rank,
        "-" if match.probability is None else f"{match.probability:.2f}",
        f"{match.distance:.3f}",
        f"{match.reason.global_distance:.3f}",
        f"{match.reason.local_distance:.3f}",
        match.camera,
        format_time(match.time),
        match.frame,
        f"{left:.0f} {top:.0f} {right - left:.0f} {bottom - top:.0f}",
        match.track,
        match.identity if match.identity is not None else "-",
    ]


def _verdict(found: Found) -> str:
    if not found.matches:
        return f"nobody in {'what was searched' if found.missing else 'the gallery'} fits these filters"
    likely = [match.probability for match in found.matches if match.probability is not None]
    if not likely:
        return "how probable a match is, these weights do not say: they have no calibration"
    if not found.somebody:
        return f"nobody matches: the likeliest has a probability of {max(likely):.2f}, below {found.bar:g}"
    passing = [match for match in found.matches if (match.probability or 0) >= found.bar]
    people = len({match.person for match in passing})
    which = "one person" if people == 1 else f"{people} people"
    return f"{len(passing)} with a probability of {found.bar:g} or more: {which}"
