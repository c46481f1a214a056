"""People cut from the pictures: a re-identification dataset with masks and joints.

Half of the people are to be learned from. Of the other half, covered views ask and clear views, taken by another
camera, are to be found.
"""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.picture import Picture
from app.simulation.truth import seen_joints
from app.simulation.writing import unwritable

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

TRAIN_VISIBILITY = 0.3
QUERY_VISIBILITY = (0.1, 0.6)
"""Visible share of a query's person: covered, but not out of sight."""
GALLERY_VISIBILITY = 0.8
SMALLEST = (16, 40)
"""Width and height in pixels below which a person is not cut."""
JITTER = 0.05
"""Most that an edge of a crop is off the person's box, as a share of its width or height: detectors are not exact."""
JPEG_QUALITY = 95
MASK_SIZE = (96, 32)
"""Rows and columns of a mask, as `reid_model.training.targets` keeps them."""
LEAST_MASK, LEAST_JOINTS = 0.05, 4
"""Share of a crop and number of joints that must show the person for the crop to have usable targets."""

PARTS = ("train", "query", "gallery")
STAGING = ".crops.part"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who is cut out for what.

    Attributes:
        learned: Identities, from 1, of the part to learn from; all others are for testing.
    """

    learned: frozenset[int]

    @classmethod
    def split(cls, people: int, seed: int) -> Crowd:
        """Half of the people at random, the larger half."""
        order = np.random.default_rng([seed, 11]).permutation(people) + 1
        return cls(frozenset(order[: -(-people // 2)].tolist()))

    def part(self, identity: int, visibility: float) -> str | None:
        """Which part a view of somebody belongs to, if any."""
        if identity in self.learned:
            return "train" if visibility >= TRAIN_VISIBILITY else None
        if visibility >= GALLERY_VISIBILITY:
            return "gallery"
        return "query" if QUERY_VISIBILITY[0] <= visibility <= QUERY_VISIBILITY[1] else None


@dataclass(slots=True)
class _Targets:
    """Names, joints and masks of crops, as they come."""

    names: list[str] = field(default_factory=list)
    joints: list[npt.NDArray[np.float32]] = field(default_factory=list)
    masks: list[Bools] = field(default_factory=list)


class CropWriter:
    """Cuts people from one camera's pictures into a hidden folder, to be settled when all cameras are done.

    Args:
        folder: The dataset's folder.
        camera: The camera.
        number: Its number in file names, from 1.
        crowd: Who is cut out for what.
        seed: Of how far crops are off their boxes.

    Raises:
        InputError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, camera: Camera, number: int, crowd: Crowd, seed: int) -> None:
        self.crops = 0
        self._folder, self._camera, self._number, self._crowd, self._seed = folder, camera, number, crowd, seed
        self._part = folder / STAGING
        self._targets = _Targets()
        try:
            for part in PARTS:
                (self._part / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None

    def write(self, picture: Picture, frame: int) -> None:
        """Cut the people in a frame.

        Raises:
            InputError: If the disk is full.
        """
        joint_seen = seen_joints(picture)
        boxes = jittered(picture.full_box, np.random.default_rng([self._seed, 12, self._number, frame]))
        boxes = np.round(boxes.clip(0, [*self._camera.size] * 2)).astype(int)
        for row, (left, top, right, bottom) in enumerate(boxes.tolist()):
            identity = int(picture.person[row]) + 1
            part = self._crowd.part(identity, float(picture.visibility[row]))
            if part is None or right - left < SMALLEST[0] or bottom - top < SMALLEST[1]:
                continue
            name = f"{identity:04d}_c{self._number}s1_{frame:06d}_00.jpg"
            self._save(self._part / part / name, picture.image[top:bottom, left:right])
            if part == "train":
                mask = (picture.visible[top:bottom, left:right] == row).astype(np.float32)
                seen = picture.joints[row], joint_seen[row]
                self._targets.names.append(name)
                self._targets.joints.append(_joints(*seen, np.array([left, top, right, bottom], np.float64)))
                self._targets.masks.append(cv2.resize(mask, MASK_SIZE[::-1], interpolation=cv2.INTER_AREA) > 0.5)

    def _save(self, path: Path, crop: npt.NDArray[np.uint8]) -> None:
        encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        try:
            path.write_bytes(encoded.tobytes())
        except OSError as error:
            raise unwritable(self._folder, error) from None
        self.crops += 1

    def finish(self) -> None:
        """Keep the targets of what was cut.

        Raises:
            InputError: If the disk is full.
        """
        count = len(self._targets.names)
        try:
            np.savez(
                self._part / f"{self._number:04d}.npz",
                names=np.array(self._targets.names, np.str_),
                joints=np.array(self._targets.joints, np.float32).reshape(count, 13, 3),
                masks=np.array(self._targets.masks, bool).reshape(count, *MASK_SIZE),
            )
        except OSError as error:
            raise unwritable(self._folder, error) from None


def jittered(boxes: Floats, random: np.random.Generator) -> Floats:
    """Boxes (n, 4) whose edges are off by up to `JITTER` of their width or height."""
    sizes = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return np.asarray(boxes + random.uniform(-JITTER, JITTER, boxes.shape) * sizes)


def _joints(joints: Floats, seen: Bools, box: Floats) -> npt.NDArray[np.float32]:
    """Joints (13, 3) in shares of a crop, and 1 for those that are seen in it."""
    shares = (joints - box[:2]) / (box[2:] - box[:2])
    inside = ((shares > 0) & (shares < 1)).all(axis=1)
    return np.column_stack([shares, seen & inside]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of the dataset holds.

    Attributes:
        name: Of the part.
        crops: How many.
        people: Of how many people.
        cameras: By how many cameras.
    """

    name: str
    crops: int
    people: int
    cameras: int


def settle(folder: Path) -> list[Part]:
    """Makes the dataset of what all cameras cut.

    People to learn from with a single crop are left out, and so are queries whose person no other camera saw clearly.

    Args:
        folder: The dataset's folder, which gets `train/`, `query/`, `gallery/` and `targets.npz`.

    Returns:
        What is in the parts.

    Raises:
        InputError: If a part would be empty, or the disk is full.
    """
    staged = folder / STAGING
    names = {part: sorted(path.name for path in (staged / part).iterdir()) for part in PARTS}
    kept = {"gallery": names["gallery"], **_useful(names)}
    for part in _EMPTY:
        if not kept[part]:
            raise InputError(f"{folder}: {_EMPTY[part]}; give more --seconds, --people or --cameras")
    try:
        for part in PARTS:
            for name in set(names[part]) - set(kept[part]):
                (staged / part / name).unlink()
        _merge_targets(staged, kept["train"])
        for place in (*PARTS, "targets.npz"):
            (staged / place).replace(folder / place)
        shutil.rmtree(staged)
    except OSError as error:
        raise unwritable(folder, error) from None
    return [_count(part, kept[part]) for part in PARTS]


_EMPTY = {
    "train": "nobody to learn from was seen twice",
    "gallery": "nobody to test with was seen clearly",
    "query": "nobody was seen covered by one camera and clearly by another",
}


def _useful(names: dict[str, list[str]]) -> dict[str, list[str]]:
    """The crops to learn from that have a partner, and the queries that have one in another camera."""
    learned = [name[:4] for name in names["train"]]
    counts = Counter(learned)
    seen_by: dict[str, set[str]] = defaultdict(set)
    for person, camera in _labels(names["gallery"]):
        seen_by[person].add(camera)
    asked = zip(names["query"], _labels(names["query"]), strict=True)
    return {
        "train": [name for name, person in zip(names["train"], learned, strict=True) if counts[person] > 1],
        "query": [name for name, (person, camera) in asked if seen_by[person] - {camera}],
    }


def _labels(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Person and camera in each file name."""
    for name in names:
        person, camera, *_ = name.split("_")
        yield person, camera


def _merge_targets(staged: Path, names: Sequence[str]) -> None:
    # Imported here: it brings torch along, which the processes that film do without.
    from reid_model.training.targets import Targets

    parts = []
    for path in sorted(staged.glob("*.npz")):
        with np.load(path, allow_pickle=False) as data:
            parts.append((data["names"], data["joints"], data["masks"]))
        path.unlink()
    all_names, joints, masks = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    valid = (masks.mean(axis=(1, 2)) > LEAST_MASK) & (joints[..., 2].sum(axis=1) >= LEAST_JOINTS)
    merged = Targets(joints, masks, valid, all_names.tolist()).of(list(names), staged)
    merged.save(staged / "targets.npz")


def _count(part: str, names: Sequence[str]) -> Part:
    labels = list(_labels(names))
    return Part(part, len(names), len({person for person, _ in labels}), len({camera for _, camera in labels}))
