"""Calibration of weights on the people kept out of training, seen whole and covered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from reid_model.calibration import Calibration
from reid_model.checkpoint import load_weights
from reid_model.datasets import ReidImages, held_out
from reid_model.embedder import Embedder
from reid_model.features import Features
from reid_model.fitting import fit
from reid_model.network import JOINTS, Gasm
from reid_model.training.augment import AugmentConfig, Augmenter

ImageArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]

STORED = (128, 64)
"""Height and width at which crops are covered, as in training."""

BATCH = 64
COVERED_SHARE = 0.5
COVERING = AugmentConfig(zoom=0, shift=0, colour=0, person=0.65, patch=0.65)


def cover(network: Gasm, images: ImageArray, identities: IntArray, seed: int) -> list[ImageArray]:
    """Covers crops as training does: other people and rectangles of other crops are pasted over seven of eight.

    The outlines of the pasted people are the network's own masks, so no teacher is needed.

    Args:
        network: Whose masks cut people out.
        images: RGB, `(n, h, w, 3)`.
        identities: `(n,)`; nobody is covered by themselves.
        seed: Equal seeds give equal covers.

    Returns:
        n crops, BGR, of the network's input size.
    """
    augmenter = Augmenter(COVERING, (images.shape[1], images.shape[2]), network.config.size, seed)
    covered: list[ImageArray] = []
    for start in range(0, len(images), BATCH):
        part = torch.from_numpy(images[start : start + BATCH])
        people = torch.from_numpy(identities[start : start + BATCH])
        joints = torch.zeros(len(part), JOINTS, 3)
        batch = augmenter(part, _masks(network, part), joints, people)
        pixels = (batch.images.clamp(0, 1) * 255).round().byte().flip(1).permute(0, 2, 3, 1)
        covered += [np.ascontiguousarray(image) for image in pixels.numpy()]
    return covered


@torch.inference_mode()
def _masks(network: Gasm, images: torch.Tensor) -> torch.Tensor:
    """Where the network sees the person of each crop, `(n, h', w')` bool."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    pixels = torch.nn.functional.interpolate(pixels, network.config.size, mode="bilinear", align_corners=False)
    masks: torch.Tensor = network.maps(pixels).mask
    height, width = images.shape[1:3]
    enlarged = torch.nn.functional.interpolate(masks[:, None], (height, width), mode="bilinear", align_corners=False)
    return enlarged[:, 0] > 0.5


def kept_out_features(weights: Path, images: ReidImages, seed: int = 0) -> tuple[Features, IntArray, IntArray]:
    """Features of the people kept out of training, and of covered copies of half of their crops.

    Args:
        weights: A .safetensors file.
        images: The training part of a dataset; `reid_model.datasets.held_out` names the people.
        seed: Chooses which crops are covered, and how.

    Returns:
        Features, identities `(n,)` and cameras `(n,)`.

    Raises:
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
        reid_model.datasets.DatasetError: If an image does not decode.
    """
    kept = images.subset(held_out(images.identities))
    pixels = kept.decode(*STORED)
    # In a random order, so that a batch holds many people who can cover each other.
    count = round(COVERED_SHARE * len(kept))
    chosen = np.random.default_rng(seed).permutation(len(kept))[:count]
    covered = cover(load_weights(weights)[0], pixels[chosen], kept.identities[chosen], seed)
    whole = [np.ascontiguousarray(image[..., ::-1]) for image in pixels]
    features = Embedder(weights).embed([*whole, *covered])
    return (
        features,
        np.concatenate([kept.identities, kept.identities[chosen]]),
        np.concatenate([kept.cameras, kept.cameras[chosen]]),
    )


def calibrate(weights: Path, images: ReidImages, seed: int = 0) -> Calibration:
    """Fits the probability that two crops show one person, for these weights; takes a minute on one core.

    Args:
        weights: A .safetensors file.
        images: The training part of the dataset the weights were trained on.
        seed: Chooses covers, pairs and folds.

    Raises:
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
        reid_model.datasets.DatasetError: If an image does not decode.
        ValueError: If the people kept out give too few pairs.
    """
    features, identities, cameras = kept_out_features(weights, images, seed)
    return fit(features, identities, cameras, seed=seed)
