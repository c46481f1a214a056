from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from reid_model.training.augment import AugmentConfig, Augmenter, blurred

STORED, INPUT = (64, 32), (128, 64)


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


def test_patches_are_other_scenery_and_cover_mask_and_joints() -> None:
    count = 16
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, *STORED, 3) * 10 + 5
    masks, joints = torch.ones(count, 96, 32, dtype=torch.bool), torch.full((count, 13, 3), 0.5)
    config = AugmentConfig(zoom=0, shift=0, colour=0, person=0, patch=1)
    batch = Augmenter(config, STORED, STORED, seed=3)(images, masks, joints, torch.arange(count))
    changed = (batch.images[:, 0] - images[:, 0, 0, 0, None, None] / 255).abs() > 1e-3
    torch.testing.assert_close(changed, batch.masks < 0.5)
    share = changed.float().mean(dim=(1, 2))
    assert (share > 0).all()
    assert (share <= 0.66).all()
    assert ((batch.joints[:, 0, 2] == 0) == changed[:, STORED[0] // 2, STORED[1] // 2]).all()


def test_each_crop_is_blurred_as_opencv_would() -> None:
    random = np.random.default_rng(0)
    images, sigma = random.random((3, 20, 12, 3)).astype(np.float32), np.array([0.0, 0.7, 1.5], np.float32)
    ours = blurred(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(sigma)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(ours[0], images[0], atol=1e-6)
    for row in (1, 2):
        theirs = cv2.GaussianBlur(images[row], (9, 9), float(sigma[row]), borderType=cv2.BORDER_REPLICATE)
        np.testing.assert_allclose(ours[row], theirs, atol=1e-5)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"balance": 0.3}, "channels"),  # a grey crop is tinted, all of it alike
        ({"gamma": 0.5}, "brightness"),
        ({"blur": 2.0}, "edges"),
        ({"noise": 0.1}, "grain"),
    ],
)
def test_each_crop_is_filmed_by_another_camera(setting: dict[str, float], told: str) -> None:
    images = torch.full((16, *STORED, 3), 100, dtype=torch.uint8)
    images[:, 32:] = 200
    masks, joints = torch.ones(16, 96, 32, dtype=torch.bool), torch.zeros(16, 13, 3)
    config = AugmentConfig(zoom=0, shift=0, colour=0, person=0, patch=0, **setting)
    film = Augmenter(config, STORED, STORED, seed=3)(images, masks, joints, torch.arange(16)).images
    upper = film[:, :, 4:24, 4:28]
    level = upper.mean(dim=(1, 2, 3))
    measured = {
        "channels": upper.mean(dim=(2, 3)).std(dim=1),
        "brightness": (level - 100 / 255).abs(),
        "edges": (film[:, :, 28:36].diff(dim=2).amax(dim=(1, 2, 3)) - 100 / 255).abs(),
        "grain": upper.std(dim=(2, 3)).amax(dim=1),
    }
    changed = {name: (values > 0.01).float().mean().item() for name, values in measured.items()}
    assert changed[told] > 0.6
    assert not any(changed[name] for name in {"grain", "channels"} - {told})
    assert ((film >= 0) & (film <= 1)).all()


def test_camera_settings_have_ranges() -> None:
    for name, value in (("balance", 1.0), ("gamma", -0.1), ("blur", 5.0), ("noise", 2.0)):
        with pytest.raises(ValueError, match=name):
            AugmentConfig(**{name: value})


def test_a_step_has_the_same_pictures_whenever_it_is_taken() -> None:
    images, masks, joints = marked_crops(8, 0)
    augmenter = Augmenter(AugmentConfig(), STORED, INPUT, seed=1)

    def pictures(step: int) -> torch.Tensor:
        augmenter.start(step)
        return augmenter(images, masks, joints, torch.arange(8)).images

    first, second = pictures(5), pictures(6)
    assert not torch.equal(first, second)
    assert torch.equal(pictures(5), first)
