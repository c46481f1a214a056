from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InputError
from app.simulation.camera import Camera
from app.simulation.config import SimulationConfig
from app.simulation.crops import JITTER, MASK_SIZE, CropWriter, Crowd, jittered, settle
from app.simulation.filming import shoot
from app.simulation.layout import make_world
from app.simulation.picture import Picture
from app.simulation.simulate import shootings
from app.simulation.wardrobe import wardrobe
from reid_model.datasets import read_dataset
from reid_model.training import targets as training
from reid_model.training.targets import Targets

SIZE = (320, 240)
CAMERA = Camera("east", "square", (1, 10, 3), (10, 10, 0), 700, SIZE)
CROWD = Crowd(frozenset({1, 2}))

View = tuple[int, float]
"""Number of a person from 0, and their visibility."""


def picture(*views: View) -> Picture:
    """People side by side, 40 by 100 pixels, in a colour each; of the rest of them something red hides the top."""
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    visible = np.full((SIZE[1], SIZE[0]), -1, np.int16)
    boxes = np.array([[20 + 60 * place, 60, 60 + 60 * place, 160] for place in range(len(views))], np.float64)
    for row, ((person, visibility), box) in enumerate(zip(views, boxes.astype(int), strict=True)):
        left, top, right, bottom = box
        image[top:bottom, left:right] = (0, 0, 200)
        image[bottom - round(100 * visibility) : bottom, left:right] = (200, 20 * person, 0)
        visible[bottom - round(100 * visibility) : bottom, left:right] = row
    joints = np.stack([np.linspace(box[:2] + np.array([20, 5]), box[2:] - np.array([20, 5]), 13) for box in boxes])
    return Picture(
        image=image,
        visible=visible,
        person=np.array([person for person, _ in views], np.int32),
        full_box=boxes,
        visible_box=boxes,
        visibility=np.array([visibility for _, visibility in views]),
        joints=joints,
    )


def cut(folder: Path, cameras: dict[int, list[list[View]]]) -> None:
    for number, frames in cameras.items():
        writer = CropWriter(folder, CAMERA, number, CROWD, seed=1)
        for frame, views in enumerate(frames, 1):
            writer.write(picture(*views), 10 * frame)
        writer.finish()


USUAL = {
    1: [[(0, 1.0), (1, 0.4), (2, 0.3), (3, 1.0)], [(0, 0.2), (1, 0.9), (2, 1.0), (3, 0.05)]],
    2: [[(0, 0.5), (2, 0.9), (3, 0.7)], [(2, 0.2), (3, 0.5)]],
}


def test_crops_are_a_dataset_like_any_other(tmp_path: Path) -> None:
    cut(tmp_path, USUAL)
    parts = settle(tmp_path)
    assert [(part.name, part.crops, part.people, part.cameras) for part in parts] == [
        ("train", 4, 2, 2),
        ("query", 3, 2, 2),
        ("gallery", 3, 2, 2),
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "query", "targets.npz", "train"]
    train = read_dataset(f"folder:{tmp_path}", "train")
    assert train.names == [
        "0001_c1s1_000010_00.jpg",
        "0001_c2s1_000010_00.jpg",
        "0002_c1s1_000010_00.jpg",
        "0002_c1s1_000020_00.jpg",
    ]
    assert train.identities.tolist() == [1, 1, 2, 2]
    assert train.cameras.tolist() == [1, 2, 1, 1]
    query = read_dataset(f"folder:{tmp_path}", "query")
    # Person 3 is asked for by both cameras: each is found in the other's gallery.
    assert list(zip(query.identities, query.cameras, strict=True)) == [(3, 1), (3, 2), (4, 2)]
    gallery = read_dataset(f"folder:{tmp_path}", "gallery")
    assert list(zip(gallery.identities, gallery.cameras, strict=True)) == [(3, 1), (3, 2), (4, 1)]


def test_a_query_that_no_other_camera_saw_clearly_is_left_out(tmp_path: Path) -> None:
    alone = {1: [*USUAL[1], [(3, 0.4)]], 2: USUAL[2]}
    cut(tmp_path, alone)
    settle(tmp_path)
    query = read_dataset(f"folder:{tmp_path}", "query")
    assert (4, 1) not in list(zip(query.identities, query.cameras, strict=True))


