from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reid_model.checkpoint import load_weights
from reid_model.matching import reference
from reid_model.network import GasmConfig
from reid_model.training.augment import AugmentConfig, Augmenter
from reid_model.training.loop import TrainConfig, Trainer, TrainingData
from reid_model.training.losses import batch_hard_triplet, distillation, frobenius, spatial_distance
from reid_model.training.sampler import identity_batches
from reid_model.training.targets import SWAP, Targets, pool_masks, render_joints
from reid_model.training.teachers import BodyTeacher
from tests.reid_model.builders import random_features

STORED, INPUT = (64, 32), (128, 64)


def test_guided_losses_use_the_unsquared_norm_of_each_sample() -> None:
    predicted, target = torch.zeros(3, 4, 2), torch.zeros(3, 4, 2)
    predicted[0], predicted[1], predicted[2] = 1, 3, 100
    valid = torch.tensor([True, True, False])
    assert frobenius(predicted, target, valid).item() == pytest.approx((8**0.5 + 3 * 8**0.5) / 2, rel=1e-4)
    assert frobenius(predicted, target, torch.zeros(3, dtype=torch.bool)).item() == 0


def test_guided_loss_has_a_gradient_where_the_error_is_zero() -> None:
    predicted = torch.zeros(1, 4, requires_grad=True)
    frobenius(predicted, torch.zeros(1, 4), torch.ones(1, dtype=torch.bool)).backward()
    assert torch.isfinite(predicted.grad).all()  # type: ignore[arg-type]


@given(seed=st.integers(0, 500), margin=st.sampled_from([0.0, 0.3]))
def test_triplet_takes_the_hardest_of_each_anchor(seed: int, margin: float) -> None:
    random = np.random.default_rng(seed)
    identities = random.integers(0, 3, 8)
    anchors = np.sort(random.choice(8, 4, replace=False))
    distance = random.random((4, 8)).astype(np.float32)
    gaps = []
    for row, anchor in enumerate(anchors):
        positives = [distance[row, j] for j in range(8) if identities[j] == identities[anchor] and j != anchor]
        negatives = [distance[row, j] for j in range(8) if identities[j] != identities[anchor]]
        if positives and negatives:
            gaps.append(max(positives) - min(negatives))
    each = [max(0.0, gap + margin) if margin else np.log1p(np.exp(gap)) for gap in gaps]
    loss = batch_hard_triplet(
        torch.from_numpy(distance), torch.from_numpy(anchors), torch.from_numpy(identities), margin
    )
    assert loss.item() == pytest.approx(np.mean(each) if each else 0, abs=1e-5)


def test_what_is_trained_is_what_is_matched() -> None:
    features = random_features(5, cells=7)
    anchors = torch.tensor([0, 3])
    trained = spatial_distance(torch.from_numpy(features.local), torch.from_numpy(features.saliency), anchors)
    np.testing.assert_allclose(trained, reference.distances(features[[0, 3]], features, "local"), atol=1e-6)


def test_distillation_is_zero_for_a_teachers_direction_at_any_length() -> None:
    teacher = torch.randn(4, 6)
    assert distillation(teacher * 3, teacher).item() == pytest.approx(0, abs=1e-6)
    assert distillation(-teacher, teacher).item() == pytest.approx(2, abs=1e-6)


def test_a_joint_is_rendered_at_full_height_where_it_is() -> None:
    joints = torch.zeros(1, 13, 3)
    joints[0, 4] = torch.tensor([(2 + 0.5) / 8, (5 + 0.5) / 16, 1.0])
    maps = render_joints(joints, 16, 8)
    assert maps[0, 4, 5, 2].item() == pytest.approx(1)
    assert maps[0, 4].argmax().item() == 5 * 8 + 2
    assert maps[0, torch.arange(13) != 4].max() == 0


def test_a_mask_is_averaged_by_area() -> None:
    mask = torch.zeros(1, 96, 32, dtype=torch.bool)
    mask[0, :3, :] = True
    assert pool_masks(mask, 16, 8)[0, 0].tolist() == pytest.approx([0.5] * 8)


def test_targets_survive_storing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    targets = Targets(random.random((5, 13, 3), np.float32), random.random((5, 96, 32)) > 0.5, random.random(5) > 0.5)
    targets.save(tmp_path / "targets.npz")
    loaded = Targets.load(tmp_path / "targets.npz")
    np.testing.assert_allclose(loaded.joints, targets.joints, atol=1e-3)
    np.testing.assert_array_equal(loaded.masks, targets.masks)
    np.testing.assert_array_equal(loaded.valid, targets.valid)


def test_swap_exchanges_left_and_right_and_keeps_the_head() -> None:
    assert SWAP[0] == 0
    np.testing.assert_array_equal(SWAP[SWAP], np.arange(13))


