"""Training GASM: the loop over batches, its log and its checkpoints."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from reid_model.checkpoint import save_weights
from reid_model.datasets import ImageArray
from reid_model.network import Gasm
from reid_model.training.augment import Augmenter, Batch
from reid_model.training.checkpoint import load_state, save_state
from reid_model.training.config import OptimiserConfig, TrainConfig
from reid_model.training.log import StepLog
from reid_model.training.objective import Heads, Labels, Objective
from reid_model.training.sampler import identity_batches
from reid_model.training.targets import Targets

CHECKPOINT, WEIGHTS, LOG = "checkpoint.safetensors", "last.safetensors", "log.csv"
"""Names of the files in a run's folder."""

EPOCH = 1_000_000
"""Steps are numbered epoch · EPOCH + batch, since epochs differ by a batch or two."""

NOT_RECIPE = ("epochs", "threads", "device", "compile", "checkpoint_seconds", "teachers")
"""Settings that may change when a run is resumed. More epochs stretch the schedule from there on."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """Everything training reads, in memory.

    Attributes:
        images: RGB crops, `(n, h, w, 3)` uint8.
        labels: Class of each crop, `(n,)`, 0 … classes − 1.
        targets: Mask and joints of each crop.
        teacher: Another network's features of the uncovered crops, `(n, D)` of unit length, or None.
        teacher_cells: That network's map of the uncovered crops, `(n, local_dim, h, w)`, or None.
    """

    images: ImageArray
    labels: npt.NDArray[np.int64]
    targets: Targets
    teacher: npt.NDArray[np.float32] | None = None
    teacher_cells: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run is.

    Attributes:
        epoch: Epochs begun, from 0.
        batch: Batches of this epoch done.
        batches: Batches of this epoch.
        rate: Images a second since the run was started or resumed.
        losses: Mean losses of the epoch so far, by name.
    """

    epoch: int
    batch: int
    batches: int
    rate: float
    losses: dict[str, float]


def learning_rate(config: OptimiserConfig, progress: float, epochs: int) -> float:
    """The rate at a share `progress`, in [0, 1], of a run of so many epochs."""
    if progress < config.warm_up:
        return config.learning_rate * progress / config.warm_up
    if config.schedule == "steps":
        return config.learning_rate * math.prod(0.1 for step in config.steps if progress * epochs >= step)
    rest = (progress - config.warm_up) / (1 - config.warm_up)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


