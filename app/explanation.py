"""Pictures that explain: what the features of one crop look at, and why two crops match or do not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from app.drawing import (
    ALIKE,
    CHIP,
    FAINT,
    GREY,
    INK,
    UNLIKE,
    Image,
    Point,
    canvas,
    chip,
    colour_bar,
    curve,
    enlarge,
    likeness_colour,
    panel_size,
    paste,
    text_width,
    write,
    write_right,
)
from reid_model.explain import CellMatches, CropMaps
from reid_model.features import FloatArray

MARGIN, GAP = 24, 16
HEADER, CAPTION = 96, 92
SHOWN = 12
"""Matches of cells that are drawn: the heaviest."""

BRIDGE, TABLE = 220, 290
"""Width in pixels between two crops, and of the list at their right."""

LABEL = 280
"""Least width in pixels for the name of a crop."""

LINE = 25
COLUMNS = (130, 210, 290)
"""Right ends of the list's columns: weight, cosine and what a cell adds."""

LEAST_COSINE, MOST_COSINE = 0.0, 0.8
"""Cosines that count as wholly unlike and wholly alike."""

DARKEST = 0.45
"""Brightness left to the cells that count for nothing."""

HEAT = 0.55
"""Opacity of a heatmap over its crop."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One crop of a comparison.

    Attributes:
        name: Printed above it.
        crop: BGR, `(h, w, 3)` uint8.
        maps: What the network saw in it.
    """

    name: str
    crop: Image
    maps: CropMaps


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison came to.

    Attributes:
        global_distance: Of the pooled features, [0, 2].
        local_distance: Of the cells, [0, 2].
        distance: Their mean, [0, 2].
        probability: That both crops show one person, [0, 1]; None where the weights hold no calibration.
        prior: The probability before the crops were compared.
    """

    global_distance: float
    local_distance: float
    distance: float
    probability: float | None
    prior: float = 0.5


def draw_crop(side: Side) -> Image:
    """Draws a crop beside its mask, pose and saliency heatmaps and the weights of its cells (figure 4 of the paper).

    Returns:
        BGR, `(height, width, 3)` uint8.
    """
    size = panel_size(side.crop)
    crop = enlarge(side.crop, size)
    panels = [
        ("crop", "as it is given", crop),
        ("mask", "where a person is", _heat(crop, side.maps.mask)),
        ("pose", "where the 13 joints are", _heat(crop, side.maps.pose)),
        ("saliency", "both, fused", _heat(crop, side.maps.saliency)),
        ("cells", "share of the match, %", _weights(crop, side.maps.cells)),
    ]
    step = max(size[0], 190) + GAP
    width = max(2 * MARGIN + len(panels) * step - GAP, 900)
    picture = canvas(HEADER + size[1] + CAPTION, width)
    write(picture, side.name, (MARGIN, 36), 0.75, room=width - 2 * MARGIN)
    for i, (name, meaning, panel) in enumerate(panels):
        x = MARGIN + i * step
        write(picture, name, (x, HEADER - 28), 0.58)
        write(picture, meaning, (x, HEADER - 9), 0.42, FAINT)
        paste(picture, panel, (x, HEADER))
    y = HEADER + size[1] + 24
    ramp = np.repeat(np.linspace(0, 255, 200).astype(np.uint8)[None], 14, axis=0)
    paste(picture, np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_TURBO), np.uint8), (MARGIN, y))
    write(picture, "0 nothing", (MARGIN, y + 34), 0.45, FAINT)
    write_right(picture, "1 certain", (MARGIN + 200, y + 34), 0.45, FAINT)
    rows, columns = side.maps.cells.shape
    left = MARGIN + 240
    for i, text in enumerate(
        (
            f"mass {side.maps.mass:.2f}: the mean saliency; the more of a person is seen, the higher",
            f"{rows} x {columns} cells: a cell's share is what it counts in pooling and matching; shares sum to 100 %",
        )
    ):
        write(picture, text, (left, y + 12 + i * 24), 0.5, INK if i == 0 else FAINT, room=width - left - MARGIN)
    return picture


def draw_match(query: Side, gallery: Side, cells: CellMatches, verdict: Verdict) -> Image:
    """Draws two crops and which cells of the query found which cells of the gallery crop (figure 5 of the paper).

    Args:
        query: At the left; its saliency weights the match.
        gallery: At the right.
        cells: Of this one pair.
        verdict: Printed above.

    Returns:
        BGR, `(height, width, 3)` uint8.
    """
    sizes = [panel_size(side.crop) for side in (query, gallery)]
    height = max(size[1] for size in sizes)
    corners: list[Point] = [(MARGIN, HEADER + 28), (MARGIN + sizes[0][0] + BRIDGE, HEADER + 28)]
    rooms = (sizes[0][0] + BRIDGE - GAP, max(sizes[1][0], LABEL))
    left = corners[1][0] + rooms[1] + 2 * GAP
    picture = canvas(HEADER + 28 + height + CAPTION, left + TABLE + MARGIN)
    _headline(picture, verdict)
    roles = ("query", "gallery")
    for side, corner, size, room, role in zip((query, gallery), corners, sizes, rooms, roles, strict=True):
        heading = f"{role}: {side.name} (mass {side.maps.mass:.2f})"
        write(picture, heading, (corner[0], corner[1] - 10), 0.5, room=room)
        paste(picture, _dimmed(enlarge(side.crop, size), side.maps.cells), corner)
    heaviest = np.argsort(-cells.weights[0], kind="stable")[:SHOWN]
    _links(picture, (query, gallery), corners, sizes, cells, heaviest)
    _list(picture, cells, heaviest, (left, corners[0][1] + 6))
    _legend(picture, (MARGIN, HEADER + 28 + height + 26))
    return picture


def _headline(picture: Image, verdict: Verdict) -> None:
    room = picture.shape[1] - 2 * MARGIN
    if verdict.probability is None:
        write(picture, "These weights are not calibrated: distances only", (MARGIN, 44), 0.8, room=room, weight=2)
    else:
        text = f"Same person: {_percent(verdict.probability)}"
        colour = ALIKE if verdict.probability >= 0.5 else UNLIKE
        write(picture, text, (MARGIN, 44), 1.0, colour, weight=2)
        start = MARGIN + text_width(text, 1.0, 2) + GAP
        told = f"(before the comparison: {100 * verdict.prior:g} %)"
        write(picture, told, (start, 43), 0.5, FAINT, room=room - start + MARGIN)
    distances = (
        f"distance (gasm) {verdict.distance:.3f}: the mean of global {verdict.global_distance:.3f} (the whole crops) "
        f"and local {verdict.local_distance:.3f} (their cells); 0 is equal, 1 unrelated"
    )
    write(picture, distances, (MARGIN, 80), 0.52, INK, room=room)


def _percent(probability: float) -> str:
    """Per cent, never a certainty that rounding made up."""
    share = 100 * probability
    if share < 0.1:
        return "below 0.1 %"
    if share > 99.9:
        return "above 99.9 %"
    return f"{share:.0f} %" if 1 <= share <= 99 else f"{share:.1f} %"


def _links(
    picture: Image,
    sides: tuple[Side, Side],
    corners: list[Point],
    sizes: list[tuple[int, int]],
    cells: CellMatches,
    heaviest: npt.NDArray[np.intp],
) -> None:
    top = float(cells.weights[0, heaviest[0]])
    boxes = [
        (
            _cell_box(int(cell), sides[0].maps.cells.shape, corners[0], sizes[0]),
            _cell_box(int(cells.found[0, cell]), sides[1].maps.cells.shape, corners[1], sizes[1]),
        )
        for cell in heaviest
    ]
    colours = [_cosine_colour(float(cells.similarities[0, cell])) for cell in heaviest]
    for i in reversed(range(len(heaviest))):  # the heaviest on top
        share = float(cells.weights[0, heaviest[i]]) / top
        (start, end), colour = boxes[i], colours[i]
        for (x1, y1), (x2, y2) in (start, end):
            cv2.rectangle(picture, (x1 + 1, y1 + 1), (x2 - 2, y2 - 2), colour, 2, cv2.LINE_AA)
        points = (start[1][0], (start[0][1] + start[1][1]) // 2), (end[0][0], (end[0][1] + end[1][1]) // 2)
        curve(picture, *points, colour, 2 + round(3 * share), 0.2 + 0.7 * share**2)
    for box in {box for pair in boxes for box in pair}:
        numbers = [i for i, pair in enumerate(boxes) if box in pair]
        for i, centre in zip(numbers, _chip_places(box, len(numbers)), strict=True):
            chip(picture, i + 1, centre, colours[i])


def _chip_places(box: tuple[Point, Point], count: int) -> list[Point]:
    """Centres of discs in a cell, row by row; they overlap where the cell is too small for all of them."""
    (left, top), (right, bottom) = box
    along = max(1, (right - left - 6) // (2 * CHIP))
    rows = -(-count // along)
    step = min(2 * CHIP, (bottom - top - 6 - 2 * CHIP) / max(rows - 1, 1))
    first = (left + CHIP + 3, top + CHIP + 3)
    return [(first[0] + i % along * 2 * CHIP, first[1] + round(i // along * max(step, 4))) for i in range(count)]


def _cell_box(cell: int, grid: tuple[int, ...], corner: Point, size: tuple[int, int]) -> tuple[Point, Point]:
    """Left upper and right lower corner of a cell in the picture."""
    row, column = divmod(cell, grid[1])
    across, down = size[0] / grid[1], size[1] / grid[0]
    first = (corner[0] + round(column * across), corner[1] + round(row * down))
    return first, (corner[0] + round((column + 1) * across), corner[1] + round((row + 1) * down))


def _cosine_colour(cosine: float) -> tuple[int, int, int]:
    return likeness_colour((cosine - LEAST_COSINE) / (MOST_COSINE - LEAST_COSINE))


def _list(picture: Image, cells: CellMatches, heaviest: npt.NDArray[np.intp], at: Point) -> None:
    """Lists the drawn cells, the others together, and the sum: the local distance."""
    x, y = at
    write(picture, "what each query cell counts", (x, y), 0.55)
    for text, end in zip(("weight", "cosine", "adds"), COLUMNS, strict=True):
        write_right(picture, text, (x + end, y + LINE + 4), 0.45, FAINT)
    y += 2 * LINE + 6
    for i, cell in enumerate(heaviest):
        cosine = float(cells.similarities[0, cell])
        chip(picture, i + 1, (x + CHIP + 2, y - 5), _cosine_colour(cosine))
        _row(picture, (x, y), float(cells.weights[0, cell]), cosine, float(cells.parts[0, cell]))
        y += LINE
    others = np.setdiff1d(np.arange(cells.weights.shape[1]), heaviest)
    if len(others):
        write(picture, f"{len(others)} more", (x, y), 0.45, FAINT)
        weight, part = float(cells.weights[0, others].sum()), float(cells.parts[0, others].sum())
        _row(picture, (x, y), weight, 1 - part / weight if weight > 0 else None, part)
        y += LINE
    cv2.line(picture, (x, y - 16), (x + COLUMNS[-1], y - 16), GREY, 1)
    write(picture, "local", (x, y + 4), 0.5)
    total = float(cells.parts[0].sum())
    _row(picture, (x, y + 4), float(cells.weights[0].sum()), 1 - total, total)


def _row(picture: Image, at: Point, weight: float, cosine: float | None, part: float) -> None:
    texts = (f"{100 * weight:.1f} %", "-" if cosine is None else f"{cosine:.2f}", f"{part:.3f}")
    for text, end in zip(texts, COLUMNS, strict=True):
        write_right(picture, text, (at[0] + end, at[1]), 0.5)


def _legend(picture: Image, at: Point) -> None:
    x, y = at
    paste(picture, colour_bar(200, 14), (x, y))
    write(picture, f"unlike {LEAST_COSINE:g}", (x, y + 34), 0.45, FAINT)
    write_right(picture, f"alike {MOST_COSINE:g}", (x + 200, y + 34), 0.45, FAINT)
    room = picture.shape[1] - x - 240 - MARGIN
    lines = (
        f"colour: cosine of a query cell and the gallery cell most like it; strong lines count more, the {SHOWN} "
        f"heaviest are drawn",
        "bright parts of the crops are what the network takes for the person; dark parts count little",
    )
    for i, line in enumerate(lines):
        write(picture, line, (x + 240, y + 12 + i * 24), 0.48, FAINT, room=room)


def _heat(crop: Image, values: FloatArray) -> Image:
    size = (crop.shape[1], crop.shape[0])
    levels = (np.clip(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), 0, 1) * 255).astype(np.uint8)
    grey = cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    heat = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)
    return np.asarray(cv2.addWeighted(heat, HEAT, grey, 1 - HEAT, 0), np.uint8)


def _dimmed(crop: Image, weights: FloatArray) -> Image:
    """A crop that is dark where cells have little weight."""
    size = (crop.shape[1], crop.shape[0])
    share = np.sqrt(weights / max(float(weights.max()), 1e-9))
    light = DARKEST + (1 - DARKEST) * cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(crop * light[..., None], np.uint8)


def _weights(crop: Image, weights: FloatArray) -> Image:
    """A crop under its grid of cells, each with its share in per cent where there is room for it."""
    panel = _dimmed(crop, weights)
    size = (crop.shape[1], crop.shape[0])
    texts = [f"{100 * weight:.1f}" for weight in weights.ravel()]
    scale = 0.42 if size[0] / weights.shape[1] >= 40 else 0.33
    for cell, text in enumerate(texts):
        (x1, y1), (x2, y2) = _cell_box(cell, weights.shape, (0, 0), size)
        cv2.rectangle(panel, (x1, y1), (x2, y2), GREY, 1)
        width = text_width(text, scale)
        if width + 2 <= x2 - x1 and y2 - y1 >= 14:
            at = ((x1 + x2 - width) // 2, (y1 + y2) // 2 + 5)
            cv2.putText(panel, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, INK, 3, cv2.LINE_AA)
            write(panel, text, at, scale, (255, 255, 255))
    return panel
