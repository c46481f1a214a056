from __future__ import annotations

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv
import torch

from app import bundled
from app.config import DetectorConfig
from app.detector import Detector
from app.errors import InputError
from app.sources import read_frame
from app.ultralytics_guard import load_ultralytics
from tests.app.spy import run_spied

ROOT = Path(__file__).parents[2]
YOLO11N = "yolo11n_int8_openvino_model"


@pytest.fixture(scope="module")
def detector(detector_weights: Path) -> Detector:
    return Detector(DetectorConfig(weights=str(detector_weights)))


@pytest.fixture(scope="module")
def street(shared: Path) -> np.ndarray:
    return read_frame(str(shared / "data/videos/town-centre.mp4"), index=99).image


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small untrained ultralytics detector as a .pt file, with person as its second class."""
    load_ultralytics()
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO("yolo11n.yaml", verbose=False)
    model.model.names = {number: f"thing {number}" for number in range(80)} | {1: "Person"}
    for scores in model.model.model[-1].cv3:
        # Untrained it is sure of nothing; like this it sees people everywhere, some more clearly than others.
        torch.nn.init.normal_(scores[-1].weight[1], std=0.5)
        scores[-1].bias.data[1] = -1
    path = tmp_path_factory.mktemp("weights") / "small.pt"
    model.save(path)
    return path


def assert_valid(people: sv.Detections, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    assert people.xyxy.shape == (len(people), 4)
    assert (people.xyxy >= 0).all()
    assert (people.xyxy <= [width, height, width, height]).all()
    assert (people.xyxy[:, 2:] > people.xyxy[:, :2]).all()
    assert (people.class_id == 0).all()
    assert (np.diff(people.confidence) <= 0).all()


def test_people_in_a_street(detector: Detector, street: np.ndarray) -> None:
    (people,) = detector.detect([street])
    assert_valid(people, street)
    assert (people.confidence >= 0.1).all()
    assert 12 <= len(people) <= 40
    # The woman with the bicycle, whole and in source pixels.
    woman = np.array([940, 657, 1064, 892])
    assert sv.box_iou_batch(woman[None], people.xyxy).max() > 0.8


def test_nobody_on_a_grey_wall(detector: Detector) -> None:
    (people,) = detector.detect([np.full((480, 640, 3), 128, np.uint8)])
    assert len(people) == 0
    assert people.xyxy.shape == (0, 4)
    assert people.confidence.shape == people.class_id.shape == (0,)
    assert detector.detect([]) == []


def test_what_is_found_does_not_depend_on_the_other_images(detector: Detector, street: np.ndarray) -> None:
    images = [street, np.ascontiguousarray(street[200:701, 600:1201]), street[:, ::-1]]
    together = detector.detect(images)
    for image, people in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        assert len(alone) > 0
        assert_valid(people, image)
        np.testing.assert_array_equal(people.xyxy, alone.xyxy)
        np.testing.assert_array_equal(people.confidence, alone.confidence)


def test_settings_reach_the_network(detector_weights: Path, street: np.ndarray) -> None:
    strict = Detector(DetectorConfig(weights=str(detector_weights), confidence=0.5, max_detections=3))
    (people,) = strict.detect([street])
    assert len(people) == 3
    assert (people.confidence >= 0.5).all()


def test_checkpoint_takes_batches_and_any_size(checkpoint: Path, street: np.ndarray) -> None:
    config = DetectorConfig(weights=str(checkpoint), confidence=0.01, image_size=320, max_detections=20, device="cpu")
    detector = Detector(config)
    seen: list[tuple[int, ...]] = []
    detector._predictor.model.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    together = detector.detect([street, street[:, ::-1], street[::-1]])
    # A wide image is padded to multiples of 32, not to a square: the weights allow it and it is faster.
    assert seen == [(3, 3, 192, 320)]
    for image, people in zip([street, street[:, ::-1], street[::-1]], together, strict=True):
        assert_valid(people, image)
        assert len(people) == 20
        np.testing.assert_allclose(people.xyxy, detector.detect([image])[0].xyxy, atol=0.1)


@pytest.mark.parametrize("dynamic", [False, True])
def test_an_exported_checkpoint_finds_the_same_people(checkpoint: Path, street: np.ndarray, dynamic: bool) -> None:
    from ultralytics import YOLO

    exported = YOLO(checkpoint).export(format="onnx", imgsz=320, simplify=False, dynamic=dynamic, verbose=False)
    path = Path(exported).replace(checkpoint.with_name(f"{dynamic}.onnx"))
    settings = {"confidence": 0.01, "max_detections": 200, "device": "cpu"}
    (people,) = Detector(DetectorConfig(weights=str(path), **settings)).detect([street])
    assert_valid(people, street)
    square = DetectorConfig(weights=str(checkpoint), image_size=320, **settings)
    (expected,) = Detector(square).detect([street[:, 420:1500]])
    (same,) = Detector(DetectorConfig(weights=str(path), **settings)).detect([street[:, 420:1500]])
    # Untrained scores hardly differ, so of boxes that overlap by more than 0.7 another may be kept: nearly that
    # overlap is what every box must find.
    assert (sv.box_iou_batch(expected.xyxy, same.xyxy).max(axis=1) > 0.65).mean() >= 0.95
    np.testing.assert_allclose(same.confidence[:20], expected.confidence[:20], atol=0.02)
    if not dynamic:
        with pytest.raises(InputError, match="fixed at 320"):
            Detector(DetectorConfig(weights=str(path), image_size=640))


def test_the_rest_of_the_program_keeps_its_threads(detector_weights: Path, street: np.ndarray) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS")
    try:
        torch.set_num_threads(3)
        Detector(DetectorConfig(weights=str(detector_weights))).detect([street])
        assert (torch.get_num_threads(), *before[1:]) == (3, cv2.getNumThreads(), os.environ.get("OMP_NUM_THREADS"))
    finally:
        torch.set_num_threads(before[0])


def test_fixed_size_weights_refuse_another_size(detector_weights: Path) -> None:
    Detector(DetectorConfig(weights=str(detector_weights), image_size=640))
    with pytest.raises(InputError, match=r"detector\.image_size is 320, but .* fixed at 640"):
        Detector(DetectorConfig(weights=str(detector_weights), image_size=320))


@pytest.mark.parametrize("name", ["text.pt", "empty.pt", "yolo.bin", "absent.pt", "folder", "folder_openvino_model"])
def test_weights_that_are_not_weights(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.startswith("folder"):
        path.mkdir()
    elif name != "absent.pt":
        path.write_text("" if name == "empty.pt" else "these are no weights\n" * 50)
    with pytest.raises(InputError, match=name) as caught:
        Detector(DetectorConfig(weights=str(path)))
    assert "--set detector.weights=" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_openvino_model(tmp_path: Path, detector_weights: Path) -> None:
    copy = tmp_path / "cut_openvino_model"
    shutil.copytree(detector_weights, copy, copy_function=shutil.copyfile)
    for file in copy.glob("*.xml"):
        file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(InputError, match="damaged, or not detector weights"):
        Detector(DetectorConfig(weights=str(copy)))


@pytest.mark.parametrize(
    ("source", "name", "message"),
    [
        ("peers/person-reidentification-retail-0277", "reid_openvino_model", "no class named person"),
        ("peers/person-reidentification-retail-0277", "reid", "must end in _openvino_model"),
        ("peers/osnet_x0_25_market1501.pth", "osnet.pt", "not detector weights"),
        ("peers/osnet_x0_25_market1501.pth", "osnet.pth", "not detector weights"),
        ("teachers/yolov8n-pose_int8_openvino_model", "pose_openvino_model", "for the task pose"),
    ],
)
def test_weights_of_something_else(shared: Path, tmp_path: Path, source: str, name: str, message: str) -> None:
    given = tmp_path / name
    given.symlink_to(shared / "models" / source)
    with pytest.raises(InputError, match=message):
        Detector(DetectorConfig(weights=str(given)))


def test_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "ran"

    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(trace),)

    torch.save({"model": Attack()}, tmp_path / "attack.pt")
    with pytest.raises(InputError, match="not detector weights"):
        Detector(DetectorConfig(weights=str(tmp_path / "attack.pt")))
    assert not trace.exists()


DETECT = """
import numpy as np
from app import bundled
from app.config import DetectorConfig
from app.detector import Detector
detector = Detector(DetectorConfig(weights=sys.argv[1]))
for _ in range(3):
    detector.detect([np.full((480, 640, 3), 114, np.uint8)])
