"""`teach` and `train` through the command line, on real crops, with real teachers."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.body_opinions import BodyOpinion
from app.errors import InputError
from app.settings import load_recipe
from reid_model.checkpoint import load_calibration, load_weights
from reid_model.training.config import TrainConfig
from reid_model.training.log import COLUMNS
from reid_model.training.reid_teacher import TeacherFeatures
from reid_model.training.targets import Targets

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "configs" / "train"
PEOPLE, PICTURES = 8, 6
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(crowdtrace: Run) -> Run:
    return crowdtrace


@pytest.fixture(scope="module")
def data(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few people of Market-1501's training part, in its own layout."""
    folder = tmp_path_factory.mktemp("market")
    (folder / "bounding_box_train").mkdir()
    taken: dict[str, int] = {}
    with tarfile.open(shared / "data" / "market1501" / "train.tar") as archive:
        for member in archive:
            person = Path(member.name).name.partition("_")[0]
            if (
                not member.isfile()
                or taken.get(person, 0) == PICTURES
                or (person not in taken and len(taken) == PEOPLE)
            ):
                continue
            taken[person] = taken.get(person, 0) + 1
            content = archive.extractfile(member)
            assert content is not None
            (folder / "bounding_box_train" / Path(member.name).name).write_bytes(content.read())
            if sum(taken.values()) == PEOPLE * PICTURES:
                break
    return folder


