from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reid_model.datasets import DatasetError, ImageArray, read_dataset
from reid_model.occlusion import SHARES, SIDES, UNLABELLED, Occluders


@pytest.fixture(scope="module")
def occluders(shared: Path) -> Occluders:
    return Occluders(shared / "data" / "pennfudan")


@pytest.fixture(scope="module")
def queries(shared: Path) -> list[ImageArray]:
    images = read_dataset(f"market1501:{shared / 'data' / 'market1501'}", "query")
    return list(images.subset(slice(0, None, 17)).crops())


def test_covered_shares_lie_in_the_range_and_spread_over_it(occluders: Occluders, queries: list[ImageArray]) -> None:
    covered = [occluders.cover(crop, 1, row) for row, crop in enumerate(queries)]
    shares = np.array([each.share for each in covered])
    assert shares.min() >= SHARES[0]
    assert shares.max() <= SHARES[1]
    for person in (True, False):
        half = shares[[each.person is person for each in covered]]
        assert abs(half.mean() - 0.5) < 0.03
        assert abs(half.std() - 0.3 / np.sqrt(12)) < 0.02
    sides = [sum(each.side == side for each in covered) for side in SIDES]
    assert min(sides) > len(queries) / 4


def test_covers_come_from_their_side_as_far_as_they_say(occluders: Occluders) -> None:
    """On a colour that no photograph has, every covered pixel is a changed one."""
    crop = np.full((128, 64, 3), (255, 0, 255), np.uint8)
    reached = {True: [], False: []}
    for row in range(60):
        covered = occluders.cover(crop, 5, row)
        far = np.abs(covered.image.astype(int) - crop).max(axis=2) > 60
        assert abs(far.mean() - covered.area) < 0.06
        assert covered.area <= covered.share + 1e-6
        line = {"left": far.any(axis=0), "right": far.any(axis=0)[::-1], "below": far.any(axis=1)[::-1]}[covered.side]
        depth = np.flatnonzero(line)[-1] + 1
        reached[covered.person].append(depth / len(line) - covered.share)
        assert not line[depth:].any()
    assert np.abs(reached[False]).max() < 0.02
    # A person's furthest hand or foot may be cut off above or below.
    assert max(reached[True]) < 0.03
    assert np.median(reached[True]) > -0.03


def test_half_are_covered_by_people_whatever_the_seed_and_count(occluders: Occluders) -> None:
    crop = np.zeros((64, 32, 3), np.uint8)
    for seed, count in ((0, 20), (1, 21), (2, 7)):
        people = [occluders.cover(crop, seed, row).person for row in range(count)]
        assert abs(2 * sum(people) - count) <= 1
    orders = {tuple(occluders.cover(crop, seed, row).person for row in range(12)) for seed in range(5)}
    assert len(orders) > 1


def test_covers_depend_on_seed_and_row_alone(occluders: Occluders, queries: list[ImageArray], shared: Path) -> None:
    whole = occluders.occlude(queries[:30], 3)
    rows = [29, 4, 11]
    some = Occluders(shared / "data" / "pennfudan").occlude([queries[row] for row in rows], 3, rows)
    for row, image in zip(rows, some, strict=True):
        np.testing.assert_array_equal(image, whole[row])
    other = occluders.occlude(queries[:30], 4)
    assert sum(np.array_equal(a, b) for a, b in zip(whole, other, strict=True)) == 0


def test_the_crops_themselves_are_not_changed(occluders: Occluders, queries: list[ImageArray]) -> None:
    before = [crop.copy() for crop in queries[:20]]
    after = occluders.occlude(queries[:20], 1)
    for crop, old, new in zip(queries, before, after, strict=False):
        np.testing.assert_array_equal(crop, old)
        assert new.shape == crop.shape
        assert new.dtype == np.uint8
        assert not np.shares_memory(crop, new)


def test_a_negative_seed_is_refused(occluders: Occluders) -> None:
    with pytest.raises(DatasetError, match="seed -1: expected a whole number from 0"):
        occluders.occlude([np.zeros((64, 32, 3), np.uint8)], -1)


@pytest.mark.parametrize("size", [(400, 160), (40, 20), (90, 90), (60, 140), (5, 3), (1, 1)])
def test_crops_of_any_shape_are_covered(occluders: Occluders, size: tuple[int, int]) -> None:
    crop = np.full((*size, 3), 128, np.uint8)
    covered = [occluders.cover(crop, 2, row) for row in range(24)]
    assert {each.image.shape for each in covered} == {(*size, 3)}
    if min(size) >= 20:
        assert all(SHARES[0] <= each.share <= SHARES[1] for each in covered)


def photograph(folder: Path, name: str, images: str, masks: str, ending: str) -> None:
    """A photograph of noise with one standing person."""
    random = np.random.default_rng(0)
    mask = np.zeros((200, 240), np.uint8)
    mask[40:180, 100:150] = 1
    for place in (images, masks):
        (folder / place).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / images / f"{name}.png"), random.integers(0, 255, (200, 240, 3)).astype(np.uint8))
    cv2.imwrite(str(folder / masks / f"{name}{ending}.png"), mask)


def test_both_layouts_are_read_alike(tmp_path: Path) -> None:
    photograph(tmp_path / "ours", "a", "images", "masks", "")
    photograph(tmp_path / "released", "a", "PNGImages", "PedMasks", "_mask")
    ours, released = Occluders(tmp_path / "ours"), Occluders(tmp_path / "released")
    assert (len(ours.people), len(ours.scenes)) == (1, 2)
    assert ours.people[0].mask.shape == (140, 50)
    assert all(scene.shape[1] < 100 for scene in ours.scenes)
    crop = np.zeros((128, 64, 3), np.uint8)
    for row in range(4):
        np.testing.assert_array_equal(ours.cover(crop, 1, row).image, released.cover(crop, 1, row).image)


def test_no_scenery_comes_from_photographs_with_people_without_a_mask(tmp_path: Path) -> None:
    unlabelled = f"PennPed{UNLABELLED['PennPed'].split()[0]:>05}"
    photograph(tmp_path, unlabelled, "images", "masks", "")
    with pytest.raises(DatasetError, match="no scenery"):
        Occluders(tmp_path)


def test_other_folders_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="name the Penn-Fudan folder"):
        Occluders(tmp_path)
    photograph(tmp_path, "a", "images", "masks", "")
    (tmp_path / "masks" / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"a\.png: no such file"):
        Occluders(tmp_path)
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), np.zeros((9, 9), np.uint8))
    with pytest.raises(DatasetError, match="not a mask of the size"):
        Occluders(tmp_path)
    (tmp_path / "images" / "a.png").write_bytes(b"no image")
    with pytest.raises(DatasetError, match="does not decode") as caught:
        Occluders(tmp_path)
    assert "\n" not in str(caught.value)
