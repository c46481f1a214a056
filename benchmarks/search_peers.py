"""Whom `benchmarks.search` compares the index with: float32, by numpy, torch and FAISS, and exact float32 matching."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.search_timing import TOP, Ids, Result, sized, timed
from reid_model.features import Features
from reid_model.matching import distances

SHORTLIST = 200


def nearest(batches: Iterable[Features], queries: Features) -> list[Ids]:
    """The ten nearest of everything by float32 matching, for each query; sightings are numbered from 1."""
    best = np.full((len(queries), TOP), np.inf, np.float32)
    ids = np.zeros((len(queries), TOP), np.int64)
    done = 0
    for batch in batches:
        apart = np.concatenate([best, distances(queries, batch)], axis=1)
        numbers = np.arange(done + 1, done + len(batch) + 1)
        named = np.concatenate([ids, np.broadcast_to(numbers, (len(queries), len(batch)))], axis=1)
        order = np.argsort(apart, axis=1, kind="stable")[:, :TOP]
        best, ids = np.take_along_axis(apart, order, axis=1), np.take_along_axis(named, order, axis=1)
        done += len(batch)
    return list(ids)


def peers(gallery: Features, queries: Features, few: int, truth: list[Ids]) -> list[Result]:
    """Each takes 200 by pooled vectors in float32 and matches those; recall against exact float32 matching."""
    import faiss

    flat = faiss.IndexFlatIP(gallery.global_.shape[1])
    flat.add(gallery.global_)
    pooled, cells = torch.from_numpy(gallery.global_), torch.from_numpy(gallery.local)

    def rerank(query: Features, rows: npt.NDArray[np.intp], product: npt.NDArray[np.float32]) -> Ids:
        scores = (query.local[0] @ gallery.local[rows].transpose(0, 2, 1)).max(axis=2) @ query.saliency[0]
        return np.asarray(rows[np.argsort(-(scores + product))[:TOP]] + 1, np.int64)

    def by_numpy(query: Features) -> Ids:
        product = gallery.global_ @ query.global_[0]
        rows = np.argpartition(-product, SHORTLIST)[:SHORTLIST]
        return rerank(query, rows, product[rows])

    def by_torch(query: Features) -> Ids:
        product, rows = (pooled @ torch.from_numpy(query.global_[0])).topk(SHORTLIST)
        scores = (torch.from_numpy(query.local[0]) @ cells[rows].transpose(1, 2)).amax(2)
        total = scores @ torch.from_numpy(query.saliency[0]) + product
        return rows[total.argsort(descending=True)[:TOP]].numpy() + 1

    def by_faiss(query: Features) -> Ids:
        product, rows = flat.search(query.global_, SHORTLIST)
        return rerank(query, rows[0], product[0])

    size, some = sized(len(gallery)), queries[:few]
    return [
        timed(f"numpy {size}", by_numpy, some, truth),
        timed(f"torch {size}", by_torch, some, truth),
        timed(f"faiss flat, then cells {size}", by_faiss, some, truth),
    ]
