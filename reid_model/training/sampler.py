"""Batches of P identities with K images each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


def identity_batches(
    identities: npt.NDArray[np.int64], people: int, images: int, random: np.random.Generator, most: int = 0
) -> Iterator[npt.NDArray[np.intp]]:
    """One epoch of batches, each of `people` identities with `images` images.

    Each identity's images are shuffled and dealt out without repetition until fewer than `images` are left; an
    identity with fewer in all repeats some, so that every batch-hard triplet has a positive.

    Args:
        identities: Of all images, `(n,)`.
        people: Identities a batch.
        images: Images of each identity in a batch.
        random: Decides everything.
        most: Most images of an identity in the epoch, other ones in the next; 0 for all. It keeps people who were seen
            long from crowding out the others.

    Yields:
        Row numbers, `(people * images,)`.
    """
    queues: dict[int, list[npt.NDArray[np.intp]]] = {}
    for person in np.unique(identities):
        rows = random.permutation(np.flatnonzero(identities == person))[: most or None]
        if len(rows) < images:
            rows = np.concatenate([rows, random.choice(rows, images - len(rows))])
        full = len(rows) // images
        queues[int(person)] = np.split(rows[: full * images], full)
    while len(queues) >= people:
        chosen = random.choice(list(queues), people, replace=False)
        yield np.concatenate([queues[int(person)].pop() for person in chosen])
        for person in chosen:
            if not queues[int(person)]:
                del queues[int(person)]
