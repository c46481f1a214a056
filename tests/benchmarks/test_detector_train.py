from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from app import bundled
from app.errors import InputError
from benchmarks.detector_export import export
from benchmarks.detector_labels import Labels, write_example
from benchmarks.detector_loss import ARCHITECTURE, certain, collate, make_network
from benchmarks.detector_samples import Pool
from benchmarks.detector_train import Recipe, Training, batches, train

NOBODY = np.zeros((0, 4))


def test_a_batch_in_the_shape_the_loss_takes() -> None:
    image = np.zeros((64, 96, 3), np.uint8)
    image[..., 0] = 255
    first = Labels(np.array([[0, 0, 48, 64]], float), np.array([[48, 0, 96, 32]], float))
    batch = collate([image, image], [Labels(NOBODY, NOBODY), first])
    # Blue comes first in our pictures and last in the network's.
    np.testing.assert_array_equal(batch["img"][0, :, 0, 0], [0, 0, 1])
    np.testing.assert_array_equal(batch["batch_idx"], [1])
    np.testing.assert_allclose(batch["bboxes"], [[0.25, 0.5, 0.5, 1.0]])
    points = torch.tensor([[8.0, 8.0], [56.0, 8.0], [56.0, 40.0]])
    np.testing.assert_array_equal(certain(points, batch, 2), [[1, 1, 1], [1, 0, 1]])


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for number in range(2):
        image = random.integers(0, 255, (200, 300, 3)).astype(np.uint8)
        labels = Labels(np.array([[50, 40, 90, 160]], float), np.array([[200, 40, 240, 160]], float))
        write_example(folder / "real-a", str(number), image, labels)
    return Pool(folder, 0.5)


def test_a_run_goes_on_from_a_checkpoint_as_if_it_had_not_stopped(pool: Pool, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole = Training(Recipe(batch=2, images=8, decay=2))
    assert whole.recipe.rate_at(0) < whole.recipe.rate_at(1)
    train(whole, pool, tmp_path, every=2)
    (tmp_path / "cut").mkdir()
    half = Training(Recipe(batch=2, images=8, decay=2))
    half.recipe.images = 4
    train(half, pool, tmp_path / "cut", every=2)
    rest = Training.load(tmp_path / "cut" / "last.pt")
    rest.recipe.images = 8
    assert rest.step == 2
    train(rest, pool, tmp_path / "cut", every=2)
    again = Training.load(tmp_path / "last.pt")
    for name, value in rest.average.state_dict().items():
        torch.testing.assert_close(value, again.average.state_dict()[name], rtol=0, atol=0)
    assert len((tmp_path / "cut" / "log.jsonl").read_text().splitlines()) == 2


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(batch=10, images=10_000, decay=2_000, rate=1.0)
    assert recipe.rate_at(0) == pytest.approx(1 / 300)
    assert recipe.rate_at(500) == 1
    assert recipe.rate_at(900) == pytest.approx(0.5)
    assert recipe.rate_at(5_000) == pytest.approx(0.01)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = make_network().eval()
    for layer in network.modules():
        # Untrained, many values are equal: nothing could be told apart.
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.bias, std=0.1)
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.running_mean, std=0.1)
    folder = tmp_path_factory.mktemp("weights") / "person_openvino_model"
    export(network, ARCHITECTURE, 320, folder)
    return folder


def test_torch_and_openvino_read_the_same_weights(exported: Path) -> None:
    import openvino

    network = bundled.load_network(bundled.check_folder(exported))
    compiled = openvino.Core().compile_model(exported / "person.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for shape in ((1, 3, 192, 320), (3, 3, 320, 320)):
        images = torch.rand(shape, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            expected = network(images)[0].numpy()
        found = compiled(images.numpy())[0]
        assert found.shape == expected.shape == (shape[0], 5, shape[2] * shape[3] * 21 // 1024)
        np.testing.assert_allclose(found[:, :4], expected[:, :4], atol=0.5)
        np.testing.assert_allclose(found[:, 4], expected[:, 4], atol=0.002)


@pytest.mark.parametrize("name", ["person.bin", "person.xml", "metadata.yaml"])
def test_changed_or_missing_weights_are_one_line(exported: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / exported.name
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "manifest.json").write_bytes((exported.parent / "manifest.json").read_bytes())
    assert bundled.check_folder(folder) == folder
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match=f"{name}: its SHA-256 is .* changed or damaged; install crowdtrace again"):
        bundled.check_folder(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        bundled.check_folder(folder)
    (tmp_path / "manifest.json").write_text("[1]")
    with pytest.raises(InputError, match="not a list of hashes"):
        bundled.check_folder(folder)


def test_shipped_weights_with_their_batch_norms_back_do_what_they_did(pool: Pool) -> None:
    torch.manual_seed(0)
    folder = bundled.check_folder()
    stored = bundled.load_network(folder)
    training = Training(Recipe(batch=4))
    training.start(folder, pool)
    pictures = next(batches(pool, training.recipe, 0))["img"]
    with torch.no_grad():
        expected = stored.eval()(pictures)[0]
        torch.testing.assert_close(training.network.eval()(pictures)[0], expected, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(training.average(pictures)[0], expected, rtol=1e-3, atol=1e-2)
        # What matters for going on: much the same when a batch is normalised by its own mean and spread (0.76 apart
        # here, where batch norms that only forget their folding are 3.1 apart).
        raw = training.network.train()(pictures)
        scores = raw.get("one2many", raw)["scores"]
    assert (scores.flatten() - expected[:, 4].clamp(1e-7, 1 - 1e-7).logit().flatten()).abs().mean() < 1.2


def test_weights_of_another_architecture_are_no_start(pool: Pool) -> None:
    with pytest.raises(InputError, match="start from weights of the same architecture"):
        Training(Recipe(architecture="yolov8n.yaml")).start(bundled.FOLDER, pool)
