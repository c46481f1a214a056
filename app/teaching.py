"""`teach`: teachers look at training crops once; what they see is kept small, to be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from app import reports
from app.body_opinions import BodyOpinion
from app.errors import InputError
from app.files import check_target, write_bytes
from app.shared_data import shared_data
from reid_model.datasets import ImageArray, ReidImages, held_out, read_datasets
from reid_model.training.opinions import merge_joints, merge_masks
from reid_model.training.reid_teacher import ReidTeacher, TeacherFeatures, teach_features
from reid_model.training.targets import MASK_SIZE, Targets, pool_masks, render_joints
from reid_model.training.teachers import BodyTeacher

BODY = "models/teachers/pose_landmark_lite.tflite"
SIZE = (256, 128)
"""Height and width at which crops are shown to the teachers."""
OWN_TARGETS = "targets.npz"
"""In a dataset's folder: targets that are known, not guessed by a teacher."""
SHEET, MAP = (3, 8), (24, 8)
CELL_DIMS = 128


def teach(
    data: Sequence[str],
    output: Path,
    *,
    body: Path | None,
    opinions: Sequence[Path],
    features: Path | None,
    picture: Path | None,
    json_file: Path | None,
) -> None:
    """Writes mask and joint targets of the training parts of datasets.

    A dataset that has `targets.npz` of its own in its folder, as `simulate --crops` writes it, is taken at its word.

    Args:
        data: `KIND:DIR` each.
        output: File for the targets (.npz). With `features`, theirs is beside it: `NAME.features.safetensors`.
        body: BlazePose landmark network.
        opinions: Ultralytics pose or segmentation weights that are heard beside it.
        features: OpenVINO re-identification network to distil.
        picture: Where to draw 24 crops with their targets.
        json_file: Where to write what was counted.

    Raises:
        InputError: If a file cannot be used or written.
    """
    for target in (output, picture, json_file):
        check_target(target)
    images = read_datasets(data, "train")
    with reports.Progress() as progress:
        targets, pixels = make_targets(images, data, body, opinions, progress)
        targets.save(output)
        if features is not None:
            teacher_features(images, pixels, features, progress).save(features_file(output))
    if picture is not None:
        write_bytes(picture, target_sheet(pixels, targets))
    usable = float(targets.valid.mean() * 100)
    print(f"{output}: targets of {len(images)} crops, {usable:.1f} % with a clear person")
    result = {"name": "targets", "crops": len(images), "valid": round(usable, 2)}
    reports.write_results("teach", [result], json_file)


def features_file(targets: Path) -> Path:
    """Where the teacher's features of a file of targets are."""
    return targets.with_name(targets.stem + ".features.safetensors")


def make_targets(
    images: ReidImages, data: Sequence[str], body: Path | None, opinions: Sequence[Path], progress: reports.Progress
) -> tuple[Targets, ImageArray]:
    """Targets of crops and the RGB crops as the teachers saw them, `(n, 256, 128, 3)`.

    Args:
        images: The training parts of `data`.
        data: `KIND:DIR` each.
        body: BlazePose landmark network; None for the one among the shared models.
        opinions: Ultralytics pose or segmentation weights.
        progress: Where it is shown.

    Raises:
        InputError: If no body teacher can be found.
        reid_model.datasets.DatasetError: If a dataset's own targets cannot be read.
    """
    weights = body or shared_data(BODY)
    if weights is None:
        raise InputError("no body teacher here; name one: --body pose_landmark_lite.tflite (MediaPipe's, Apache-2.0)")
    teacher = BodyTeacher(weights)
    others = [BodyOpinion(path) for path in opinions]
    pixels = images.decode(*SIZE)
    targets, known = _known(images.names, data)
    rows = np.flatnonzero(~known)
    unknown, count = pixels[rows], len(rows)
    seen = teacher(unknown, lambda done: progress.update("teach", weights.stem, done, count))
    for path, other in zip(opinions, others, strict=True):
        opinion = other(unknown, lambda done, name=path.stem: progress.update("teach", name, done, count))  # type: ignore[misc]
        if opinion.joints is not None:
            seen = Targets(merge_joints(seen.joints, opinion.joints, SIZE[0] / SIZE[1]), seen.masks, seen.valid)
        if opinion.masks is not None:
            seen = merge_masks(seen, opinion.masks, opinion.found)
    targets.joints[rows], targets.masks[rows], targets.valid[rows] = seen.joints, seen.masks, seen.valid
    return targets, pixels


