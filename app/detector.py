"""Frames into person boxes, by ultralytics.

The one download there is, of weights named but not present, happens only when such a name is asked for. Where it
fails, the bundled detector takes their place, and a warning says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch
import yaml

from app import bundled
from app.config import DetectorConfig
from app.devices import choose_device
from app.errors import InputError
from app.ultralytics_guard import load_ultralytics, one_line, quietly, torch_threads, unpickles_safely

PERSON_NAMES = {"person", "pedestrian", "people"}
"""Class names, in lower case, that count as a person."""
BUNDLED = "bundled"
OPTION = "--set detector.weights=PATH"
CURE = f"give others: {OPTION} (a .pt or .onnx file, an OpenVINO folder, or {BUNDLED})"


class Detector:
    """Person boxes from images, whatever the format of the weights.

    A .pt file is a pickle. It is read with ultralytics' restricted loader, which rebuilds only the classes that
    detectors are made of; still, use weights from people you trust.

    Args:
        config: Weights, thresholds and device.

    Raises:
        InputError: If the weights cannot be had or used, do not find people, or are of another image size than asked.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self._path = _find_weights(config.weights)
        device = choose_device(config.device, "detector.device")
        task = _stated_task(self._path)
        if task not in (None, "detect"):
            raise InputError(f"{self._path}: weights for the task {task}, not for finding people; {CURE}")
        # ultralytics sets the number of torch's threads for the whole program: what it was comes back.
        with quietly(), torch_threads(torch.get_num_threads()):
            try:
                self._predictor = _load(self._path, config, device)
                self._prepare(config)
                # One pass on a grey image: weights that load but cannot run are found here, not in the first frame.
                self._predictor([np.full((64, 64, 3), 114, np.uint8)])
            except InputError:
                raise
            except ImportError as error:
                message = f"{self._path}: these weights need a package: {one_line(error)}; install it"
                raise InputError(message) from error
            except Exception as error:  # what ultralytics and its backends raise on bad weights has no common class
                raise InputError(f"{self._path}: damaged, or not detector weights; {CURE}") from error

    def _prepare(self, config: DetectorConfig) -> None:
        backend = self._predictor.model
        names = {int(number): str(name) for number, name in backend.names.items()}
        self._check(config, backend, names)
        self._predictor.args.classes = [number for number, name in names.items() if name.lower() in PERSON_NAMES]
        if config.image_size is None and getattr(backend, "dynamic", False):
            self._predictor.args.imgsz = list(backend.imgsz)
        # Around a network that torch does not run, its second thread only waits for cores the network keeps busy:
        # measured on two busy cores, preparing and reading out take 8 ms with one thread and 50 to 70 with two.
        # For one that torch runs, ultralytics has set a number by now.
        self._threads = torch.get_num_threads() if backend.format == "pt" else 1

    def _check(self, config: DetectorConfig, backend: Any, names: dict[int, str]) -> None:
        if getattr(backend, "task", None) not in (None, "detect"):
            raise InputError(f"{self._path}: weights for the task {backend.task}, not for finding people; {CURE}")
        if not any(name.lower() in PERSON_NAMES for name in names.values()):
            known = ", ".join(list(names.values())[:5])
            raise InputError(f"{self._path}: no class named person in these weights (they know: {known}, …); {CURE}")
        if config.image_size is None or backend.format == "pt" or getattr(backend, "dynamic", False):
            return
        size = max(_pair(getattr(backend, "imgsz", None)) or (0,))
        if size and size != config.image_size:
            raise InputError(
                f"detector.image_size is {config.image_size}, but {self._path} is fixed at {size} pixels; "
                "leave detector.image_size out, or export the weights again at that size"
            )

    def detect(self, images: Sequence[npt.NDArray[np.uint8]]) -> list[sv.Detections]:
        """Find the people in images; those of one shape go through the network together where the weights allow it.

        Args:
            images: BGR images, each of shape (h, w, 3), values 0 to 255. They may differ in size.

        Returns:
            For each image its people: `xyxy` (n, 4) in pixels of the image and inside it, `confidence` (n,) in [0, 1],
            highest first, `class_id` (n,) all 0.
        """
        shapes: dict[tuple[int, ...], list[int]] = {}
        for position, image in enumerate(images):
            shapes.setdefault(image.shape, []).append(position)
        found = [sv.Detections.empty()] * len(images)
        # By shape, so that what is found in an image does not depend on which others come with it.
        for positions in shapes.values():
            with torch_threads(self._threads):
                results = self._predictor([images[position] for position in positions])
            for position, result in zip(positions, results, strict=True):
                found[position] = _people(result.boxes.data)
        return found