@pytest.fixture(scope="module")
def taught(data: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Targets and teacher's features, by the command line."""
    folder = tmp_path_factory.mktemp("taught")
    teacher = shared / "models/peers/person-reidentification-retail-0287/person-reidentification-retail-0287.xml"
    command = [sys.executable, "run.py", "teach", "--data", f"market1501:{data}", "--features", str(teacher)]
    command += ["--body", str(shared / "models/teachers/pose_landmark_lite.tflite")]
    command += ["--picture", str(folder / "sheet.png"), "--json", str(folder / "result.json")]
    subprocess.run([*command, "--output", str(folder / "targets.npz")], cwd=ROOT, check=True, capture_output=True)
    return folder


def tiny(data: Path, taught: Path, *settings: str) -> list[str]:
    """Arguments of a training run of seconds."""
    changes = [
        "network.backbone=osnet_x0_25",
        "network.size=[64, 32]",
        "network.cells=[4, 2]",
        "people=4",
        "epochs=2",
        "kept_out=false",
        "threads=1",
        f"teachers.targets={taught / 'targets.npz'}",
        f"teachers.features={taught / 'targets.features.safetensors'}",
        *settings,
    ]
    words = ["--config", str(RECIPES / "small.yaml"), "--data", f"market1501:{data}"]
    return words + [word for change in changes for word in ("--set", change)]


def test_teach_writes_targets_features_and_a_picture(taught: Path) -> None:
    targets = Targets.load(taught / "targets.npz")
    assert len(targets.names) == PEOPLE * PICTURES == len(targets.valid)
    assert targets.valid.mean() > 0.8
    assert 0.15 < targets.masks[targets.valid].mean() < 0.7
    features = TeacherFeatures.load(taught / "targets.features.safetensors")
    assert features.names == list(targets.names)
    np.testing.assert_allclose(np.linalg.norm(features.features, axis=1), 1, atol=1e-4)
    assert features.cells.shape[:2] == (PEOPLE * PICTURES, 128)
    spread = features.cells.astype(np.float32).std(axis=(0, 2, 3))
    assert spread.min() > 0.3, "whitened: no component is left out"
    picture = cv2.imread(str(taught / "sheet.png"))
    assert picture is not None
    assert picture.shape[0] > 3 * 256
    assert picture.shape[1] > 8 * 3 * 128
    result = json.loads((taught / "result.json").read_text())
    assert result["command"] == "teach"
    assert result["results"][0]["crops"] == PEOPLE * PICTURES


def test_a_dataset_that_knows_its_own_targets_is_taken_at_its_word(
    data: Path, taught: Path, shared: Path, tmp_path: Path, run: Run
) -> None:
    names = sorted(path.name for path in (data / "bounding_box_train").iterdir())[: 2 * PICTURES]
    (tmp_path / "own" / "train").mkdir(parents=True)
    for name in names:
        (tmp_path / "own" / "train" / name).write_bytes((data / "bounding_box_train" / name).read_bytes())
    count = len(names) - 1  # of one picture it knows nothing
    known = Targets(
        np.full((count, 13, 3), 0.25, np.float32), np.ones((count, 96, 32), bool), np.ones(count, bool), names[:-1]
    )
    known.save(tmp_path / "own" / "targets.npz")
    specs = ["--data", f"market1501:{data}", "--data", f"folder:{tmp_path / 'own'}"]
    body = shared / "models/teachers/pose_landmark_lite.tflite"
    teacher = shared / "models/peers/person-reidentification-retail-0287/person-reidentification-retail-0287.xml"
    code, _, error = run("teach", *specs, "--body", body, "--features", teacher, "--output", tmp_path / "both.npz")
    assert code == 0, error
    both = Targets.load(tmp_path / "both.npz")
    alone = Targets.load(taught / "targets.npz")
    first = both.of([f"0/{name}" for name in alone.names], tmp_path)
    assert np.array_equal(first.masks, alone.masks), "the other dataset has its teacher's targets"
    features = TeacherFeatures.load(tmp_path / "both.features.safetensors")
    cells = features.of([f"0/{name}" for name in alone.names], tmp_path).cells
    taught_alone = TeacherFeatures.load(taught / "targets.features.safetensors").of(list(alone.names), taught).cells
    np.testing.assert_allclose(cells, taught_alone, atol=0.02, err_msg="the other dataset turned the components")
    own = both.of([f"1/{name}" for name in names], tmp_path)
    assert own.masks[:-1].all()
    np.testing.assert_allclose(own.joints[:-1], 0.25)
    assert not own.masks[-1].all()
    settings = (f"teachers.targets={tmp_path / 'both.npz'}", "losses.distil=0", "losses.relation=0", "losses.cells=0")
    words = [*tiny(data, taught, *settings, "epochs=1"), "--data", f"folder:{tmp_path / 'own'}"]
    code, _, error = run("train", *words, "--output", tmp_path / "run")
    assert code == 0, error
    network, _ = load_weights(tmp_path / "run" / "last.safetensors")
    assert network.config.cells == (4, 2)


def test_a_second_opinion_is_heard(data: Path, shared: Path, tmp_path: Path, run: Run) -> None:
    pose = shared / "models" / "teachers" / "yolov8n-pose_int8_openvino_model"
    spec = f"market1501:{data}"
    assert run("teach", "--data", spec, "--output", tmp_path / "one.npz")[0] == 0
    code, out, err = run("teach", "--data", spec, "--output", tmp_path / "two.npz", "--pose", pose)
    assert code == 0, err
    assert f"targets of {PEOPLE * PICTURES} crops" in out
    one, two = Targets.load(tmp_path / "one.npz"), Targets.load(tmp_path / "two.npz")
    np.testing.assert_array_equal(one.masks, two.masks)
    moved = np.abs(one.joints[..., :2] - two.joints[..., :2]).max(axis=2)
    both = (one.joints[..., 2] > 0.5) & (two.joints[..., 2] > 0.5)
    assert (moved[both] > 0).any(), "agreed joints are averaged"
    assert moved[both].max() < 0.5


def test_opinions_need_weights_for_bodies(tmp_path: Path, detector_weights: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        BodyOpinion(tmp_path / "none.pt")
    with pytest.raises(InputError, match="weights for the task detect"):
        BodyOpinion(detector_weights)
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot be used"):
        BodyOpinion(tmp_path / "broken.pt")


def test_train_resume_and_start_from_weights(data: Path, taught: Path, tmp_path: Path, run: Run) -> None:
    code, out, err = run("train", *tiny(data, taught), "--output", tmp_path / "run")
    assert code == 0, err
    assert "epoch 2/2" in out
    assert "images/s" in out
    network, _ = load_weights(tmp_path / "run" / "last.safetensors")
    assert network.config.size == (64, 32)
    code, out, err = run("train", *tiny(data, taught, "epochs=3"), "--output", tmp_path / "run", "--resume")
    assert code == 0, err
    assert "epoch 3/3" in out
    assert "epoch 2/" not in out
    with (tmp_path / "run" / "log.csv").open() as file:
        epochs = [row["epoch"] for row in csv.DictReader(file)]
    assert sorted(set(epochs)) == ["1", "2", "3"]
    assert epochs == sorted(epochs)
    start = ("--init", tmp_path / "run" / "last.safetensors")
    code, _, err = run("train", *tiny(data, taught, "network.size=[96, 48]"), "--output", tmp_path / "next", *start)
    assert code == 0, err
    code, _, err = run("train", *tiny(data, taught), "--output", tmp_path / "run", "--resume", *start)
    assert (code, err.count("\n")) == (2, 1)
    assert "leave --init out" in err


def test_a_killed_run_goes_on_to_the_same_loss_curve(data: Path, taught: Path, tmp_path: Path) -> None:
    """SIGKILL at any moment: what was written is whole, and the resumed curve is that of a run never stopped."""
    recipe = tiny(data, taught, "epochs=6", "checkpoint_seconds=0")
    command = [sys.executable, "run.py", "train", *recipe, "--output"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path / "whole")], cwd=ROOT, check=True, capture_output=True, env=environment)
    parts = [*command, str(tmp_path / "parts")]
    killed = subprocess.Popen(parts, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    log, deadline = tmp_path / "parts" / "log.csv", time.monotonic() + 120
    while time.monotonic() < deadline and (not log.is_file() or log.read_text().count("\n") < 5):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    load_weights(tmp_path / "parts" / "last.safetensors")
    subprocess.run([*parts, "--resume"], cwd=ROOT, check=True, capture_output=True, env=environment)
    curves = []
    for name in ("whole", "parts"):
        with (tmp_path / name / "log.csv").open() as file:
            curves.append(list(csv.DictReader(file)))
    assert len(curves[0]) == len(curves[1]) > 6
    for one, other in zip(*curves, strict=True):
        for column in set(one) - set(COLUMNS):
            assert float(one[column]) == pytest.approx(float(other[column]), rel=2e-3, abs=2e-4)


def test_ctrl_c_writes_a_checkpoint(data: Path, taught: Path, tmp_path: Path) -> None:
    recipe = tiny(data, taught, "epochs=500", "checkpoint_seconds=1000")
    command = [sys.executable, "run.py", "train", *recipe, "--output", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (tmp_path / "checkpoint.safetensors").is_file():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "go on with --resume" in out
    assert "Traceback" not in err


def test_weights_of_a_whole_run_know_what_their_distances_mean(
    data: Path, taught: Path, tmp_path: Path, run: Run
) -> None:
    """With people kept out, a run ends with a calibration, or says why there is none."""
    code, out, err = run("train", *tiny(data, taught, "epochs=1", "kept_out=true"), "--output", tmp_path)
    assert code == 0, err
    assert "no probabilities" in err
    assert "trained" in out
    assert load_calibration(tmp_path / "last.safetensors") is None


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_is_valid(recipe: Path) -> None:
    config = load_recipe(recipe)
    assert isinstance(config, TrainConfig)
    if recipe.stem == "paper":
        assert (config.network.backbone, config.network.size, config.network.local_dim) == (
            "resnet50",
            (384, 128),
            None,
        )
        assert (config.people, config.images, config.epochs, config.optimiser.steps) == (16, 4, 120, (40, 90))
        assert (config.losses.mask, config.losses.pose, config.optimiser.learning_rate) == (0.05, 0.1, 1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("network.fusoin=mean", "did you mean 'fusion'?"),
        ("losses.margin=-1", "losses.margin: expected at least 0"),
        ("network.backbone=vgg", "osnet_x1_0"),
        ("augment.person=2", "augment.person: expected a share"),
        ("images=1", "images: expected at least 2"),
        ("optimiser.learning_rate=0", "optimiser.learning_rate: expected more than 0"),
        ("people=99", "people=8"),
        ("teachers.targets=none.npz", "no such file"),
        ("losses.cells=1", "dimensions"),
        ("backbone_weights=none.safetensors", "no such file"),
        ("device=cuda:7", "no such GPU"),
    ],
)
def test_bad_settings_are_one_line(
    data: Path, taught: Path, tmp_path: Path, run: Run, setting: str, message: str
) -> None:
    more = ("network.local_dim=32",) if setting.startswith("losses.cells") else ()
    code, _, err = run("train", *tiny(data, taught, setting, *more), "--output", tmp_path / "out")
    assert code == 2
    assert err.count("\n") == 1
    assert err.startswith("crowdtrace: ")
    assert message in err


def test_bad_data_is_one_line(data: Path, taught: Path, tmp_path: Path, run: Run) -> None:
    words = tiny(data, taught)
    place = words.index("--data") + 1

    def refused(spec: str, message: str, *more: object) -> None:
        changed = [*words[:place], spec, *words[place + 1 :]]
        code, _, err = run("train", *changed, "--output", tmp_path / "out", *more)
        assert (code, err.count("\n")) == (2, 1), err
        assert message in err

    refused(f"market1501:{tmp_path}", "name a Market-1501 folder")
    refused(f"marked:{data}", "market1501")
    refused(f"market1501:{data}", "no checkpoint to resume from", "--resume")
    refused(f"market1501:{data}", "no such weight file", "--init", tmp_path / "none.safetensors")
    (tmp_path / "pickled.safetensors").write_bytes(b"\x80\x04K\x01.")
    refused(f"market1501:{data}", "pickled", "--init", tmp_path / "pickled.safetensors")
    broken = tmp_path / "broken" / "bounding_box_train"
    broken.mkdir(parents=True)
    for path in (data / "bounding_box_train").iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    name = sorted(path.name for path in broken.iterdir())[3]
    (broken / name).write_bytes(b"no picture")
    refused(f"market1501:{broken.parent}", f"{name}: this image does not decode")
    person = name.partition("_")[0]
    for path in sorted(broken.glob(f"{person}_*"))[1:]:
        path.unlink()
    refused(f"market1501:{broken.parent}", "image")