"""


def test_a_run_opens_no_connection_prints_nothing_and_leaves_the_home_alone(
    detector_weights: Path, tmp_path: Path
) -> None:
    done, connections = run_spied(DETECT, tmp_path, str(detector_weights))
    assert done.returncode == 0, done.stderr
    assert connections == ""
    assert done.stdout == ""
    assert list((tmp_path / "home").rglob("*")) == []
    assert [path.name for path in tmp_path.iterdir() if path.name not in {"home", "spy.log"}] == []


def test_a_named_detector_is_asked_for_and_where_it_cannot_be_had_the_bundled_one_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPY_OFFLINE", "1")
    done, connections = run_spied(DETECT, tmp_path, "yolo11n.pt")
    assert done.returncode == 0, done.stderr
    assert "github.com" in connections, "asking for weights by name must still be able to go online"
    (warning,) = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert warning.startswith("warning: yolo11n.pt: not here, and cannot be downloaded")
    assert warning.endswith("until then the bundled detector is used")
    assert done.stdout == ""


def test_the_bundled_detector_needs_no_network_and_no_pickle(tmp_path: Path) -> None:
    done, connections = run_spied(DETECT, tmp_path, "bundled")
    assert done.returncode == 0, done.stderr
    assert connections == done.stdout == ""
    files = [path for path in bundled.FOLDER.parent.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".xml", ".bin", ".yaml", ".json", ".md"}
    assert sum(path.stat().st_size for path in files) <= 6e6
    bundled.check_folder()


def test_the_bundled_detector_finds_people(shared: Path, street: np.ndarray) -> None:
    detector = Detector(DetectorConfig(weights="bundled", confidence=0.25, device="cpu"))
    # A frame kept from training.
    late = read_frame(str(shared / "data/videos/town-centre.mp4"), index=280).image
    others = Detector(DetectorConfig(weights=str(shared / "models/detector" / YOLO11N), confidence=0.5)).detect([late])
    (people,) = detector.detect([late])
    assert_valid(people, late)
    assert (sv.box_iou_batch(others[0].xyxy, people.xyxy).max(axis=1) > 0.5).mean() >= 0.7
    for image, found in zip([late, street], detector.detect([late, street]), strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(found.xyxy, alone.xyxy, atol=1.0)
    (grey,) = detector.detect([np.full((480, 640, 3), 128, np.uint8)])
    assert len(grey) == 0


@pytest.mark.parametrize("image_size", [None, 416])
def test_the_bundled_detector_is_the_same_in_torch(
    street: np.ndarray, monkeypatch: pytest.MonkeyPatch, image_size: int | None
) -> None:
    config = DetectorConfig(weights="bundled", confidence=0.3, device="cpu", image_size=image_size)
    (expected,) = Detector(config).detect([street])
    monkeypatch.setattr(bundled, "runs_in_torch", lambda _: True)
    detector = Detector(config)
    assert detector._predictor.model.format == "pt"
    found, _ = detector.detect([street, street[:, ::-1]])
    assert len(expected) > 0
    # OpenVINO computes in bf16 where the processor can: nearly the same boxes; the barely sure differ.
    clear = expected.xyxy[expected.confidence > 0.4]
    assert (sv.box_iou_batch(clear, found.xyxy).max(axis=1) > 0.9).mean() >= 0.9
