"""`train`: a recipe, a dataset and its targets into weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from app import reports
from app.devices import choose_device
from app.errors import InputError
from app.files import prepare_folder
from app.runtime import Interruption
from app.settings import load_recipe
from app.shared_data import shared_data
from app.teaching import features_file, make_targets, teacher_features
from reid_model.calibrating import calibrate
from reid_model.checkpoint import load_weights, save_weights
from reid_model.datasets import ReidImages, held_out, read_datasets
from reid_model.fitting import FitError
from reid_model.training.config import TrainConfig
from reid_model.training.initialise import fit_heads, start_from
from reid_model.training.loop import WEIGHTS, Position, Trainer, TrainingData
from reid_model.training.reid_teacher import TeacherFeatures
from reid_model.training.targets import Targets

REID = "models/peers/person-reidentification-retail-0277/person-reidentification-retail-0277.xml"


def train(
    config_file: Path, data: Sequence[str], output: Path, *, resume: bool, init: Path | None, overrides: Sequence[str]
) -> bool:
    """Trains a network, or goes on training it.

    Args:
        config_file: The recipe (YAML).
        data: `KIND:DIR` each; their training parts are used, together.
        output: The run's folder: weights, checkpoint and log; targets too, where the recipe names none.
        resume: Whether to go on from the checkpoint in `output`.
        init: GASM weights to start from.
        overrides: `a.b=c` each, over the recipe.

    Returns:
        Whether the last epoch was reached; when interrupted, a checkpoint has been written.

    Raises:
        InputError: If the recipe cannot be used.
        reid_model.datasets.DatasetError: If data or targets cannot be used.
        reid_model.checkpoint.WeightsError: If there is nothing to resume from, or weights do not fit.
    """
    config = load_recipe(config_file, overrides)
    if resume and init is not None:
        raise InputError("--resume goes on with its own weights; leave --init out, or leave --resume out")
    device = torch.device(choose_device(config.device, "device"))
    if config.threads:
        torch.set_num_threads(config.threads)
    prepare_folder(output)
    with reports.Progress() as progress, Interruption() as interruption:
        images = read_datasets(data, "train")
        trainer = Trainer(config, training_data(images, data, config, output, progress), device)
        start_from(trainer.network, init, config.backbone_weights)
        if init is not None:
            fit_heads(trainer)
        line = _Reporter(config.epochs, progress)
        complete = trainer.run(output, resume=resume, report=line.update, stopped=lambda: interruption.requested)
    print(f"{output / WEIGHTS}: {'trained' if complete else 'interrupted; go on with --resume'}")
    if complete and config.kept_out:
        _calibrate(output / WEIGHTS, images, config.seed)
    return complete


def _calibrate(weights: Path, images: ReidImages, seed: int) -> None:
    """Stores with the weights what their distances mean, where enough people were kept out to know."""
    try:
        calibration = calibrate(weights, images, seed)
    except FitError as error:
        print(f"no probabilities: {error}", file=sys.stderr)
        return
    save_weights(load_weights(weights)[0], weights, calibration)
    print(f"calibrated on {calibration.people} people kept out: expected calibration error {calibration.ece:.3f}")


def training_data(
    images: ReidImages, data: Sequence[str], config: TrainConfig, output: Path, progress: reports.Progress
) -> TrainingData:
    """Crops, classes and targets of the identities to train on; missing targets are made and kept in `output`."""
    kept = np.flatnonzero(~held_out(images.identities)) if config.kept_out else np.arange(len(images))
    chosen = images.subset(kept)
    if len(np.unique(chosen.identities)) < config.people:
        people = len(np.unique(chosen.identities))
        raise InputError(f"people: {config.people} people a batch, but the data has {people}; set people={people}")
    labels = np.unique(chosen.identities, return_inverse=True)[1].astype(np.int64)
    targets = _targets(images, data, config, output, progress).of(chosen.names, config.teachers.targets or output)
    features = _features(images, config, output, progress)
    if features is None:
        return TrainingData(chosen.decode(*config.stored), labels, targets)
    taught = features.of(chosen.names, config.teachers.features or output)
    dims = config.network.local_dim
    if config.losses.cells and dims != taught.cells.shape[1]:
        raise InputError(f"losses.cells: the teacher's cells have {taught.cells.shape[1]} dimensions, ours {dims}")
    cells = taught.cells if config.losses.cells else None
    return TrainingData(chosen.decode(*config.stored), labels, targets, taught.features, cells)


def _targets(
    images: ReidImages, data: Sequence[str], config: TrainConfig, output: Path, progress: reports.Progress
) -> Targets:
    path = config.teachers.targets
    if path is None:
        path = output / "targets.npz"
        if not path.is_file():
            make_targets(images, data, config.teachers.body, (), progress)[0].save(path)
    return Targets.load(path)


def _features(
    images: ReidImages, config: TrainConfig, output: Path, progress: reports.Progress
) -> TeacherFeatures | None:
    if not config.losses.features_wanted:
        return None
    path = config.teachers.features
    if path is None:
        path = features_file(output / "targets.npz")
        if not path.is_file():
            weights = config.teachers.reid or shared_data(REID)
            if weights is None:
                raise InputError(
                    "no re-identification teacher here; name one: --set teachers.reid=NETWORK.xml, or do without: "
                    "--set losses.distil=0 --set losses.relation=0 --set losses.cells=0"
                )
            teacher_features(images, images.decode(256, 128), weights, progress).save(path)
    return TeacherFeatures.load(path)


class _Reporter:
    """A bar within the epoch, and a line of mean losses when it ends."""

    def __init__(self, epochs: int, progress: reports.Progress) -> None:
        self.epochs, self.progress = epochs, progress

    def update(self, position: Position) -> None:
        number = position.epoch + 1
        name = f"{number}/{self.epochs}  {position.rate:.0f} images/s"
        self.progress.update("epoch", name, position.batch, position.batches)
        if position.batch == position.batches:
            losses = "  ".join(f"{key} {value:.3f}" for key, value in position.losses.items())
            print(f"epoch {name}  {losses}", flush=True)
