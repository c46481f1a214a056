"""What a training run starts from: GASM weights, or a backbone's ImageNet weights."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from reid_model.backbones.pretrained import load_backbone
from reid_model.checkpoint import WeightsError, load_weights
from reid_model.network import Gasm
from reid_model.training.loop import Trainer
from reid_model.training.sampler import identity_batches

HEAD_CROPS = 4
"""Crops of a person that a classifier's first weights are made of."""

HEAD_BATCH = 64
"""Crops embedded at once for it."""

SCALES = 2.0 ** np.arange(-6, 5)
"""Lengths that a classifier's first weights may have."""

RIDGE = 1e-2
"""Weight of the penalty on a projection's first weights, relative to the features' mean variance."""


def start_from(network: Gasm, init: Path | None, backbone: Path | None) -> None:
    """Fills a network before its first step.

    Args:
        network: Any network; input size, cells and fusion may differ from those of `init`, since they have no weights.
        init: GASM weights, or None.
        backbone: ImageNet weights of the backbone, or None; not read where `init` is given.

    Raises:
        WeightsError: If a file cannot be used, or its network has another shape.
    """
    if init is None:
        if backbone is not None:
            try:
                load_backbone(network.backbone, network.config.backbone, backbone)
            except ValueError as error:
                raise WeightsError(str(error)) from None
        return
    source = load_weights(init)[0]
    for name in ("backbone", "local_dim", "neck", "last_stride"):
        theirs, ours = getattr(source.config, name), getattr(network.config, name)
        if theirs != ours:
            raise WeightsError(f"{init}: weights with {name} {theirs}, but the recipe's network has {ours}; change one")
    network.load_state_dict(source.state_dict())


def fit_heads(trainer: Trainer) -> None:
    """Gives the layers that only training has the weights that suit a network which knows people already.

    Classifier and projection are not kept with GASM weights. Started from noise, they send a trained network nonsense
    for most of an epoch. Here each class starts as the mean feature of a few of its crops, all of the length that makes
    the cross-entropy least, and the projection as the ridge regression from features to the teacher's.

    Args:
        trainer: A run whose network was filled by `start_from`; its heads are overwritten.
    """
    data, heads = trainer.data, trainer.heads
    random = np.random.default_rng(trainer.config.seed)
    few = identity_batches(data.labels, 1, HEAD_CROPS, random, most=HEAD_CROPS)
    rows = random.permutation(np.concatenate(list(few)))
    features = _features(trainer, rows)
    labels = torch.from_numpy(data.labels[rows]).to(features.device)
    units = F.normalize(features, dim=1)
    sums = torch.zeros_like(heads.classifier.weight).index_add_(0, labels, units)
    means = F.normalize(sums, dim=1)
    logits = features @ means.T
    # A crop's own class without the crop: the length would be too great for crops that are new.
    others = F.normalize(sums[labels] - units, dim=1)
    logits.scatter_(1, labels[:, None], (features * others).sum(dim=1, keepdim=True))
    smoothing = trainer.config.losses.smoothing
    losses = [float(F.cross_entropy(scale * logits, labels, label_smoothing=smoothing)) for scale in SCALES]
    with torch.no_grad():
        heads.classifier.weight.copy_(float(SCALES[int(np.argmin(losses))]) * means)
        if data.teacher is not None:
            wanted = torch.from_numpy(data.teacher[rows]).to(features)
            gram = features.T @ features
            gram.diagonal().add_(RIDGE * gram.diagonal().mean())
            heads.projection.weight.copy_(torch.linalg.solve(gram, features.T @ wanted).T)


def _features(trainer: Trainer, rows: npt.NDArray[np.intp]) -> Tensor:
    """Pooled features behind the neck, `(n, D)`, of crops changed and normalised as in training."""
    network = copy.deepcopy(trainer.network).train()  # a copy: running statistics change
    autocast = torch.autocast(trainer.device.type, dtype=torch.bfloat16, enabled=trainer.config.precision == "bf16")
    found = []
    with torch.no_grad(), autocast:
        for number, part in enumerate(np.array_split(rows, max(1, len(rows) // HEAD_BATCH))):
            images = trainer.batch(part, number)[0].images
            maps = network.maps(images.to(memory_format=torch.channels_last))
            found.append(network.neck(maps.pooled.float()).float())
    return torch.cat(found)
