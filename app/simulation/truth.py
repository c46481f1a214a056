"""What is true about everybody in a frame, as arrays and as the lines of the truth's files."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.simulation.masks import encode_masks
from app.simulation.motion import Motion
from app.simulation.picture import Picture

Floats = npt.NDArray[np.float64]

LEAST_PIXELS = 16
"""Visible pixels from which somebody has a row in gt.txt: fewer show nothing that a detector could be asked for."""

LEAST_VISIBILITY = 0.1
"""Visible share from which somebody counts: below it they are out of sight."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameTruth:
    """The n people whose full box is in a picture at least in part, hidden ones included, by identity.

    Attributes:
        frame: Number of the frame, from 1.
        time: When it was taken, seconds since the epoch.
        ids: (n,) identities from 1, the same in all cameras.
        full_box: (n, 4) left, top, right, bottom in pixels of the whole person, beyond the picture where they are.
        visible_box: (n, 4) of the pixels that show them; NaN without one.
        visibility: (n,) share of the person that is seen, [0, 1].
        pixels: (n,) that show them.
        masks: n texts of the pixels that show them, as `app.simulation.masks` writes them; empty without one.
        joints: (n, 13, 2) pixels, in the order of `reid_model.training.targets`.
        joint_visible: (n, 13) whether the pixel of a joint, or one beside it, shows the person.
        position: (n, 2) on the ground, metres.
        heading: (n,) direction the body faces, radians counter-clockwise from the x axis, in (−π, π].
    """

    frame: int
    time: float
    ids: npt.NDArray[np.int64]
    full_box: Floats
    visible_box: Floats
    visibility: Floats
    pixels: npt.NDArray[np.int64]
    masks: list[str]
    joints: Floats
    joint_visible: npt.NDArray[np.bool_]
    position: Floats
    heading: Floats


def frame_truth(picture: Picture, motion: Motion, frame: int, time: float) -> FrameTruth:
    """The truth about one frame.

    Args:
        picture: What the camera saw.
        motion: Where everybody was.
        frame: Number of the frame, from 1.
        time: When it was taken, seconds since the epoch.
    """
    height, width = picture.visible.shape
    masks, pixels = encode_masks(picture.visible, len(picture.person))
    left, top, right, bottom = picture.full_box.T
    rows = np.flatnonzero((left < width) & (top < height) & (right > 0) & (bottom > 0))
    rows = rows[np.argsort(picture.person[rows])]
    there = np.searchsorted(motion.person, picture.person[rows])
    return FrameTruth(
        frame=frame,
        time=time,
        ids=picture.person[rows].astype(np.int64) + 1,
        full_box=picture.full_box[rows],
        visible_box=picture.visible_box[rows],
        visibility=picture.visibility[rows],
        pixels=pixels[rows],
        masks=[masks[row] for row in rows],
        joints=picture.joints[rows],
        joint_visible=seen_joints(picture)[rows],
        position=motion.position[there],
        heading=np.arctan2(np.sin(motion.heading[there]), np.cos(motion.heading[there])),
    )


def seen_joints(picture: Picture) -> npt.NDArray[np.bool_]:
    """Whether each joint is seen: the pixel it lies in, or one of the eight around, shows its person, (n, 13).

    The one around, because a thin limb may lie between pixels. A joint behind the person's own body counts as seen.
    """
    height, width = picture.visible.shape
    offsets = np.array([-1, 0, 1])
    at = np.floor(np.clip(picture.joints, -9, max(width, height) + 9)).astype(np.int64)
    x, y = np.broadcast_arrays(at[..., 0, None, None] + offsets, at[..., 1, None, None] + offsets[:, None])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shown = picture.visible[np.where(inside, y, 0), np.where(inside, x, 0)]
    rows = np.arange(len(picture.person))[:, None, None, None]
    return np.asarray((inside & (shown == rows)).any(axis=(2, 3)))


def mot_rows(truth: FrameTruth) -> str:
    """Rows `frame,id,left,top,width,height,counts,1,visibility` of everybody with `LEAST_PIXELS` or more, by id.

    Who is hardly seen, by less than `LEAST_VISIBILITY`, does not count (0): nobody could be asked to find them. Their
    rows stay, for they say how long somebody was out of sight.
    """
    seen = np.flatnonzero((truth.pixels >= LEAST_PIXELS) & (truth.visibility > 0))
    boxes = _left_top_size(truth.full_box[seen])
    visibility = truth.visibility[seen]
    counts = (visibility >= LEAST_VISIBILITY).astype(int)
    table = zip(truth.ids[seen].tolist(), boxes.tolist(), counts.tolist(), visibility.tolist(), strict=True)
    return "".join(
        f"{truth.frame},{person},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{count},1,{share:.4f}\n"
        for person, (left, top, width, height), count, share in table
    )


def json_line(truth: FrameTruth) -> str:
    """Everything as one line of JSON; see docs/simulation.md for its keys."""
    joints = np.dstack([np.round(truth.joints, 1).astype(object), truth.joint_visible.astype(int).astype(object)])
    columns = {
        "id": truth.ids.tolist(),
        "full_box": np.round(_left_top_size(truth.full_box), 2).tolist(),
        # NaN is no JSON, and differs from itself.
        "visible_box": [box if box[0] == box[0] else None for box in _left_top_size(truth.visible_box).tolist()],
        "visibility": np.round(truth.visibility, 4).tolist(),
        "mask": truth.masks,
        "joints": joints.tolist(),
        "position": np.round(truth.position, 3).tolist(),
        "heading": np.round(truth.heading, 3).tolist(),
    }
    people = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    document = {"frame": truth.frame, "time": round(truth.time, 6), "people": people}
    return json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"


def _left_top_size(boxes: Floats) -> Floats:
    """Left, top, width, height from left, top, right, bottom."""
    return np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
