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
from reid_model.training.targets import Targets, pool_masks, render_joints
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
    count = len(pixels)
    targets = teacher(pixels, lambda done: progress.update("teach", weights.stem, done, count))
    joints = targets.joints
    result = Targets(joints, targets.masks, targets.valid, images.names)
    for path, other in zip(opinions, others, strict=True):
        seen = other(pixels, lambda done, name=path.stem: progress.update("teach", name, done, count))  # type: ignore[misc]
        if seen.joints is not None:
            joints = merge_joints(result.joints, seen.joints, SIZE[0] / SIZE[1])
            result = Targets(joints, result.masks, result.valid, result.names)
        if seen.masks is not None:
            result = merge_masks(result, seen.masks, seen.found)
    return _with_known(result, data), pixels


def _with_known(targets: Targets, data: Sequence[str]) -> Targets:
    """Targets in which datasets that know their own have the last word."""
    place = {name: row for row, name in enumerate(targets.names)}
    for number, spec in enumerate(data):
        path = Path(spec.partition(":")[2]).expanduser() / OWN_TARGETS
        if path.is_file():
            own = Targets.load(path)
            names = [f"{number}/{name}" if len(data) > 1 else name for name in own.names]
            known = np.array([name in place for name in names], bool)
            rows = np.array([place[name] for name in names if name in place], np.intp)
            targets.joints[rows], targets.masks[rows] = own.joints[known], own.masks[known]
            targets.valid[rows] = own.valid[known]
    return targets


def teacher_features(
    images: ReidImages, pixels: ImageArray, weights: Path, progress: reports.Progress
) -> TeacherFeatures:
    """A re-identification teacher's features of crops, whitened on those that are not kept out."""
    usable = ~held_out(images.identities)
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