def test_targets_are_the_crops_own(tmp_path: Path) -> None:
    cut(tmp_path, USUAL)
    settle(tmp_path)
    train = read_dataset(f"folder:{tmp_path}", "train")
    targets = Targets.load(tmp_path / "targets.npz").of(train.names, tmp_path / "targets.npz")
    assert MASK_SIZE == training.MASK_SIZE
    for crop, mask in zip(train.crops(), targets.masks, strict=True):
        # What is the person's is blue, what hides them red.
        blue = cv2.resize(crop, MASK_SIZE[::-1], interpolation=cv2.INTER_AREA)[..., 0] > 140
        assert (blue == mask).mean() > 0.93
    assert targets.valid.all()
    whole, covered = targets.joints[0], targets.joints[2]
    assert (whole[:, 2] == 1).all()
    assert covered[:, 2].tolist() == [0] * 8 + [1] * 5
    np.testing.assert_allclose(whole[[0, 12], 1], [0.05, 0.95], atol=0.06)
    np.testing.assert_allclose(whole[:, 0], 0.5, atol=0.07)


def test_a_crop_without_a_clear_person_has_no_usable_targets(tmp_path: Path) -> None:
    covered = picture((0, 0.4), (1, 1.0))
    covered.joints[0, 4:] = 500
    for frame in (1, 2):
        writer = CropWriter(tmp_path, CAMERA, frame, CROWD, seed=1)
        writer.write(covered, frame)
        writer.finish()
    cut(tmp_path, {number + 2: frames for number, frames in USUAL.items()})
    settle(tmp_path)
    targets = Targets.load(tmp_path / "targets.npz")
    invalid = {name for name, valid in zip(targets.names, targets.valid, strict=True) if not valid}
    assert invalid == {"0001_c1s1_000001_00.jpg", "0001_c2s1_000002_00.jpg"}


@pytest.mark.parametrize(
    ("cameras", "problem"),
    [
        ({1: [[(2, 1.0)]], 2: [[(2, 0.3)]]}, "nobody to learn from was seen twice"),
        ({1: [[(0, 1.0), (2, 1.0)]], 2: [[(0, 1.0)]]}, "nobody was seen covered by one camera and clearly by another"),
        ({1: [[(0, 1.0), (2, 0.3)]], 2: [[(0, 1.0)]]}, "nobody to test with was seen clearly"),
    ],
)
def test_too_little_is_one_line(tmp_path: Path, cameras: dict[int, list[list[View]]], problem: str) -> None:
    cut(tmp_path, cameras)
    with pytest.raises(InputError, match=f"{problem}; give more --seconds, --people or --cameras") as caught:
        settle(tmp_path)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 300), st.integers(0, 10))
def test_half_of_the_people_are_learned_from(people: int, seed: int) -> None:
    learned = Crowd.split(people, seed).learned
    assert len(learned) == (people + 1) // 2
    assert learned <= set(range(1, people + 1))


def test_edges_are_a_little_off() -> None:
    boxes = np.tile([100.0, 100, 140, 200], (2000, 1))
    off: npt.NDArray[np.float64] = (jittered(boxes, np.random.default_rng(0)) - boxes) / [40, 100, 40, 100]
    assert np.abs(off).max() <= JITTER
    np.testing.assert_allclose(off.std(axis=0), JITTER / np.sqrt(3), rtol=0.1)


def test_people_cut_from_rendered_pictures(tmp_path: Path) -> None:
    config = SimulationConfig(cameras=2, people=24, seconds=10, seed=7, size=(480, 270))
    plans = shootings(tmp_path, make_world(config), config, wardrobe(config.people, config.seed), crops=True)
    assert list(plans[0].frames) == list(range(1, 251, 10))
    seldom = replace(config, every=2.0)
    fewer = shootings(tmp_path, plans[0].world, seldom, plans[0].appearances, crops=True)
    assert list(fewer[0].frames) == list(range(1, 251, 50))
    for plan in plans:
        shoot(plan, lambda done: True)
    parts = {part.name: part for part in settle(tmp_path)}
    assert parts["train"].people > 3
    assert parts["gallery"].crops > 10
    targets = Targets.load(tmp_path / "targets.npz")
    assert targets.valid.mean() > 0.8
    shares = targets.masks[targets.valid].mean(axis=(1, 2))
    assert 0.2 < np.median(shares) < 0.7
    # A seen joint lies on the mask, or less than a limb beside it.
    for mask, joints in zip(targets.masks[targets.valid], targets.joints[targets.valid], strict=True):
        near = cv2.dilate(mask.astype(np.uint8), np.ones((9, 5), np.uint8))
        x, y = (joints[joints[:, 2] > 0, :2] * MASK_SIZE[::-1]).astype(int).T
        assert near[y.clip(0, MASK_SIZE[0] - 1), x.clip(0, MASK_SIZE[1] - 1)].mean() > 0.7