def marked_crops(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Black crops with a white spot and mask at every crop's first joint."""
    random = np.random.default_rng(seed)
    images = np.zeros((count, *STORED, 3), np.uint8)
    masks = np.zeros((count, 96, 32), bool)
    joints = np.zeros((count, 13, 3), np.float32)
    for row in range(count):
        x, y = random.uniform(0.35, 0.65, 2)
        joints[row, 0] = x, y, 1
        images[row, int(y * 64) - 2 : int(y * 64) + 3, int(x * 32) - 1 : int(x * 32) + 2] = 255
        masks[row, int(y * 96) - 3 : int(y * 96) + 4, int(x * 32) - 1 : int(x * 32) + 2] = True
    return torch.from_numpy(images), torch.from_numpy(masks), torch.from_numpy(joints)


def test_image_mask_and_joints_move_together() -> None:
    images, masks, joints = marked_crops(32, 0)
    still = AugmentConfig(person=0, patch=0, colour=0)
    batch = Augmenter(still, STORED, INPUT, seed=1)(images, masks, joints, torch.arange(32))
    assert batch.images.shape == (32, 3, *INPUT)
    for row in range(32):
        x, y = batch.joints[row, 0, :2].tolist()
        for picture, (height, width) in ((batch.images[row].mean(0), INPUT), (batch.masks[row], STORED)):
            weights = picture / picture.sum()
            centre_y = (weights.sum(1) * (torch.arange(height) + 0.5)).sum().item() / height
            centre_x = (weights.sum(0) * (torch.arange(width) + 0.5)).sum().item() / width
            assert abs(centre_x - x) < 0.06
            assert abs(centre_y - y) < 0.04


def test_a_pasted_person_is_background_and_hides_joints() -> None:
    count = 24
    images = torch.full((count, *STORED, 3), 128, dtype=torch.uint8)
    masks, joints = torch.ones(count, 96, 32, dtype=torch.bool), torch.rand(count, 13, 3) * 0.8 + 0.1
    joints[..., 2] = 1
    config = AugmentConfig(zoom=0, shift=0, colour=0, person=1, patch=0)
    batch = Augmenter(config, STORED, INPUT, seed=0)(images, masks, joints, torch.arange(count))
    covered = batch.masks < 0.5
    assert covered.flatten(1).any(dim=1).float().mean() > 0.8
    x = (batch.joints[..., 0] * 32).long().clamp(0, 31)
    y = (batch.joints[..., 1] * 64).long().clamp(0, 63)
    hidden = covered[torch.arange(count)[:, None], y, x]
    assert (batch.joints[..., 2][hidden] == 0).all()
    assert (batch.joints[..., 2][~hidden] == 1).all()
    alone = Augmenter(config, STORED, INPUT, seed=0)(images, masks, joints, torch.zeros(count))
    assert (alone.masks >= 0.5).all(), "nobody is pasted over a picture of themselves"


@given(people=st.integers(1, 4), images=st.integers(2, 4), seed=st.integers(0, 100))
def test_batches_hold_so_many_images_of_so_many_people(people: int, images: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    identities = np.sort(random.integers(0, 6, 40))
    for rows in identity_batches(identities, people, images, random):
        chosen, counts = np.unique(identities[rows], return_counts=True)
        assert len(chosen) == people
        assert (counts == images).all()


def test_training_learns_and_writes_weights_that_load(tmp_path: Path) -> None:
    """Eight people, each of one colour: the losses must fall, and the file must give the same network back."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 255, (8, 1, 1, 1, 3))
    images = (np.repeat(colours, 4, axis=1) + random.integers(-20, 20, (8, 4, *STORED, 3))).clip(0, 255)
    masks, joints = np.zeros((32, 96, 32), bool), np.zeros((32, 13, 3), np.float32)
    masks[:, 20:80, 8:24] = True
    joints[:, :, :2], joints[:, :, 2] = 0.5, 1
    data = TrainingData(
        images.reshape(32, *STORED, 3).astype(np.uint8),
        np.repeat(np.arange(8), 4),
        Targets(joints, masks, np.ones(32, bool)),
        random_features(8, seed=1, pooled=16).global_.repeat(4, axis=0),
    )
    network = GasmConfig(backbone="osnet_x0_25", size=INPUT, cells=(4, 2))
    config = dataclasses.replace(TrainConfig(), network=network, epochs=15, people=8)
    trainer = Trainer(config, data)
    lines: list[str] = []
    trainer.run(tmp_path, lines.append)
    rows = (tmp_path / "log.csv").read_text().splitlines()
    first, last = (
        dict(zip(rows[0].split(","), map(float, row.split(",")), strict=True)) for row in (rows[1], rows[-1])
    )
    assert len(rows) == 16 == len(lines) + 1
    for name in ("identity", "distil", "mask", "pose"):
        assert last[name] < first[name]
    loaded, _ = load_weights(tmp_path / "last.safetensors")
    with torch.inference_mode():
        crops = torch.rand(2, 3, *INPUT)
        for ours, theirs in zip(trainer.network.eval()(crops), loaded(crops), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=0)


def test_the_body_teacher_finds_the_person_of_a_real_crop(shared: Path) -> None:
    from reid_model.datasets import ReidImages, read_market1501

    everyone = read_market1501(shared / "data" / "market1501", "query")
    few = ReidImages(everyone.names[:12], everyone.encoded[:12], everyone.identities[:12], everyone.cameras[:12])
    targets = BodyTeacher(shared / "models" / "teachers" / "pose_landmark_lite.tflite")(few.decode(128, 64))
    seen = targets.valid
    assert seen.sum() >= 11
    head, hips = targets.joints[seen, 0, 1], targets.joints[seen, 7:9, 1].mean(axis=1)
    assert (head < hips).all()
    centre, edge = targets.masks[seen, 24:72, 12:20].mean(), targets.masks[seen][:, :, [0, 31]].mean()
    assert centre > 0.7 > 0.3 > edge