def _known(names: Sequence[str], data: Sequence[str]) -> tuple[Targets, npt.NDArray[np.bool_]]:
    """Targets of crops as their datasets know them, empty where they do not, and which do, `(n,)`."""
    count = len(names)
    targets = Targets(
        np.zeros((count, 13, 3), np.float32), np.zeros((count, *MASK_SIZE), bool), np.zeros(count, bool), list(names)
    )
    known, place = np.zeros(count, bool), {name: row for row, name in enumerate(names)}
    for number, spec in enumerate(data):
        path = Path(spec.partition(":")[2]).expanduser() / OWN_TARGETS
        if path.is_file():
            own = Targets.load(path)
            own_names = [f"{number}/{name}" if len(data) > 1 else name for name in own.names]
            wanted = np.array([name in place for name in own_names], bool)
            rows = np.array([place[name] for name in own_names if name in place], np.intp)
            targets.joints[rows], targets.masks[rows] = own.joints[wanted], own.masks[wanted]
            targets.valid[rows], known[rows] = own.valid[wanted], True
    return targets, known


def teacher_features(
    images: ReidImages, pixels: ImageArray, weights: Path, progress: reports.Progress
) -> TeacherFeatures:
    """A re-identification teacher's features of crops, whitened on those of the first dataset that are not kept out.

    On the first alone, so that another dataset beside it turns no axis and weights learned before stay of use.
    """
    first = np.array([name.startswith("0/") for name in images.names], bool)
    usable = ~held_out(images.identities) & (first | ~first.any())
    return teach_features(
        ReidTeacher(weights),
        pixels,
        images.names,
        usable,
        CELL_DIMS,
        report=lambda done: progress.update("teach", weights.stem, done, len(pixels)),
    )


def target_sheet(pixels: ImageArray, targets: Targets) -> bytes:
    """A PNG of 24 crops spread over the data: the crop with its joints, the mask over it, the joints' map.

    What is drawn is what is learned: masks and joints at the resolution of a feature map. Crops without a clear person
    have a red frame.
    """
    import torch

    rows, columns = SHEET
    chosen = np.linspace(0, len(pixels) - 1, rows * columns).astype(int)
    masks = pool_masks(torch.from_numpy(targets.masks[chosen]), *MAP).numpy()
    joints = (
        render_joints(torch.from_numpy(targets.joints[chosen]), *MAP, SIZE[0] / SIZE[1]).sum(1).clamp(max=1).numpy()
    )
    panels = []
    for k, row in enumerate(chosen):
        crop = cv2.cvtColor(pixels[row], cv2.COLOR_RGB2BGR)
        marked = _mark_joints(crop.copy(), targets.joints[row])
        panel = np.concatenate([marked, _heat(crop, masks[k]), _heat(crop, joints[k])], axis=1)
        colour = (80, 160, 60) if targets.valid[row] else (40, 40, 220)
        panels.append(cv2.copyMakeBorder(panel, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=colour))
    lines = [np.concatenate(panels[i * columns : (i + 1) * columns], axis=1) for i in range(rows)]
    done, encoded = cv2.imencode(".png", np.concatenate(lines))
    if not done:
        raise RuntimeError("the picture could not be encoded")
    return encoded.tobytes()


def _heat(crop: ImageArray, values: npt.NDArray[np.float32]) -> ImageArray:
    enlarged = cv2.resize(values, crop.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    colours = cv2.applyColorMap((enlarged * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.addWeighted(crop, 0.4, colours, 0.6, 0), np.uint8)


def _mark_joints(crop: ImageArray, joints: npt.NDArray[np.float32]) -> ImageArray:
    height, width = crop.shape[:2]
    for number, (x, y, confidence) in enumerate(joints.tolist()):
        if confidence > 0.3:
            colour = (255, 255, 255) if number == 0 else ((0, 200, 255) if number % 2 else (255, 160, 0))
            cv2.circle(crop, (round(x * width), round(y * height)), 4, colour, -1, cv2.LINE_AA)
    return crop
