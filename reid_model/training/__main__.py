"""`python -m reid_model.training`: teachers' targets, then a training run."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import torch

from reid_model.checkpoint import load_weights
from reid_model.datasets import ReidImages, held_out, read_market1501
from reid_model.network import GasmConfig
from reid_model.training.loop import TrainConfig, Trainer, TrainingData
from reid_model.training.targets import Targets
from reid_model.training.teachers import BodyTeacher, reid_features

STORED = (128, 64)
"""Rows and columns at which crops are kept in memory: Market-1501's own."""


def _load(images: ReidImages, body: Path, features: Path | None, cache: Path) -> TrainingData:
    """Decodes the crops, and asks the teachers unless their answers are cached."""
    pixels = images.decode(*STORED)
    cache.mkdir(parents=True, exist_ok=True)
    target_file, feature_file = cache / "targets.npz", cache / "teacher.npy"
    if not target_file.exists():
        BodyTeacher(body)(pixels).save(target_file)
    if features is not None and not feature_file.exists():
        np.save(feature_file, reid_features(features, pixels))
    targets = Targets.load(target_file)
    teacher = None if features is None else np.load(feature_file)
    kept = ~held_out(images.identities)
    labels = np.unique(images.identities[kept], return_inverse=True)[1].astype(np.int64)
    chosen = Targets(targets.joints[kept], targets.masks[kept], targets.valid[kept])
    return TrainingData(pixels[kept], labels, chosen, None if teacher is None else teacher[kept])


def main() -> None:
    """Trains and writes `last.safetensors` and `log.csv` into the output folder."""
    parser = argparse.ArgumentParser(prog="python -m reid_model.training", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a Market-1501 folder")
    parser.add_argument("--body-teacher", type=Path, required=True, help="BlazePose landmark network, .tflite")
    parser.add_argument(
        "--feature-teacher", type=Path, help="OpenVINO re-ID network, .xml, whose features are distilled"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--backbone", default="osnet_x0_25")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 128), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--epochs", type=int, default=TrainConfig.epochs)
    parser.add_argument("--learning-rate", type=float, default=TrainConfig.learning_rate)
    parser.add_argument("--init", type=Path, help="GASM weights of the same shape to start from")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    images = read_market1501(arguments.data, "train")
    data = _load(images, arguments.body_teacher, arguments.feature_teacher, arguments.output)
    network = GasmConfig(backbone=arguments.backbone, size=tuple(arguments.size))
    config = dataclasses.replace(
        TrainConfig(), network=network, epochs=arguments.epochs, learning_rate=arguments.learning_rate
    )
    trainer = Trainer(config, data)
    if arguments.init is not None:
        trainer.network.load_state_dict(load_weights(arguments.init)[0].state_dict())
    trainer.run(arguments.output, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