def _people(boxes: torch.Tensor) -> sv.Detections:
    """Detections from ultralytics' boxes (n, 6): x1, y1, x2, y2 inside the image, confidence, class."""
    rows = boxes.cpu().numpy().astype(np.float32)
    keep = (rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])
    rows = rows[keep]
    return sv.Detections(xyxy=rows[:, :4], confidence=rows[:, 4], class_id=np.zeros(len(rows), dtype=int))


def _load(path: Path, config: DetectorConfig, device: str) -> Any:
    """A predictor with the weights loaded. Its own call is used rather than `YOLO.predict`, which sets up each time."""
    ultralytics = load_ultralytics()
    network, settings = _open(path, device)
    overrides = {
        **settings,
        "mode": "predict",
        "conf": config.confidence,
        "iou": config.iou,
        "max_det": config.max_detections,
        "device": device,
        "rect": True,
        "save": False,
        "verbose": False,
    }
    if config.image_size is not None:
        overrides["imgsz"] = config.image_size
    predictor = ultralytics.models.yolo.detect.DetectionPredictor(overrides=overrides)
    predictor.setup_model(model=network, verbose=False)
    return predictor


def _open(path: Path, device: str) -> tuple[Any, dict[str, Any]]:
    """The network, or a path ultralytics opens itself, and the settings that belong to it."""
    if path == bundled.FOLDER and bundled.runs_in_torch(device):
        return bundled.load_network(path), {"task": "detect", "imgsz": max(bundled.read_metadata(path)["imgsz"])}
    if path.suffix == ".pt" and not unpickles_safely():
        raise InputError(
            f"{path}: a pickled file, which the installed ultralytics or torch can only read in a way that runs any "
            f"code in it; install the versions crowdtrace asks for, or {CURE}"
        )
    model = load_ultralytics().YOLO(str(path), task=None if path.suffix == ".pt" else "detect")
    if model.task != "detect":
        raise InputError(f"{path}: weights for the task {model.task}, not for finding people; {CURE}")
    return model.model, model.overrides


def _find_weights(weights: str) -> Path:
    """The local path of weights given as `bundled`, by path or by ultralytics name.

    Raises:
        InputError: If there are none, or they have a form that is not supported.
    """
    if weights == BUNDLED:
        return bundled.check_folder()
    path = Path(weights).expanduser()
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise InputError(f"{weights}: cannot be read ({error.strerror}); {CURE}") from None
    if is_folder:
        if not any(path.glob("*.xml")):
            raise InputError(f"{weights}: no OpenVINO model (.xml) in this folder; {CURE}")
        if not path.absolute().name.endswith("_openvino_model"):
            raise InputError(f"{weights}: an OpenVINO folder's name must end in _openvino_model; rename the folder")
        return path.absolute()
    if path.suffix == "" and path.name == weights and _is_asset(f"{weights}.pt"):
        path, weights = Path(f"{weights}.pt"), f"{weights}.pt"
    if path.suffix not in {".pt", ".onnx"}:
        raise InputError(f"{weights}: not detector weights; {CURE}")
    if path.is_file():
        return path
    if path.name != weights or not _is_asset(weights):
        raise InputError(f"{weights}: no such file, nor an ultralytics name; {CURE}")
    return _published(weights)


def _published(name: str) -> Path:
    """Weights published by ultralytics, or where they cannot be had the bundled ones, with a warning."""
    try:
        return _download(name)
    except InputError as error:
        folder = bundled.check_folder()
        print(f"warning: {error}; until then the bundled detector is used", file=sys.stderr)
        return folder


def _is_asset(name: str) -> bool:
    load_ultralytics()
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    return name in GITHUB_ASSETS_NAMES


def _download(name: str) -> Path:
    """Weights published by ultralytics, kept in the user's cache folder.

    Raises:
        InputError: If they cannot be had.
    """
    load_ultralytics()
    from ultralytics.utils.downloads import attempt_download_asset

    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crowdtrace"
    path = folder / name
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with quietly():
            attempt_download_asset(path, retry=1)
    except Exception as error:  # connection, disk and library errors alike: the weights are not there
        raise InputError(
            f"{name}: not here, and cannot be downloaded; go online or name a local file: {OPTION}"
        ) from error
    if not path.is_file():
        raise InputError(f"{name}: not here, and cannot be downloaded; name a local file: {OPTION}")
    return path


def _stated_task(path: Path) -> str | None:
    """The task an OpenVINO folder says its weights are for; `None` if it says nothing."""
    file = path / "metadata.yaml"
    if not file.is_file():
        return None
    try:
        metadata = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{file}: cannot be read ({one_line(error)}); export the weights again") from None
    return metadata.get("task") if isinstance(metadata, dict) else None


def _pair(size: Any) -> tuple[int, ...]:
    if size is None:
        return ()
    return tuple(int(side) for side in size) if isinstance(size, list | tuple) else (int(size),)
