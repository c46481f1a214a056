"""What `benchmarks.soak` finds out about a run, and whether it may be so."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from app.config import Config
from app.gallery import Gallery
from app.gallery.index_columns import Layout
from app.gallery.rows import TrackletRow
from app.gallery.upkeep import verify
from benchmarks.live_endure import growth
from benchmarks.soak_crowd import Heard, Look, Notes, Searcher, contents
from trackers.gates import paired_iou

SLOPE_MEGABYTES = 1.0
"""Megabytes a minute that a run may grow by over the last half of its longest stretch between two starts, besides what
the search index takes for sightings that came to the gallery: those are to be found until they expire."""

MORE_FILES = 8
"""Open files by which the end of that stretch may differ from its beginning: pages and searches come and go."""

SETTLE_SECONDS = 45.0
"""Seconds after a start, after which what it holds counts."""

LEAST_SECONDS = 240.0
"""Shortest stretch that says something about growth."""

NAMED_SECONDS = 60.0
"""Longest that a tracklet in the gallery may be without an identity: a full disk lasts for 20 s."""

IN_VIEW_SECONDS = 5.0
"""Seconds before a kill within which a track that ended may not have reached the gallery."""

Row = dict[str, Any]


def told(live: Path) -> dict[str, Row]:
    """All events of the files that the product wrote, by id, in order."""
    found: dict[str, Row] = {}
    for path in sorted(live.glob("events*.jsonl"), key=lambda each: each.stat().st_mtime):
        for line in path.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            found[event["id"]] = event
    return found


def events(live: Path, heard: Heard) -> Row:
    """Whether every event that one receiver has reached the other."""
    written = told(live)
    ids = [line for path in live.glob("events*.jsonl") for line in path.read_text(encoding="utf-8").splitlines()]
    missed, unwritten = written.keys() - heard.events.keys(), heard.events.keys() - written.keys()
    return {
        "name": "events",
        "told": len(written),
        "lost": len(missed) + len(unwritten),
        "again": heard.count - len(heard.events) + len(ids) - len(written),
        "passed": bool(written) and not missed and not unwritten,
    }


def gallery(live: Path, notes: Notes, kills: Sequence[float]) -> Row:
    """Whether the gallery still has all that it ever showed, and all tracks that were told to have ended.

    Args:
        live: The run's folder.
        notes: What the gallery showed.
        kills: When the product was killed, by its own clock.
    """
    tracklets, sightings = contents(live / "gallery.db")
    ended = {
        (event["camera"], event["track"])
        for event in told(live).values()
        if event["kind"] == "track.ended"
        and not event["details"].get("taken_back")
        and not any(kill - IN_VIEW_SECONDS <= event["time"] <= kill + 1 for kill in kills)
    }
    lost = len(notes.tracklets - tracklets) + len(notes.sightings - sightings)
    with Gallery.open(live / "gallery.db", read_only=True) as opened:
        problems = verify(opened).problems
    unwritten = ended - tracklets
    return {
        "name": "gallery",
        "told": len(notes.tracklets) + len(notes.sightings) + len(ended),
        "lost": lost + len(unwritten),
        "unsound": len(problems),
        "left": sorted(f"{camera}:{track}" for camera, track in unwritten)[:10],
        "passed": bool(tracklets) and not lost and not unwritten and not problems,
    }


def twice(rows: Sequence[TrackletRow]) -> list[tuple[int, str, int, int]]:
    """Identities that one camera shows twice at once: identity, camera, and the two tracks.

    As the associator has it: two boxes of one moment that do not lie over each other, in more than a small share of the
    shorter track. Moments count, not numbers of frames, which begin anew with each start.
    """
    settings = Config().association
    found = []
    groups: dict[tuple[int, str], list[TrackletRow]] = {}
    for row in rows:
        if row.identity is not None:
            groups.setdefault((row.identity, row.camera), []).append(row)
    for (identity, camera), members in groups.items():
        for one, two in combinations(members, 2):
            _, first, second = np.intersect1d(one.times, two.times, return_indices=True)
            apart = paired_iou(one.boxes[first].astype(float), two.boxes[second].astype(float))
            count = int(np.count_nonzero(apart <= settings.shared_overlap))
            if count > settings.shared_frames * min(len(one.times), len(two.times)):
                found.append((identity, camera, one.track, two.track))
    return found


def identities(live: Path) -> Row:
    """Whether no identity is in one camera twice at once."""
    with Gallery.open(live / "gallery.db", read_only=True) as opened:
        rows = opened.tracklets()
    double = twice(rows)
    people = {row.identity for row in rows if row.identity is not None}
    return {
        "name": "identities",
        "told": len(people),
        "twice": len(double),
        "left": [f"{number} in {camera}: {one}, {two}" for number, camera, one, two in double[:10]],
        "passed": bool(people) and not double,
    }


def names(notes: Notes) -> Row:
    """Whether whoever is in the gallery soon has an identity, whatever happens meanwhile."""
    waited = sorted(notes.nameless.items(), key=lambda each: -each[1])
    longest = waited[0][1] if waited else 0.0
    return {
        "name": "names",
        "told": len(notes.tracklets),
        "back_s": round(longest, 1),
        "left": [f"{camera}:{track}" for (camera, track), seconds in waited[:10] if seconds > NAMED_SECONDS],
        "passed": bool(notes.tracklets) and longest <= NAMED_SECONDS,
    }


def audit(live: Path, searcher: Searcher) -> Row:
    """Whether each search that was answered is in the audit log, in order, once."""
    with closing(sqlite3.connect(f"file:{live / 'gallery.db'}?mode=ro", uri=True)) as file:
        rows = file.execute("SELECT details FROM audit WHERE action = 'search' ORDER BY id").fetchall()
    return in_order([json.loads(details)["origin"].get("reason", "") for (details,) in rows], searcher)


def in_order(entered: Sequence[str], searcher: Searcher) -> Row:
    """The same of the reasons that were entered."""
    answered = set(searcher.answered)
    kept = [reason for reason in entered if reason in answered]
    lost = len(answered - set(kept))
    return {
        "name": "audit log",
        "told": len(answered),
        "lost": lost,
        "twice": len(entered) - len(set(entered)),
        "refused": searcher.refused,
        "passed": bool(answered) and list(entered) == sorted(set(entered)) and not lost,
    }


def indexed_bytes(live: Path) -> int:
    """What the search index holds of one sighting of the run's gallery: a row of its columns, and whether it counts."""
    with Gallery.open(live / "gallery.db", read_only=True) as opened:
        size = opened.dimensions()
    columns = {} if size is None else Layout(size).columns
    return 1 + sum(np.dtype(kind).itemsize * math.prod(shape) for kind, shape in columns.values())


