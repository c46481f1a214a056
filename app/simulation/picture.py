"""One frame of one camera, with the truth about every person in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a camera sees of n people.

    Whatever is of the person counts: body, clothes, hair, a bag they wear; not an umbrella, not a push-chair.
    Boxes are left, top, right, bottom in pixels.

    Attributes:
        image: (h, w, 3) uint8 BGR.
        visible: (h, w) int16 row of the person a pixel shows, −1 for none.
        person: (n,) int32 their numbers, as in `Motion`.
        full_box: (n, 4) of the whole person as if nothing hid them, beyond the picture where they reach beyond it.
            A person behind the camera, or so near that a part is behind it, is not in a picture at all.
        visible_box: (n, 4) of the pixels that show them; NaN without one.
        visibility: (n,) in [0, 1]: pixels that show them, over the pixels they would cover if nothing hid them and
            the picture went on beyond its edges.
        joints: (n, 13, 2) pixels, hidden ones and ones outside the picture included.
    """

    image: npt.NDArray[np.uint8]
    visible: npt.NDArray[np.int16]
    person: npt.NDArray[np.int32]
    full_box: Floats
    visible_box: Floats
    visibility: Floats
    joints: Floats
