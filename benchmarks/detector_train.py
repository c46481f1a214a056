"""Trains the bundled detector on the pictures of `benchmarks.detector_data`, from scratch or from the shipped weights.

python -m benchmarks.detector_train --data DATA/train --output RUN [--resume | --init WEIGHTS] [--images N] …

The rate stays constant, so that a run may be ended whenever there is no more time, and pictures added meanwhile are
seen from the next start on; over the last images (`--decay`, or `--finish` from a checkpoint on) it falls to nothing.
`RUN/last.pt` is written every few thousand images and `--resume` goes on from it; the same seed, data and number of
threads give the same weights. `python -m benchmarks.detector_export` makes a checkpoint into weights.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.detector_loss import ARCHITECTURE, Loss, collate, make_network
from benchmarks.detector_samples import SIZES, Pool, make_sample
from benchmarks.detector_start import start_from

WARM_UP = 300
"""Steps over which the rate rises."""

AVERAGING = 0.998
"""Share of the averaged weights that a step keeps."""

START_BATCHES = 8
"""Batches by which stored weights get their batch norms back."""

LARGEST_GRADIENT = 10.0
LEAST_RATE = 0.01
"""Share of the rate at the end."""


@dataclass
class Recipe:
    """What a run does; stored with its checkpoints.

    Attributes:
        architecture: One of ultralytics' files.
        seed: Of weights and samples.
        batch: Samples in a step.
        rate: Peak learning rate.
        weight_decay: Of convolutions.
        simulated: Share of simulated samples, where there are simulated pictures.
        images: Samples after which the run ends.
        decay: Samples before the end at which the rate begins to fall.
    """

    architecture: str = ARCHITECTURE
    seed: int = 0
    batch: int = 32
    rate: float = 0.002
    weight_decay: float = 0.02
    simulated: float = 0.5
    images: int = 400_000
    decay: int = 100_000

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, from 0."""
        left = (self.images - step * self.batch) / max(self.decay, 1)
        return self.rate * min(1.0, (step + 1) / WARM_UP) * max(LEAST_RATE, min(1.0, left))


class Training:
    """A network on its way, and everything needed to go on from a checkpoint."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.step = 0
        self.network = make_network(recipe.architecture).train().to(memory_format=torch.channels_last)
        self.average = make_network(recipe.architecture).eval()
        self.average.load_state_dict(self.network.state_dict())
        self.loss = Loss(self.network)
        convolutions = [value for value in self.network.parameters() if value.ndim > 1]
        others = [value for value in self.network.parameters() if value.ndim <= 1]
        groups = [
            {"params": convolutions, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.99))

    def start(self, folder: Path, pool: Pool) -> None:
        """Begins with stored weights instead of random ones."""
        stream = batches(pool, self.recipe, 0)
        start_from(self.network, folder, [next(stream)["img"] for _ in range(START_BATCHES)])
        self.average.load_state_dict(self.network.state_dict())

    def learn(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One step; returns the parts of the loss."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        with torch.autocast("cpu", torch.bfloat16):
            predictions = self.network(batch["img"])
        parts, shown = self.loss({name: _full(value) for name, value in predictions.items()}, batch)
        torch.autograd.backward(parts.sum() / len(batch["img"]))
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self._follow()
        self.step += 1
        return {name: float(value) for name, value in shown.items()}

    def _follow(self) -> None:
        keep = min(AVERAGING, (1 + self.step) / (10 + self.step))
        current = self.network.state_dict()
        for name, value in self.average.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], 1 - keep)
            else:
                value.copy_(current[name])

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all."""
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        partial = path.with_name(path.name + ".part")
        torch.save(state, partial)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Training:
        """A run as it was at a checkpoint."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        training = cls(Recipe(**state["recipe"]))
        training.step = state["step"]
        training.network.load_state_dict(state["network"])
        training.average.load_state_dict(state["average"])
        training.optimiser.load_state_dict(state["optimiser"])
        return training


def _full(value: Any) -> Any:
    """Tensors in full precision: the loss is not computed in bf16."""
    if isinstance(value, list):
        return [each.float() for each in value]
    return value.float() if isinstance(value, Tensor) else value


def batches(pool: Pool, recipe: Recipe, step: int) -> Iterator[dict[str, Tensor]]:
    """Batches from that step on; each depends on the seed and its own number alone."""
    while True:
        random = np.random.default_rng([recipe.seed, step])
        width, height = SIZES[int(random.integers(len(SIZES)))]
        samples = [make_sample(pool, random, width, height) for _ in range(recipe.batch)]
        yield collate([sample.image for sample in samples], [sample.labels for sample in samples])
        step += 1


def train(training: Training, pool: Pool, output: Path, every: int) -> None:
    """Trains to the recipe's end, with a checkpoint and a line in `log.jsonl` every so many steps."""
    recipe = training.recipe
    losses: list[dict[str, float]] = []
    start = time.perf_counter()
    for batch in batches(pool, recipe, training.step):
        if training.step * recipe.batch >= recipe.images:
            break
        losses.append(training.learn(batch))
        if training.step % every == 0 or training.step * recipe.batch >= recipe.images:
            seconds = time.perf_counter() - start
            mean = {name: round(float(np.mean([each[name] for each in losses])), 4) for name in losses[0]}
            line = {"images": training.step * recipe.batch, "rate": recipe.rate_at(training.step - 1), **mean}
            line["images_per_second"] = round(len(losses) * recipe.batch / seconds, 2)
            with (output / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            print(line, flush=True)
            training.save(output / "last.pt")
            losses, start = [], time.perf_counter()


def main() -> None:
    """Starts a run or goes on with one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resume", action="store_true", help="go on from RUN/last.pt, where there is one")
    parser.add_argument("--init", type=Path, help="OpenVINO folder to start from, where there is nothing to go on from")
    parser.add_argument("--finish", type=int, metavar="N", help="end after N more images, the rate falling from now on")
    parser.add_argument("--images", type=int)
    parser.add_argument("--decay", type=int)
    parser.add_argument("--simulated", type=float)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--architecture")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=128, help="steps between checkpoints")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(1)
    given.output.mkdir(parents=True, exist_ok=True)
    checkpoint = given.output / "last.pt"
    training = Training.load(checkpoint) if given.resume and checkpoint.is_file() else None
    recipe = training.recipe if training else Recipe()
    for name in ("images", "decay", "simulated", "rate", *(() if training else ("seed", "architecture"))):
        if getattr(given, name) is not None:
            setattr(recipe, name, getattr(given, name))
    fresh, training = training is None, training or Training(recipe)
    if given.finish is not None:
        recipe.images, recipe.decay = training.step * recipe.batch + given.finish, given.finish
    pool = Pool(given.data, recipe.simulated)
    if fresh and given.init is not None:
        training.start(given.init, pool)
    print(f"{len(pool)} pictures of {len(pool.names)} groups; {asdict(recipe)}, from step {training.step}", flush=True)
    train(training, pool, given.output, given.every)


if __name__ == "__main__":
    main()
