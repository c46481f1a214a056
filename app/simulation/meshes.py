"""Surfaces to draw: triangles with normals and a texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Mesh:
    """A surface that does not move.

    Attributes:
        vertices: (v, 3) metres in the world.
        normals: (v, 3) unit vectors, outwards.
        uv: (v, 2) place in the texture: u to the right, v down, its edges at 0 and 1. Beyond them the texture repeats.
        triangles: (t, 3) rows of vertices, counter-clockwise seen from outside; the inside is never seen.
        texture: (h, w, 3) sRGB.
        gloss: 0 matt to 1 mirror-like: strength of the highlight.
    """

    vertices: Floats
    normals: Floats
    uv: Floats
    triangles: Ints
    texture: Bytes
    gloss: float = 0.0


@dataclass(frozen=True, slots=True)
class Template:
    """What all people's meshes have in common: the same triangles, each person showing some of them.

    Attributes:
        triangles: (t, 3) rows of vertices, counter-clockwise seen from outside.
        uv: (v, 2) place in each person's own texture, in [0, 1].
        own: (t,) whether a triangle is of the person: body, clothes, hair, a bag they wear. Umbrellas and push-chairs
            are not: they hide people like any other thing.
        two_sided: (t,) whether the inside is seen as well: the hem of a skirt or coat, an umbrella.
        gloss: (t,) 0 matt to 1 mirror-like.
    """

    triangles: Ints
    uv: Floats
    own: Bools
    two_sided: Bools
    gloss: Floats


@dataclass(frozen=True, slots=True)
class Bodies:
    """n people at one moment.

    Attributes:
        person: (n,) their numbers, as in `Motion`.
        vertices: (n, v, 3) metres in the world.
        normals: (n, v, 3) unit vectors, outwards.
        joints: (n, 13, 3) head, then left and right shoulders, elbows, wrists, hips, knees, ankles: the order of
            `reid_model.training.targets`.
    """

    person: Ints
    vertices: Floats
    normals: Floats
    joints: Floats
