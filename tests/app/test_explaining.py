"""`explain` through the command line, on real people."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.drawing import ALIKE, UNLIKE, likeness_colour, panel_size
from app.explanation import Side, Verdict, draw_crop, draw_match
from reid_model.calibration import Calibration
from reid_model.checkpoint import DEFAULT_WEIGHTS, load_weights, save_weights
from reid_model.embedder import Embedder
from reid_model.explain import CropMaps, look, match_cells
from reid_model.matching import pair_distances

FITTED = Calibration(intercepts=(15.7, 18.2, 18.3), slopes=(20.8, 25.8, 29.1), masses=(0.22, 0.47))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(crowdtrace: Run) -> Run:
    return partial(crowdtrace, "explain")


@pytest.fixture(scope="module")
def people(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person in two cameras, another person, and the first half covered by a wall."""
    folder = tmp_path_factory.mktemp("people")
    for part, person, name in (
        ("query", "0290_c1", "same"),
        ("gallery", "0290_c2", "again"),
        ("query", "0899", "other"),
    ):
        with tarfile.open(shared / "data" / "market1501" / f"{part}.tar") as tar:
            member = min((item for item in tar if Path(item.name).name.startswith(person)), key=lambda item: item.name)
            file = tar.extractfile(member)
            assert file is not None
            (folder / f"{name}.jpg").write_bytes(file.read())
    covered = cv2.imread(str(folder / "same.jpg"))
    assert covered is not None
    covered[:, 36:] = (90, 110, 120)
    cv2.imwrite(str(folder / "covered.png"), covered)
    return folder


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "calibrated.safetensors"
    save_weights(load_weights(DEFAULT_WEIGHTS)[0], path, FITTED)
    return path


def test_a_match_is_explained_by_parts_that_sum_to_its_distance(
    run: Run, people: Path, calibrated: Path, tmp_path: Path
) -> None:
    output, table = tmp_path / "match.png", tmp_path / "match.json"
    pair = [people / "same.jpg", people / "again.jpg"]
    code, out, _ = run(*pair, "--output", output, "--json", table, "--weights", calibrated)
    assert code == 0
    result = json.loads(table.read_text())["results"][0]
    features = Embedder(calibrated).embed([cv2.imread(str(path)) for path in pair])
    for method in ("global", "local", "gasm"):
        expected = float(pair_distances(features, features, [0], [1], method)[0])
        assert result[method] == pytest.approx(expected, abs=1e-4)
    assert sum(cell["adds"] for cell in result["cells"]) == pytest.approx(result["local"], abs=1e-6)
    assert sum(cell["weight"] for cell in result["cells"]) == pytest.approx(1, abs=1e-5)
    rows, columns = result["query_grid"]
    assert sorted(tuple(cell["query"]) for cell in result["cells"]) == [
        (r, c) for r in range(rows) for c in range(columns)
    ]
    weights = [cell["weight"] for cell in result["cells"]]
    assert weights == sorted(weights, reverse=True)
    known = FITTED.probability(result["gasm"], result["query_mass"], result["gallery_mass"])
    assert result["probability"] == pytest.approx(float(known))
    assert f"same person: {100 * result['probability']:.1f} %" in out
    picture = cv2.imread(str(output))
    assert picture is not None
    assert picture.shape[0] > 384
    assert sorted(path.name for path in tmp_path.iterdir()) == ["match.json", "match.png"]


def test_a_covered_person_is_likelier_the_same_than_another(
    run: Run, people: Path, calibrated: Path, tmp_path: Path
) -> None:
    probabilities = []
    for name in ("again", "other"):
        arguments = (people / "covered.png", people / f"{name}.jpg", "--output", tmp_path / "m.png")
        assert run(*arguments, "--json", tmp_path / "m.json", "--weights", calibrated)[0] == 0
        probabilities.append(json.loads((tmp_path / "m.json").read_text())["results"][0]["probability"])
    assert probabilities[0] > probabilities[1] + 0.3