class Trainer:
    """One training run.

    Every random choice of a step follows from the seed and the step's number, so that a resumed run takes the very
    same steps.

    Args:
        config: The recipe.
        data: Crops, labels and targets.
        device: Where to train.
    """

    def __init__(self, config: TrainConfig, data: TrainingData, device: torch.device | None = None) -> None:
        torch.manual_seed(config.seed)
        self.config, self.data = config, data
        self.device = device or torch.device("cpu")
        self.network = Gasm(config.network)
        teacher_dim = 0 if data.teacher is None else data.teacher.shape[1]
        self.heads = Heads(self.network.global_dim, int(data.labels.max()) + 1, teacher_dim).to(self.device)
        self.network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._maps = torch.compile(self.network.maps) if config.compile else self.network.maps
        self.objective = Objective(config.losses, self.network, self.heads, config.images)
        self.augmenter = Augmenter(
            config.augment, data.images.shape[1:3], config.network.size, config.seed, self.device
        )
        self.optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.Optimizer:
        settings = self.config.optimiser
        parameters = [*self.network.parameters(), *self.heads.parameters()]
        groups: list[dict[str, object]] = [
            {"params": [p for p in parameters if p.ndim > 1]},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
        return kind(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)

    @property
    def recipe(self) -> str:
        """The settings that a checkpoint belongs to, as JSON."""
        values = {key: value for key, value in asdict(self.config).items() if key not in NOT_RECIPE}
        return json.dumps(values, default=str)

    def _batches(self, epoch: int) -> list[npt.NDArray[np.intp]]:
        random = np.random.default_rng([self.config.seed, epoch])
        config = self.config
        return list(identity_batches(self.data.labels, config.people, config.images, random, config.most))

    def _tensor(self, values: npt.NDArray[np.generic], rows: npt.NDArray[np.intp]) -> Tensor:
        return torch.from_numpy(values[rows]).to(self.device)

    def batch(self, rows: npt.NDArray[np.intp], step: int) -> tuple[Batch, Labels]:
        """The augmented crops of some rows as they are at a step, with their labels."""
        data = self.data
        labels = Labels(
            self._tensor(data.labels, rows),
            self._tensor(data.targets.valid, rows),
            None if data.teacher is None else self._tensor(data.teacher, rows),
        )
        self.augmenter.start(step)
        batch = self.augmenter(
            self._tensor(data.images, rows),
            self._tensor(data.targets.masks, rows),
            self._tensor(data.targets.joints, rows),
            labels.identities,
            None if data.teacher_cells is None else self._tensor(data.teacher_cells, rows),
        )
        return batch, labels

    def step(self, rows: npt.NDArray[np.intp], step: int, progress: float) -> dict[str, float]:
        """One optimisation step; returns its losses by name.

        Args:
            rows: The batch.
            step: Number of the step, which decides its random choices.
            progress: Share of the run that is done, in [0, 1].
        """
        config = self.config
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(config.optimiser, progress, config.epochs)
        batch, labels = self.batch(rows, step)
        images = batch.images.to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"):
            maps = self._maps(
                images,
                saliency_gradient=config.losses.saliency_gradient,
                guided_gradient=config.losses.guided_gradient,
            )
        anchor = int(np.random.default_rng([config.seed, step]).integers(config.images))
        losses = self.objective(maps, batch, labels, anchor)
        self.optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), config.optimiser.clip)
        self.optimiser.step()
        values = torch.stack([value.detach() for value in losses.values()]).tolist()
        return dict(zip(losses, values, strict=True))

    def run(
        self,
        output: Path,
        *,
        resume: bool = False,
        report: Callable[[Position], None] = lambda position: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Trains to the last epoch, or until stopped.

        Writes into `output`: a line of `log.csv` a step, `last.safetensors` (fp16 weights) and
        `checkpoint.safetensors` (everything) at the end of an epoch, at a stop and every so often.

        Args:
            output: The run's folder; made when missing.
            resume: Whether to go on from the checkpoint there.
            report: Told the position after each step.
            stopped: Asked after each step.

        Returns:
            Whether the run is complete.

        Raises:
            reid_model.checkpoint.WeightsError: If there is nothing to resume, or it belongs to another recipe.
        """
        output.mkdir(parents=True, exist_ok=True)
        modules = {"network": self.network, "heads": self.heads}
        start = load_state(output / CHECKPOINT, modules, self.optimiser, self.recipe) if resume else 0
        self.network.train()
        saved = time.monotonic()
        with StepLog(output / LOG, start, EPOCH) as log:
            for position, step, done in self._steps(start, log):
                report(position)
                stop = stopped()
                if stop or done or time.monotonic() - saved > self.config.checkpoint_seconds:
                    log.flush()
                    save_weights(self.network, output / WEIGHTS)
                    save_state(output / CHECKPOINT, modules, self.optimiser, step + 1, self.recipe)
                    saved = time.monotonic()
                if stop:
                    return position.epoch + 1 == self.config.epochs and done
        return True

    def _steps(self, start: int, log: StepLog) -> Iterator[tuple[Position, int, bool]]:
        """Takes the steps from number `start` on; yields position, number and whether an epoch is at its end."""
        began, images = time.monotonic(), 0
        for epoch in range(start // EPOCH, self.config.epochs):
            batches, sums = self._batches(epoch), log.sums(epoch)
            for number, rows in enumerate(batches):
                step = epoch * EPOCH + number
                if step < start:
                    continue
                values = self.step(rows, step, (epoch + number / len(batches)) / self.config.epochs)
                images += len(rows)
                rate = images / (time.monotonic() - began)
                log.write(epoch, number, rate, self.optimiser.param_groups[0]["lr"], values)
                sums = {name: sums.get(name, 0.0) + value for name, value in values.items()}
                means = {name: value / (number + 1) for name, value in sums.items()}
                yield Position(epoch, number + 1, len(batches), rate, means), step, number + 1 == len(batches)
