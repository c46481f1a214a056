"""A gallery as large as wanted for `benchmarks.search`, put together from real crops.

The first sightings are the crops of a dataset's gallery part, embedded with the shipped weights, as they are. The
others are people who do not exist: above a row of cells chosen at random each is one real person, and below it another.
A sighting of such a person takes the cells, with their saliency, of one real crop of each of the two, from the same
rows; its pooled vector is the two crops' pooled vectors, weighted by the saliency that each part keeps.
Every new person is seen four times, in four pairs of real crops, so that views of one person differ as views of the two
real people do. Nothing is drawn at random but who is joined with whom, and where. Such a gallery is harder than a real
one: tens of thousands of its people share half of their cells with somebody else.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reid_model.checkpoint import find_weights
from reid_model.datasets.registry import read_dataset
from reid_model.embedder import Embedder
from reid_model.features import Features

VIEWS = 4
"""Sightings of each person put together."""

ROWS = 12
"""Rows of cells in a crop of the shipped weights."""

BATCH = 4096


def embedded(data: str, cache: Path) -> tuple[Features, Features, npt.NDArray[np.int64]]:
    """Queries, gallery and the gallery's identities of a dataset; kept in a folder, because embedding takes minutes.

    What was kept is used for the same dataset and the same weights only.
    """
    parts = []
    key = hashlib.sha256(data.encode() + find_weights("default").read_bytes()).hexdigest()[:12]
    for part in ("query", "gallery"):
        file = cache / f"{part}-{key}.npz"
        if not file.exists():
            _embed(data, part, file)
        with np.load(file, allow_pickle=False) as held:
            local = held["local"].astype(np.float32)
            local /= np.linalg.norm(local, axis=2, keepdims=True)
            parts.append(Features(held["pooled"], local, held["saliency"], held["mass"]))
            identities = held["identities"]
    return parts[0], parts[1], identities


def _embed(data: str, part: str, file: Path) -> None:
    images = read_dataset(data, part)  # type: ignore[arg-type]
    print(f"embedding {len(images)} crops; this is done once", file=sys.stderr, flush=True)
    embedder = Embedder()
    sets = [
        embedder.embed(list(images.subset(slice(first, first + 256)).crops())) for first in range(0, len(images), 256)
    ]
    joined = Features.concatenate(sets)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".part.npz")
    np.savez(
        partial,
        pooled=joined.global_,
        local=joined.local.astype(np.float16),
        saliency=joined.saliency,
        mass=joined.mass,
        identities=images.identities,
    )
    partial.replace(file)


def enlarged(gallery: Features, identities: npt.NDArray[np.int64], count: int, seed: int = 0) -> Iterator[Features]:
    """So many sightings in batches, as the module's description says.

    Args:
        gallery: Real crops.
        identities: Whose they are; people with too few crops, and distractors, are not joined with others.
        count: How many sightings.
        seed: Of who is joined with whom.
    """
    for first in range(0, min(count, len(gallery)), BATCH):
        yield gallery[first : min(first + BATCH, count)]
    random = np.random.default_rng(seed)
    people, crops = np.unique(identities[identities > 0], return_counts=True)
    people = people[crops >= VIEWS]
    rows = np.stack([np.flatnonzero(identities == person)[:VIEWS] for person in people])
    left = max(0, count - len(gallery))
    for first in range(0, left, BATCH):
        some = min(BATCH, left - first)
        new = -(-some // VIEWS)
        upper, lower = random.integers(0, len(people), (2, new))
        cut = random.integers(3, ROWS - 2, new)
        top, bottom, below = (np.repeat(values, VIEWS, axis=0)[:some] for values in (upper, lower, cut))
        views = np.tile(np.arange(VIEWS), new)[:some]
        yield _joined(gallery, rows[top, views], rows[bottom, views], below)


def _joined(
    gallery: Features, top: npt.NDArray[np.intp], bottom: npt.NDArray[np.intp], cut: npt.NDArray[np.int64]
) -> Features:
    above = np.arange(gallery.cells)[None] // (gallery.cells // ROWS) < cut[:, None]
    local = np.where(above[:, :, None], gallery.local[top], gallery.local[bottom])
    saliency = np.where(above, gallery.saliency[top], gallery.saliency[bottom])
    total = saliency.sum(axis=1, keepdims=True)
    share = np.where(above, saliency, 0).sum(axis=1, keepdims=True) / total
    pooled = share * gallery.global_[top] + (1 - share) * gallery.global_[bottom]
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    mass = (gallery.mass[top] + gallery.mass[bottom]) / 2
    return Features(
        np.asarray(pooled, np.float32), local, np.asarray(saliency / total, np.float32), np.asarray(mass, np.float32)
    )