def held(notes: Notes, indexed: int) -> Row:
    """Whether memory, but for the search index, and open files are flat in the longest stretch between two starts.

    Args:
        notes: What was held.
        indexed: Bytes that the index needs for a sighting.
    """
    stretches: dict[int, list[Look]] = {}
    for look in notes.looks:
        stretches.setdefault(look.start, []).append(look)
    looks = max(stretches.values(), key=lambda each: each[-1].time - each[0].time, default=[])
    looks = [look for look in looks if look.time >= looks[0].time + SETTLE_SECONDS]
    row: Row = {"name": "memory and files", "seconds": 0}
    if len(looks) < 10:
        return {**row, "passed": True, "left": ["too short to say"]}
    times, memory, files = (np.array([look[place] for look in looks], float) for place in (0, 2, 3))
    index = np.array([look.sightings for look in looks]) * indexed / 2**20
    grown, low, high = growth(times, memory - index)
    fifth = max(len(looks) // 5, 1)
    more = float(np.median(files[-fifth:]) - np.median(files[:fifth]))
    seconds = float(times[-1] - times[0])
    minutes = np.searchsorted(times, np.arange(times[0], times[-1], 60))
    row |= {
        "seconds": round(seconds),
        "memory_mb": round(float(memory[-1])),
        "index_mb": round(float(index[-1]), 1),
        "memory_without_index_each_minute_mb": np.round((memory - index)[minutes]).astype(int).tolist(),
        "slope_mb_min": round(grown, 2),
        "slope_low_mb_min": round(low, 2),
        "slope_high_mb_min": round(high, 2),
        "files": round(float(np.median(files[-fifth:]))),
        "more_files": round(more),
    }
    if seconds < LEAST_SECONDS:
        return {**row, "passed": True, "left": ["too short to say"]}
    return {**row, "passed": grown < SLOPE_MEGABYTES and more <= MORE_FILES}


def log(path: Path) -> Row:
    """What the log tells that nobody has foreseen."""
    text = path.read_text(encoding="utf-8", errors="replace")
    last = re.findall(r"^(?:\w+\.)*(?:\w*(?:Error|Exception|Interrupt|Empty|Full))(?:: .*)?$", text, re.M)
    count = text.count("Traceback (most recent call last)")
    return {
        "name": "log",
        "told": text.count("\n"),
        "unforeseen": count,
        "left": sorted(set(last))[:10],
        "passed": not count,
    }
