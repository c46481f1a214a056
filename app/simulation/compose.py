"""Puts people and their shadows into the picture of the empty scene."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from app.simulation.imaging import BRIGHTEST, STEPS
from app.simulation.meshes import Bools, Bytes, Floats, Ints
from app.simulation.pyramid import LEVELS, Pyramids, look_up
from app.simulation.raster import CELL, MOST_TRIANGLES, TILE, TRIANGLE_BITS, Number

Shorts = npt.NDArray[np.int16]
Longs = npt.NDArray[np.int64]

MASK = MOST_TRIANGLES - 1

DONE = -2
"""Mark of a sample whose light is counted already."""

FEET = 0.85
"""Share of the light that is lost right below feet."""

INSIDE = 0.5
"""Light on the inside of a two-sided surface, as a share of that on its outside."""


class Scene(NamedTuple):
    """The empty scene, ready for the picture.

    Attributes:
        samples: (2h, 2w, 3) values, blue, green, red.
        nearness: (2h, 2w) 1 / depth.
        cast: (h, w) share of the light a person's shadow takes from a pixel; 0 where there is no floor.
        floor: (h, w) share of a pixel that shows the floor.
        tint: (3,) blue, green, red: what each has of the light a shadow takes, 1 on average.
        ground: (3, 3) homography from the picture to the floor.
        vignetting: Share of the light lost in the corners of the picture.
        curve: (STEPS,) values of light, as `imaging.tone_curve`.
        back: (256,) light of values.
    """

    samples: Bytes
    nearness: Floats
    cast: Floats
    floor: Floats
    tint: Floats
    ground: npt.NDArray[np.float64]
    vignetting: float
    curve: Bytes
    back: Floats


class People(NamedTuple):
    """n people to be drawn.

    Attributes:
        points: (n, v, 3) x and y in samples, and nearness.
        light: (n, v, 4) light on a matt surface, red, green and blue, and the highlight.
        texture: (n,) which texture each has.
        triangles: (t, 3) rows of vertices.
        uv: (v, 2) place in the texture.
        texels: (t,) area in the texture, as a share of it.
        own: (t,) whether a triangle is of the person.
        gloss: (t,) strength of the highlight.
    """

    points: Floats
    light: Floats
    texture: Longs
    triangles: Ints
    uv: Floats
    texels: Floats
    own: Bools
    gloss: Floats


class Shade(NamedTuple):
    """Shadows on the floor: as `shadows.GroundShade`, and where its cells are: x, y of the first, cells a metre."""

    cast: Bytes
    contact: Bytes
    at: Floats


@njit(cache=True)
def compose(  # noqa: C901 - a loop over tiles, pixels and samples; calls would cost more than they explain
    scene: Scene,
    people: People,
    textures: Pyramids,
    shade: Shade,
    nearness: Floats,
    drawn: Ints,
    tiles: Bytes,
    image: Bytes,
    visible: Shorts,
    seen: Longs,
) -> None:
    """Fills the tiles in which there are people or shadows, and clears what they were drawn in for the next frame.

    A pixel shows who has at least two of its four samples; of two such people the nearer.

    Args:
        scene: The empty scene.
        people: Who was drawn.
        textures: Their textures.
        shade: Their shadows.
        nearness: (2h, 2w) as `raster.draw` left it; as in the scene afterwards.
        drawn: (2h, 2w) as `raster.draw` left it; −1 afterwards.
        tiles: Which tiles there is anything in; 0 afterwards.
        image: (h, w, 3) the picture of the empty scene; becomes the picture.
        visible: (h, w) −1; becomes the row of the person a pixel shows.
        seen: (n, 5) filled: pixels that show a person, and their left, top, right and bottom ends.
    """
    # Taken out once: compiled code counts references to each array it takes out of a tuple.
    samples, behind, cast_share, floor, tint, ground, vignetting, curve, back = scene
    points, light, texture, triangles, uv, area, own, gloss = people
    texels, sizes = textures
    cast, contact, at = shade
    height, width = visible.shape
    quarter, one = np.float32(0.25), np.float32(1.0)
    side = TILE // 2
    seen[:, 0] = 0
    seen[:, 1:3] = 1 << 30
    seen[:, 3:] = -1
    for tile in range(tiles.size):
        tile_row, tile_column = tile // tiles.shape[1], tile % tiles.shape[1]
        if not tiles[tile_row, tile_column]:
            continue
        tiles[tile_row, tile_column] = 0
        for y in range(tile_row * side, min((tile_row + 1) * side, height)):
            for x in range(tile_column * side, min((tile_column + 1) * side, width)):
                kept, taken = np.float32(1.0), np.float32(0.0)
                if floor[y, x] > 0:
                    kept, taken = _shadow(floor[y, x], cast_share[y, x], ground, cast, contact, at, x + 0.5, y + 0.5)
                top, left = 2 * y, 2 * x
                if (
                    drawn[top, left] < 0
                    and drawn[top, left + 1] < 0
                    and drawn[top + 1, left] < 0
                    and drawn[top + 1, left + 1] < 0
                ):
                    if kept < 1 or taken > 0:
                        for colour in range(3):
                            share = kept * (one - taken * tint[colour])
                            image[y, x, colour] = _encode(curve, back[image[y, x, colour]] * share)
                    continue
                row = _shown(own, nearness, drawn, top, left)
                if row >= 0:
                    visible[y, x] = row
                    seen[row, 0] += 1
                    seen[row, 1] = min(seen[row, 1], x)
                    seen[row, 2] = min(seen[row, 2], y)
                    seen[row, 3] = max(seen[row, 3], x + 1)
                    seen[row, 4] = max(seen[row, 4], y + 1)
                red, green, blue = np.float32(0.0), np.float32(0.0), np.float32(0.0)
                # The background's values have their vignetting already.
                dx, dy = np.float32(x + 0.5 - width / 2), np.float32(y + 0.5 - height / 2)
                away = np.float32(1.0) - np.float32(vignetting) * (dx * dx + dy * dy) / np.float32(
                    (width * width + height * height) / 4
                )
                for sample in range(4):
                    i, j = top + sample // 2, left + sample % 2
                    label = drawn[i, j]
                    nearness[i, j] = behind[i, j]
                    if label == DONE:
                        drawn[i, j] = -1
                        continue
                    if label < 0:
                        blue += back[samples[i, j, 0]] * kept * (one - taken * tint[0])
                        green += back[samples[i, j, 1]] * kept * (one - taken * tint[1])
                        red += back[samples[i, j, 2]] * kept * (one - taken * tint[2])
                        continue
                    # All samples of one triangle are lit once, in their middle.
                    drawn[i, j] = -1
                    held, middle_x, middle_y = 1, j + 0.5, i + 0.5
                    for other in range(sample + 1, 4):
                        k, m = top + other // 2, left + other % 2
                        if drawn[k, m] == label:
                            drawn[k, m] = DONE
                            held, middle_x, middle_y = held + 1, middle_x + m + 0.5, middle_y + k + 0.5
                    r, g, b = _surface(
                        points,
                        light,
                        texture,
                        triangles,
                        uv,
                        area,
                        gloss,
                        texels,
                        sizes,
                        label,
                        held,
                        np.float32(middle_x / held),
                        np.float32(middle_y / held),
                    )
                    weight = away * np.float32(held)
                    red, green, blue = red + r * weight, green + g * weight, blue + b * weight
                image[y, x, 0] = _encode(curve, blue * quarter)
                image[y, x, 1] = _encode(curve, green * quarter)
                image[y, x, 2] = _encode(curve, red * quarter)


@njit(cache=True)
def _encode(curve: Bytes, light: Number) -> Number:
    # Whatever is not a number is black: an entry beyond the table would be read from anywhere.
    light = min(light, np.float32(BRIGHTEST)) if light > 0 else np.float32(0.0)
    entry = np.sqrt(light * np.float32(1 / BRIGHTEST)) * np.float32(STEPS - 1)
    return curve[np.int32(entry + np.float32(0.5))]


@njit(cache=True)
def _shadow(
    floor: Number,
    share: Number,
    ground: npt.NDArray[np.float64],
    cast: Bytes,
    contact: Bytes,
    at: Floats,
    x: Number,
    y: Number,
) -> tuple[Number, Number]:
    """Share of all light that bodies leave on a pixel of the floor, and the share that their cast shadows take."""
    w = ground[2, 0] * x + ground[2, 1] * y + ground[2, 2]
    column = ((ground[0, 0] * x + ground[0, 1] * y + ground[0, 2]) / w - at[0]) * at[2] - 0.5
    row = ((ground[1, 0] * x + ground[1, 1] * y + ground[1, 2]) / w - at[1]) * at[2] - 0.5
    height, width = cast.shape
    if not (column >= 0 and row >= 0 and column < width - 1 and row < height - 1):
        return np.float32(1.0), np.float32(0.0)
    i, j = np.int64(row), np.int64(column)
    if (cast[i, j] | contact[i, j] | cast[i + 1, j + 1] | contact[i + 1, j + 1]) == 0:
        return np.float32(1.0), np.float32(0.0)
    down, right = np.float32(row - i), np.float32(column - j)
    one = np.float32(1.0)
    kept = one - np.float32(FEET) * floor * _between(contact, i, j, down, right)
    return kept, _between(cast, i, j, down, right) * share


@njit(cache=True)
def _between(cells: Bytes, i: Number, j: Number, down: Number, right: Number) -> Number:
    one = np.float32(1.0)
    upper = cells[i, j] * (one - right) + cells[i, j + 1] * right
    lower = cells[i + 1, j] * (one - right) + cells[i + 1, j + 1] * right
    return (upper * (one - down) + lower * down) * np.float32(1 / 255)


@njit(cache=True)
def _shown(own: Bools, nearness: Floats, drawn: Ints, top: Number, left: Number) -> Number:
    """Row of the person a pixel shows, −1 for none."""
    best, nearest = -1, np.float32(0.0)
    for sample in range(3):
        i, j = top + sample // 2, left + sample % 2
        label = drawn[i, j]
        if label < 0 or not own[label & MASK]:
            continue
        held = 1
        near = nearness[i, j]
        for other in range(sample + 1, 4):
            k, m = top + other // 2, left + other % 2
            rival = drawn[k, m]
            if rival >= 0 and rival >> TRIANGLE_BITS == label >> TRIANGLE_BITS and own[rival & MASK]:
                held += 1
                near = max(near, nearness[k, m])
        if held >= 2 and near > nearest:
            best, nearest = label >> TRIANGLE_BITS, near
    return best


@njit(cache=True)
def _surface(
    points: Floats,
    light: Floats,
    texture: Longs,
    triangles: Ints,
    uv: Floats,
    texels_of: Floats,
    gloss: Floats,
    texels: Bytes,
    sizes: Longs,
    label: Number,
    held: Number,
    x: Number,
    y: Number,
) -> tuple[Number, Number, Number]:
    """Light from a triangle at a place in the picture, where it fills some samples."""
    row, each = label >> TRIANGLE_BITS, label & MASK
    i, j, k = triangles[each, 0], triangles[each, 1], triangles[each, 2]
    ax, ay = points[row, i, 0] - x, points[row, i, 1] - y
    bx, by = points[row, j, 0] - x, points[row, j, 1] - y
    cx, cy = points[row, k, 0] - x, points[row, k, 1] - y
    a, b, c = bx * cy - by * cx, cx * ay - cy * ax, ax * by - ay * bx
    area = a + b + c
    # Corners are snapped to a grid before they are drawn, so a sample may lie a little outside.
    if area < 0:
        a, b, c = max(-a, 0.0), max(-b, 0.0), max(-c, 0.0)
    else:
        a, b, c = max(a, 0.0), max(b, 0.0), max(c, 0.0)
    a, b, c = a * points[row, i, 2], b * points[row, j, 2], c * points[row, k, 2]
    total = a + b + c
    if total <= 0:
        a, b, c, total = 1.0, 1.0, 1.0, 3.0
    a, b, c = a / total, b / total, c / total
    u = a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0]
    v = a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1]
    which = texture[row]
    # Texels the samples cover, of the finest size; each smaller size has a quarter of them.
    cover = held * texels_of[each] * sizes[which, 0, 1] * sizes[which, 0, 2] / max(abs(area), 1.0 / CELL)
    level = 0
    while cover > 2.8 and level < LEVELS - 1:
        cover *= 0.25
        level += 1
    red, green, blue = look_up(texels, sizes, which, level, u, v, False)
    shine = np.float32(a * light[row, i, 3] + b * light[row, j, 3] + c * light[row, k, 3]) * gloss[each]
    red = red * np.float32(a * light[row, i, 0] + b * light[row, j, 0] + c * light[row, k, 0]) + shine
    green = green * np.float32(a * light[row, i, 1] + b * light[row, j, 1] + c * light[row, k, 1]) + shine
    blue = blue * np.float32(a * light[row, i, 2] + b * light[row, j, 2] + c * light[row, k, 2]) + shine
    if area > 0:
        return red * np.float32(INSIDE), green * np.float32(INSIDE), blue * np.float32(INSIDE)
    return red, green, blue
