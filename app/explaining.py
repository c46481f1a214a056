"""Explaining features: one crop's heatmaps, or which cells of two crops matched, as a picture and as JSON."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from app import __version__
from app.drawing import Image
from app.errors import InputError
from app.explanation import Side, Verdict, draw_crop, draw_match
from app.files import check_target, write_bytes, write_json
from reid_model.calibration import Calibration
from reid_model.checkpoint import find_weights, load_calibration, load_weights
from reid_model.explain import CellMatches, look, match_cells
from reid_model.features import Features
from reid_model.matching import pair_distances

PRIOR = 0.5


def explain(first: Path, second: Path | None, output: Path, weights: Path | None, json_file: Path | None) -> None:
    """Draws what a crop's features look at, or how two crops match.

    Args:
        first: Picture of a person; the query of a match.
        second: Picture to compare it with, or None.
        output: A .png file to write.
        weights: GASM weights; None for the shipped ones.
        json_file: Where the numbers go, or None.

    Raises:
        InputError: If a picture cannot be read or a file not be written.
        reid_model.checkpoint.WeightsError: If the weights cannot be used.
    """
    sources = [first] if second is None else [first, second]
    _check_output(output, json_file, sources)
    crops = [read_picture(path) for path in sources]
    torch.set_num_threads(1)  # a crop or two: threads would cost more than they give
    path = find_weights(weights)
    network, _ = load_weights(path)
    maps, features = look(network, crops)
    sides = [Side(path.name, crop, seen) for path, crop, seen in zip(sources, crops, maps, strict=True)]
    if second is None:
        _write_picture(output, draw_crop(sides[0]))
        result = _crop_result(sides[0])
    else:
        query, gallery = features[:1], features[1:]
        verdict = compare(query, gallery, load_calibration(path))
        cells = match_cells(query, gallery)
        _write_picture(output, draw_match(sides[0], sides[1], cells, verdict))
        result = _match_result(sides, cells, verdict)
        _print_verdict(verdict)
    print(f"written to {output}")
    if json_file is not None:
        write_json(json_file, {"command": "explain", "version": __version__, "results": [result]})


def compare(query: Features, gallery: Features, calibration: Calibration | None) -> Verdict:
    """The distances of one pair of crops, and their probability where it is known."""
    pooled, spatial, both = (
        float(pair_distances(query, gallery, [0], [0], method)[0]) for method in ("global", "local", "gasm")
    )
    probability = None
    if calibration is not None:
        distance = pair_distances(query, gallery, [0], [0], calibration.matching)
        probability = float(calibration.probability(distance, query.mass, gallery.mass, PRIOR)[0])
    return Verdict(pooled, spatial, both, probability, PRIOR)


def read_picture(path: Path) -> Image:
    """Reads a picture as BGR, `(h, w, 3)` uint8.

    Raises:
        InputError: If it is missing or no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give a picture of a person") from None
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:
        picture = None
    if picture is None:
        raise InputError(f"{path}: not a picture that can be read; give a .jpg or .png")
    return np.asarray(picture, np.uint8)


def _check_output(output: Path, json_file: Path | None, sources: list[Path]) -> None:
    if output.suffix.lower() != ".png":
        raise InputError(f"{output}: explanations are .png files; give --output a name that ends so")
    targets = [output] if json_file is None else [output, json_file]
    for target in targets:
        check_target(target)
        if target.resolve() in {source.resolve() for source in sources}:
            raise InputError(f"{target}: this would overwrite the picture to be explained; give another path")
    if len({target.resolve() for target in targets}) < len(targets):
        raise InputError(f"{output}: picture and JSON cannot be one file; give another --json")


def _write_picture(path: Path, picture: Image) -> None:
    done, data = cv2.imencode(".png", picture)
    if not done:
        raise InputError(f"{path}: the picture cannot be encoded; give smaller crops")
    write_bytes(path, data.tobytes())


def _crop_result(side: Side) -> dict[str, object]:
    rows, columns = side.maps.cells.shape
    return {
        "name": side.name,
        "mass": side.maps.mass,
        "rows": rows,
        "columns": columns,
        "weights": side.maps.cells.tolist(),
    }


def _match_result(sides: list[Side], cells: CellMatches, verdict: Verdict) -> dict[str, object]:
    """Distances and all cell matches, the heaviest first."""
    query, gallery = (side.maps.cells.shape[1] for side in sides)
    order = np.argsort(-cells.weights[0], kind="stable")
    return {
        "name": f"{sides[0].name} {sides[1].name}",
        "global": verdict.global_distance,
        "local": verdict.local_distance,
        "gasm": verdict.distance,
        "probability": verdict.probability,
        "prior": verdict.prior,
        "query_mass": sides[0].maps.mass,
        "gallery_mass": sides[1].maps.mass,
        "query_grid": list(sides[0].maps.cells.shape),
        "gallery_grid": list(sides[1].maps.cells.shape),
        "cells": [
            {
                "query": list(divmod(int(cell), query)),
                "gallery": list(divmod(int(cells.found[0, cell]), gallery)),
                "weight": float(cells.weights[0, cell]),
                "cosine": float(cells.similarities[0, cell]),
                "adds": float(cells.parts[0, cell]),
            }
            for cell in order
        ],
    }


def _print_verdict(verdict: Verdict) -> None:
    if verdict.probability is None:
        print("probability unknown: these weights hold no calibration")
    else:
        print(f"same person: {100 * verdict.probability:.1f} % (before the comparison: {100 * verdict.prior:g} %)")
    print(
        f"distance gasm {verdict.distance:.3f} = mean of global {verdict.global_distance:.3f} and local "
        f"{verdict.local_distance:.3f}"
    )