def test_weights_without_calibration_give_distances_only(run: Run, people: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.safetensors"
    save_weights(load_weights(DEFAULT_WEIGHTS)[0], bare)
    arguments = (people / "same.jpg", people / "other.jpg", "--output", tmp_path / "m.png")
    code, out, _ = run(*arguments, "--json", tmp_path / "m.json", "--weights", bare)
    assert code == 0
    assert "no calibration" in out
    assert json.loads((tmp_path / "m.json").read_text())["results"][0]["probability"] is None


def test_a_crop_is_explained_by_its_maps(run: Run, people: Path, tmp_path: Path) -> None:
    (tmp_path / "crop.png").write_bytes(b"an older picture")
    code, _, _ = run(people / "same.jpg", "--output", tmp_path / "crop.png", "--json", tmp_path / "crop.json")
    assert code == 0
    result = json.loads((tmp_path / "crop.json").read_text())["results"][0]
    weights = np.array(result["weights"])
    assert weights.shape == (result["rows"], result["columns"])
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert 0 < result["mass"] < 1
    picture = cv2.imread(str(tmp_path / "crop.png"))
    assert picture is not None
    assert picture.shape[1] > 5 * 200


def test_bad_input_is_refused_in_one_line(run: Run, people: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "cut.jpg").write_bytes((people / "same.jpg").read_bytes()[:60])
    (tmp_path / "text.safetensors").write_text("not weights")
    good, out = people / "same.jpg", tmp_path / "out.png"
    copied = tmp_path / "same.png"
    cv2.imwrite(str(copied), cv2.imread(str(good)))
    cases: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "none.jpg", "--output", out), "none.jpg: cannot be read"),
        ((tmp_path, "--output", out), "cannot be read"),
        ((tmp_path / "text.jpg", "--output", out), "text.jpg: not a picture"),
        ((tmp_path / "empty.jpg", "--output", out), "empty.jpg: not a picture"),
        ((tmp_path / "cut.jpg", "--output", out), "cut.jpg: not a picture"),
        ((good, tmp_path / "text.jpg", "--output", out), "text.jpg: not a picture"),
        ((good, "--output", tmp_path / "no" / "out.png"), "out.png: cannot be written"),
        ((good, "--output", tmp_path / "out.jpg"), "explanations are .png files"),
        ((good, "--output", out, "--json", tmp_path / "no" / "x.json"), "x.json: cannot be written"),
        ((good, "--output", out, "--json", out), "cannot be one file"),
        ((copied, "--output", copied), "would overwrite the picture"),
        ((good, "--output", out, "--weights", tmp_path / "text.safetensors"), "not a safetensors file"),
        ((good, "--output", out, "--weights", tmp_path / "none.safetensors"), "no such weight file"),
    ]
    for arguments, cause in cases:
        code, _, err = run(*arguments)
        assert code == 2
        assert err.startswith("crowdtrace: ")
        assert err.count("\n") == 1
        assert cause in err
    assert not out.exists()


def side(crop: np.ndarray, maps: CropMaps, name: str = "crop") -> Side:
    return Side(name, crop, maps)


@pytest.mark.parametrize("shape", [(128, 64), (3, 3), (1, 1), (20, 500), (500, 20), (1000, 700)])
def test_crops_of_any_shape_are_drawn_large(shape: tuple[int, int]) -> None:
    crop = np.random.default_rng(0).integers(0, 255, (*shape, 3)).astype(np.uint8)
    network, _ = load_weights(DEFAULT_WEIGHTS)
    maps, features = look(network, [crop, crop])
    width, height = panel_size(crop)
    assert height >= 384
    assert draw_crop(side(crop, maps[0])).shape[1] >= 5 * width
    sides = [side(crop, seen, "a name far too long to be printed in full " * 9) for seen in maps]
    picture = draw_match(*sides, match_cells(features[:1], features[1:]), Verdict(0, 0, 0, 1.0))
    assert picture.shape[0] > height
    assert picture.shape[1] > 2 * width


def pixels(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=2).sum())


def test_colours_say_how_alike_the_cells_are() -> None:
    """A crop against itself, and against one whose cells all point the other way."""
    random = np.random.default_rng(0)
    crop = random.integers(100, 110, (128, 64, 3)).astype(np.uint8)
    network, _ = load_weights(DEFAULT_WEIGHTS)
    maps, features = look(network, [crop])
    alike = match_cells(features, features)
    drawn = draw_match(side(crop, maps[0]), side(crop, maps[0]), alike, Verdict(0, 0, 0, 0.999))
    assert pixels(drawn, ALIKE) > 5000
    assert pixels(drawn, UNLIKE) < 100
    unlike = type(alike)(alike.found, -alike.similarities, alike.weights)
    drawn = draw_match(side(crop, maps[0]), side(crop, maps[0]), unlike, Verdict(2, 2, 2, 0.001))
    assert pixels(drawn, UNLIKE) > 5000
    assert pixels(drawn, ALIKE) < 100
    assert likeness_colour(0) == UNLIKE
    assert likeness_colour(1) == ALIKE


def test_the_crop_is_lit_where_cells_have_weight() -> None:
    crop = np.full((128, 64, 3), 200, np.uint8)
    cells = np.full((12, 4), 0.2 / 47, np.float32)
    cells[6, 2] = 0.8
    flat = np.zeros((16, 8), np.float32)
    picture = draw_crop(side(crop, CropMaps(flat, flat, flat, cells, 0.1)))
    width, height = panel_size(crop)
    panel = picture[96 : 96 + height, 24 + 4 * (width + 16) :][:, :width]
    light = cv2.resize(panel[:, :, 0], (4, 12), interpolation=cv2.INTER_AREA).astype(int)
    assert np.unravel_index(light.argmax(), light.shape) == (6, 2)
    assert light[0, 0] < 120 < light[6, 2]
