"""A picture of a search: who was looked for at the left, who was found, in order, at the right."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.search import Match

Image = npt.NDArray[np.uint8]

TILE = (144, 288)
"""Width and height of a picture in pixels: a standing person, 1 : 2."""

LINE = 20
LINES = 5
GAP = 12
MARGIN = 16
HEADER = 44
FONT = cv2.FONT_HERSHEY_SIMPLEX
INK, FAINT, GREY = (32, 32, 32), (110, 110, 110), (214, 214, 214)
ACCENT = (190, 90, 20)
ISO_FROM = 86400.0 * 366
"""Times before 1971 are seconds of a file without a start time, not dates."""


def contact_sheet(matches: Sequence[Match], queries: Sequence[Image], *, title: str = "", columns: int = 5) -> Image:
    """Draws a search and its matches.

    Args:
        matches: Matches in order of rank.
        queries: The query's crops, BGR, shown at the left; those that do not fit in height are counted.
        title: Printed above; ASCII.
        columns: Matches side by side.

    Returns:
        The sheet, shape `(height, width, 3)`, uint8 BGR.
    """
    cell_width, cell_height = TILE[0] + GAP + 36, TILE[1] + LINES * LINE + GAP
    rows = max(1, -(-len(matches) // columns))
    left = MARGIN + TILE[0] + 2 * GAP
    width = left + 2 * GAP + columns * cell_width + MARGIN - GAP
    sheet: Image = np.full((HEADER + rows * cell_height + MARGIN, width, 3), 255, np.uint8)
    _text(sheet, title or f"{len(matches)} matches", (MARGIN, 29), 0.62, INK, width - 2 * MARGIN, weight=1)
    cv2.line(sheet, (left, HEADER), (left, sheet.shape[0] - MARGIN), GREY, 1)
    _draw_queries(sheet, queries, rows, cell_height)
    if not matches:
        _text(sheet, "no matches", (left + 2 * GAP, HEADER + 30), 0.5, FAINT, width - left - 3 * GAP)
    for i, match in enumerate(matches):
        x, y = left + 2 * GAP + i % columns * cell_width, HEADER + i // columns * cell_height
        _draw_match(sheet, match, x, y, cell_width - GAP)
    return sheet


def write_contact_sheet(
    path: Path, matches: Sequence[Match], queries: Sequence[Image], *, title: str = "", columns: int = 5
) -> None:
    """Writes a contact sheet, whole or not at all; the name's ending, `.png` or `.jpg`, decides the format.

    Raises:
        InputError: If the ending is another, or the path cannot be written.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"{path}: a contact sheet ends in .png or .jpg")
    done, data = cv2.imencode(path.suffix, contact_sheet(matches, queries, title=title, columns=columns))
    if not done:
        raise InputError(f"{path}: the contact sheet is too large for this format; ask for fewer matches")
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}-", delete=False) as file:
            temporary = Path(file.name)
            file.write(data.tobytes())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written: {error.strerror}; give a path in a writable folder") from None


def format_time(seconds: float) -> str:
    """ISO 8601 in UTC, or seconds where the time cannot be a date (files without a start time begin at 0)."""
    if seconds < ISO_FROM:
        return f"{seconds:.2f} s"
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _draw_queries(sheet: Image, queries: Sequence[Image], rows: int, cell_height: int) -> None:
    shown = queries[:rows]
    for i, crop in enumerate(shown):
        y = HEADER + i * cell_height
        _paste(sheet, crop, MARGIN, y)
        cv2.rectangle(sheet, (MARGIN, y), (MARGIN + TILE[0] - 1, y + TILE[1] - 1), ACCENT, 2)
        name = "query" if len(queries) == 1 else f"query {i + 1} of {len(queries)}"
        _text(sheet, name, (MARGIN, y + TILE[1] + LINE - 4), 0.5, ACCENT, TILE[0])


def _draw_match(sheet: Image, match: Match, x: int, y: int, width: int) -> None:
    picture = None
    if match.crop is not None:
        picture = cv2.imdecode(np.frombuffer(match.crop, np.uint8), cv2.IMREAD_COLOR)
    _paste(sheet, None if picture is None else np.asarray(picture, np.uint8), x, y)
    person = "no identity" if match.identity is None else f"person {match.identity}"
    if match.status == "unknown":
        person += " (unlinked)"
    likely = "" if match.probability is None else f"   {100 * match.probability:.0f} %"
    lines = (
        (f"{match.rank}   {match.distance:.3f}{likely}", 0.55, ACCENT),
        (f"{match.camera} #{match.track}", 0.42, INK),
        (format_time(match.time), 0.42, INK),
        (person, 0.42, INK),
        (f"pooled {match.reason.global_distance:.3f}  cells {match.reason.local_distance:.3f}", 0.38, FAINT),
    )
    for i, (text, scale, ink) in enumerate(lines, 1):
        _text(sheet, text, (x, y + TILE[1] + i * LINE - 4), scale, ink, width)


def _paste(sheet: Image, crop: Image | None, x: int, y: int) -> None:
    """Fits a picture into a tile, keeping its shape; a grey tile says so where there is none."""
    tile = sheet[y : y + TILE[1], x : x + TILE[0]]
    tile[:] = GREY
    if crop is None or not crop.size:
        for i, word in enumerate(("no picture", "stored")):
            (width, _), _ = cv2.getTextSize(word, FONT, 0.5, 1)
            cv2.putText(tile, word, ((TILE[0] - width) // 2, TILE[1] // 2 + i * LINE), FONT, 0.5, FAINT, 1, cv2.LINE_AA)
        return
    height, width = crop.shape[:2]
    scale = min(TILE[0] / width, TILE[1] / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    fitted = cv2.resize(crop, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = (TILE[1] - size[1]) // 2, (TILE[0] - size[0]) // 2
    tile[top : top + size[1], left : left + size[0]] = fitted


def _text(
    sheet: Image, text: str, at: tuple[int, int], scale: float, ink: tuple[int, int, int], room: int, weight: int = 1
) -> None:
    """Prints a line, cut with dots where it does not fit."""
    if cv2.getTextSize(text, FONT, scale, weight)[0][0] > room:
        while text and cv2.getTextSize(text + "...", FONT, scale, weight)[0][0] > room:
            text = text[:-1]
        text += "..."
    cv2.putText(sheet, text, at, FONT, scale, ink, weight, cv2.LINE_AA)
