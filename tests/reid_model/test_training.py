from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from reid_model.backbones import BackboneName, build_backbone
from reid_model.backbones.pretrained import load_backbone, torchreid_name, torchvision_name
from reid_model.checkpoint import WeightsError, load_weights
from reid_model.matching import reference
from reid_model.network import Gasm, GasmConfig
from reid_model.training.augment import AugmentConfig
from reid_model.training.config import LossConfig, OptimiserConfig, TrainConfig
from reid_model.training.initialise import fit_heads, start_from
from reid_model.training.log import COLUMNS
from reid_model.training.loop import LOG, WEIGHTS, Position, Trainer, TrainingData, learning_rate
from reid_model.training.losses import (
    batch_hard_triplet,
    cell_distillation,
    correlation,
    distillation,
    frobenius,
    spatial_distance,
)
from reid_model.training.sampler import identity_batches
from reid_model.training.targets import SWAP, Targets, pool_masks, render_joints
from reid_model.training.teachers import BodyTeacher
from tests.reid_model.builders import random_features

STORED, INPUT = (64, 32), (128, 64)


def test_guided_losses_use_the_unsquared_norm_of_each_sample() -> None:
    predicted, target = torch.zeros(3, 4, 2), torch.zeros(3, 4, 2)
    predicted[0], predicted[1], predicted[2] = 1, 3, 100
    valid = torch.tensor([True, True, False])
    assert frobenius(predicted, target, valid).item() == pytest.approx((8**0.5 + 3 * 8**0.5) / 2, rel=1e-4)
    assert frobenius(predicted, target, torch.zeros(3, dtype=torch.bool)).item() == 0


def test_guided_loss_has_a_gradient_where_the_error_is_zero() -> None:
    predicted = torch.zeros(1, 4, requires_grad=True)
    frobenius(predicted, torch.zeros(1, 4), torch.ones(1, dtype=torch.bool)).backward()
    assert torch.isfinite(predicted.grad).all()  # type: ignore[arg-type]


@given(seed=st.integers(0, 500), margin=st.sampled_from([0.0, 0.3]))
def test_triplet_takes_the_hardest_of_each_anchor(seed: int, margin: float) -> None:
    random = np.random.default_rng(seed)
    identities = random.integers(0, 3, 8)
    anchors = np.sort(random.choice(8, 4, replace=False))
    distance = random.random((4, 8)).astype(np.float32)
    gaps = []
    for row, anchor in enumerate(anchors):
        positives = [distance[row, j] for j in range(8) if identities[j] == identities[anchor] and j != anchor]
        negatives = [distance[row, j] for j in range(8) if identities[j] != identities[anchor]]
        if positives and negatives:
            gaps.append(max(positives) - min(negatives))
    each = [max(0.0, gap + margin) if margin else np.log1p(np.exp(gap)) for gap in gaps]
    loss = batch_hard_triplet(
        torch.from_numpy(distance), torch.from_numpy(anchors), torch.from_numpy(identities), margin
    )
    assert loss.item() == pytest.approx(np.mean(each) if each else 0, abs=1e-5)


def test_what_is_trained_is_what_is_matched() -> None:
    features = random_features(5, cells=7)
    anchors = torch.tensor([0, 3])
    trained = spatial_distance(torch.from_numpy(features.local), torch.from_numpy(features.saliency), anchors)
    np.testing.assert_allclose(trained, reference.distances(features[[0, 3]], features, "local"), atol=1e-6)


def test_distillation_is_zero_for_a_teachers_direction_at_any_length() -> None:
    teacher = torch.randn(4, 6)
    assert distillation(teacher * 3, teacher).item() == pytest.approx(0, abs=1e-6)
    assert distillation(-teacher, teacher).item() == pytest.approx(2, abs=1e-6)


def test_a_joint_is_rendered_at_full_height_where_it_is() -> None:
    joints = torch.zeros(1, 13, 3)
    joints[0, 4] = torch.tensor([(2 + 0.5) / 8, (5 + 0.5) / 16, 1.0])
    maps = render_joints(joints, 16, 8)
    assert maps[0, 4, 5, 2].item() == pytest.approx(1)
    assert maps[0, 4].argmax().item() == 5 * 8 + 2
    assert maps[0, torch.arange(13) != 4].max() == 0


def test_a_mask_is_averaged_by_area() -> None:
    mask = torch.zeros(1, 96, 32, dtype=torch.bool)
    mask[0, :3, :] = True
    assert pool_masks(mask, 16, 8)[0, 0].tolist() == pytest.approx([0.5] * 8)


def test_targets_survive_storing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    targets = Targets(random.random((5, 13, 3), np.float32), random.random((5, 96, 32)) > 0.5, random.random(5) > 0.5)
    targets.save(tmp_path / "targets.npz")
    loaded = Targets.load(tmp_path / "targets.npz")
    np.testing.assert_allclose(loaded.joints, targets.joints, atol=1e-3)
    np.testing.assert_array_equal(loaded.masks, targets.masks)
    np.testing.assert_array_equal(loaded.valid, targets.valid)


def test_swap_exchanges_left_and_right_and_keeps_the_head() -> None:
    assert SWAP[0] == 0
    np.testing.assert_array_equal(SWAP[SWAP], np.arange(13))


@given(people=st.integers(1, 4), images=st.integers(2, 4), seed=st.integers(0, 100))
def test_batches_hold_so_many_images_of_so_many_people(people: int, images: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    identities = np.sort(random.integers(0, 6, 40))
    for rows in identity_batches(identities, people, images, random):
        chosen, counts = np.unique(identities[rows], return_counts=True)
        assert len(chosen) == people
        assert (counts == images).all()


@given(most=st.integers(2, 12), seed=st.integers(0, 100))
def test_who_is_seen_long_does_not_crowd_out_others(most: int, seed: int) -> None:
    identities = np.repeat([0, 1, 2, 3], [100, 5, 9, 3])
    epochs = [list(identity_batches(identities, 1, 2, np.random.default_rng([seed, epoch]), most)) for epoch in (0, 1)]
    for rows in map(np.concatenate, epochs):
        counts = np.bincount(identities[rows], minlength=4)
        assert (counts == [min(most, have) // 2 * 2 for have in (100, 5, 9, 3)]).all()
    long = [set(rows[identities[rows] == 0].tolist()) for rows in map(np.concatenate, epochs)]
    assert long[0] != long[1], "the next epoch shows other pictures"


def coloured_people(people: int = 8, images: int = 4) -> TrainingData:
    """People of one colour each, with a teacher that knows them apart."""
    random = np.random.default_rng(0)
    count = people * images
    colours = random.integers(0, 255, (people, 1, 1, 1, 3))
    crops = (np.repeat(colours, images, axis=1) + random.integers(-20, 20, (people, images, *STORED, 3))).clip(0, 255)
    masks, joints = np.zeros((count, 96, 32), bool), np.zeros((count, 13, 3), np.float32)
    masks[:, 20:80, 8:24] = True
    joints[:, :, :2], joints[:, :, 2] = 0.5, 1
    return TrainingData(
        crops.reshape(count, *STORED, 3).astype(np.uint8),
        np.repeat(np.arange(people), images),
        Targets(joints, masks, np.ones(count, bool)),
        random_features(people, seed=1, pooled=16).global_.repeat(images, axis=0),
        random.normal(size=(people, 16, 8, 4)).repeat(images, axis=0).astype(np.float16),
    )


def small_recipe(**changes: object) -> TrainConfig:
    recipe = TrainConfig(
        network=GasmConfig(backbone="osnet_x0_25", size=INPUT, cells=(4, 2), local_dim=16),
        losses=LossConfig(distil=4, relation=1, cells=4),
        people=4,
        epochs=2,
        stored=STORED,
    )
    return dataclasses.replace(recipe, **changes)  # type: ignore[arg-type]


def logged(folder: Path) -> list[dict[str, str]]:
    with (folder / LOG).open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_learns_and_writes_weights_that_load(tmp_path: Path) -> None:
    trainer = Trainer(small_recipe(people=8, epochs=15), coloured_people())
    positions: list[Position] = []
    assert trainer.run(tmp_path, report=positions.append)
    rows = logged(tmp_path)
    assert len(rows) == 15 == len(positions)
    for name in ("identity", "distil", "mask", "pose", "cells"):
        assert float(rows[-1][name]) < float(rows[0][name])
    loaded, _ = load_weights(tmp_path / WEIGHTS)
    with torch.inference_mode():
        crops = torch.rand(2, 3, *INPUT)
        for ours, theirs in zip(trainer.network.eval()(crops), loaded(crops), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-2, rtol=0)


@pytest.mark.parametrize("at", [1, 2, 3])  # within an epoch, at its end, within the next
def test_an_interrupted_run_resumes_to_the_same_loss_curve(tmp_path: Path, at: int) -> None:
    data, recipe = coloured_people(), small_recipe()
    Trainer(recipe, data).run(tmp_path / "whole")
    stops = iter(range(1, 100))
    interrupted = Trainer(recipe, data).run(tmp_path / "parts", stopped=lambda: next(stops) == at)
    assert not interrupted
    assert len(logged(tmp_path / "parts")) == at
    assert Trainer(recipe, data).run(tmp_path / "parts", resume=True)
    whole, parts = logged(tmp_path / "whole"), logged(tmp_path / "parts")
    assert len(whole) == 4
    for one, other in zip(whole, parts, strict=True):
        assert (one["epoch"], one["batch"], one["learning_rate"]) == (
            other["epoch"],
            other["batch"],
            other["learning_rate"],
        )
        for name in set(one) - set(COLUMNS):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-3, abs=1e-4)


def test_steps_that_a_checkpoint_had_not_seen_are_dropped_from_the_log(tmp_path: Path) -> None:
    """Killed between two checkpoints, a run has logged steps that will be taken again."""
    recipe, data = small_recipe(checkpoint_seconds=1e9), coloured_people()
    stops = iter(range(1, 100))
    Trainer(recipe, data).run(tmp_path, stopped=lambda: next(stops) == 1)
    with (tmp_path / LOG).open("a") as file:
        file.write("1,2,9.9,1e-3" + ",7.0" * 8 + "\n1,3,9.")
    Trainer(recipe, data).run(tmp_path, resume=True)
    rows = logged(tmp_path)
    assert [(row["epoch"], row["batch"]) for row in rows] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")]
    assert all(float(row["identity"]) != 7 for row in rows)


def test_a_checkpoint_of_another_recipe_is_refused_and_none_is_one_line(tmp_path: Path) -> None:
    data = coloured_people()
    with pytest.raises(WeightsError, match="no checkpoint to resume from"):
        Trainer(small_recipe(), data).run(tmp_path, resume=True)
    Trainer(small_recipe(epochs=1), data).run(tmp_path)
    with pytest.raises(WeightsError, match=r"losses.margin was 0.3, is 0.5"):
        Trainer(small_recipe(losses=LossConfig(margin=0.5, distil=4, relation=1, cells=4)), data).run(
            tmp_path, resume=True
        )
    whole = (tmp_path / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged checkpoint"):
        Trainer(small_recipe(), data).run(tmp_path, resume=True)


def test_a_run_may_start_from_weights_of_another_input_size_but_not_of_another_network(tmp_path: Path) -> None:
    data = coloured_people()
    Trainer(small_recipe(epochs=1), data).run(tmp_path)
    larger = Gasm(GasmConfig(backbone="osnet_x0_25", size=(256, 128), cells=(12, 4), local_dim=16))
    start_from(larger, tmp_path / WEIGHTS, None)
    expected = load_weights(tmp_path / WEIGHTS)[0].state_dict()
    for name, value in larger.state_dict().items():
        assert torch.equal(value, expected[name])
    for other in (GasmConfig(backbone="osnet_x1_0", local_dim=16), GasmConfig(backbone="osnet_x0_25", local_dim=32)):
        with pytest.raises(WeightsError, match="but the recipe's network has"):
            start_from(Gasm(other), tmp_path / WEIGHTS, None)


def test_heads_fitted_to_a_trained_network_know_at_once_what_it_knows(tmp_path: Path) -> None:
    data = coloured_people()
    plain = AugmentConfig(colour=0, person=0, patch=0, balance=0, gamma=0, blur=0, noise=0)
    recipe = small_recipe(epochs=8, augment=plain)
    Trainer(recipe, data).run(tmp_path)
    losses = {}
    for fitted in (False, True):
        trainer = Trainer(recipe, data)
        start_from(trainer.network, tmp_path / WEIGHTS, None)
        if fitted:
            fit_heads(trainer)
        losses[fitted] = trainer.step(np.arange(32), 0, 0.0)
    assert losses[True]["identity"] < 0.7 * losses[False]["identity"]
    assert losses[True]["distil"] < 0.7 * losses[False]["distil"]
    for name in ("mask", "triplet"):
        assert losses[True][name] == losses[False][name], "the network itself stays as it was"


@pytest.mark.parametrize("name", ["osnet_x1_0", "osnet_x0_25", "resnet50"])
def test_imagenet_weights_reach_every_layer(tmp_path: Path, name: BackboneName) -> None:
    source, target = build_backbone(name)[0], build_backbone(name)[0]
    rename = torchvision_name if name == "resnet50" else torchreid_name
    named = {rename(key): value.clone() for key, value in source.state_dict().items()}
    assert len(named) == len(source.state_dict()), "two tensors under one name"
    save_file(named, tmp_path / "imagenet.safetensors")
    load_backbone(target, name, tmp_path / "imagenet.safetensors")
    for key, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[key])
    other: BackboneName = "osnet_x1_0" if name == "resnet50" else "resnet50"
    with pytest.raises(ValueError, match="weights of another network"):
        load_backbone(build_backbone(other)[0], other, tmp_path / "imagenet.safetensors")
    torch.save(named, tmp_path / "imagenet.pth")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_backbone(target, name, tmp_path / "imagenet.pth")


def test_names_of_published_weights_are_known(shared: Path) -> None:
    """A real torchreid file has every name that ours is translated to, but for the wider last convolution."""
    published = torch.load(shared / "models" / "peers" / "osnet_x0_25_market1501.pth", weights_only=True)
    published = {key.removeprefix("module."): value for key, value in published.get("state_dict", published).items()}
    for key, value in build_backbone("osnet_x0_25")[0].state_dict().items():
        if not key.startswith("12.") and not key.endswith("num_batches_tracked"):
            assert published[torchreid_name(key)].shape == value.shape


@pytest.mark.parametrize("fusion", ["none", "mask", "pose", "mean", "product"])
def test_each_row_of_the_papers_table_can_be_trained(fusion: Any) -> None:
    losses = LossConfig(mask=0.05 * (fusion != "pose"), pose=0.1 * (fusion != "mask"), spatial=0)
    network = GasmConfig(backbone="osnet_x0_25", size=INPUT, cells=(4, 2), fusion=fusion)
    trainer = Trainer(small_recipe(network=network, losses=losses), coloured_people())
    values = trainer.step(np.arange(16), 0, 0.5)
    assert {"identity", "triplet"} <= set(values)
    assert all(np.isfinite(value) for value in values.values())
    trainer.network.eval()
    with torch.inference_mode():
        maps = trainer.network.maps(torch.rand(2, 3, *INPUT))
    if fusion == "none":
        torch.testing.assert_close(maps.saliency, torch.full_like(maps.saliency, 1 / 8))
        assert (maps.mass == 1).all()


def gradient(trainer: Trainer, losses: LossConfig, of: str) -> float:
    batch, labels = trainer.batch(np.arange(16), 0)
    maps = trainer.network.train().maps(
        batch.images, saliency_gradient=losses.saliency_gradient, guided_gradient=losses.guided_gradient
    )
    torch.stack(list(trainer.objective(maps, batch, labels, 0).values())).sum().backward()
    parameters = dict(trainer.network.named_parameters())
    return sum(
        float(p.grad.abs().sum()) for name, p in parameters.items() if name.startswith(of) and p.grad is not None
    )


def test_gradients_stop_where_the_recipe_says() -> None:
    data, identity, guided = coloured_people(), LossConfig(mask=0, pose=0), LossConfig(identity=0, triplet=0, spatial=0)
    for allowed in (False, True):
        losses = dataclasses.replace(identity, saliency_gradient=allowed)
        reached = gradient(Trainer(small_recipe(losses=losses), data), losses, "mask_layer")
        assert (reached > 0) == allowed, "identity losses and the saliency"
        losses = dataclasses.replace(guided, guided_gradient=allowed)
        reached = gradient(Trainer(small_recipe(losses=losses), data), losses, "backbone")
        assert (reached > 0) == allowed, "guided losses and the backbone"


def test_the_papers_schedule_and_ours() -> None:
    steps = OptimiserConfig(learning_rate=1e-4, schedule="steps", warm_up=0)
    rates = [learning_rate(steps, epoch / 120, 120) for epoch in (0, 39, 40, 89, 90, 119)]
    assert rates == pytest.approx([1e-4, 1e-4, 1e-5, 1e-5, 1e-6, 1e-6])
    cosine = OptimiserConfig(learning_rate=1.0, warm_up=0.1)
    assert learning_rate(cosine, 0.05, 1) == pytest.approx(0.5)
    assert learning_rate(cosine, 0.1, 1) == pytest.approx(1)
    assert learning_rate(cosine, 1, 1) == pytest.approx(0)


def test_only_visible_cells_learn_from_the_teacher() -> None:
    random = torch.Generator().manual_seed(0)
    teacher = torch.randn(2, 6, 4, 2, generator=random)
    local = F.normalize(teacher.flatten(2).transpose(1, 2), dim=2)
    visible = torch.ones(2, 8, 4)
    assert cell_distillation(local, teacher, visible, (4, 2)).item() == pytest.approx(0, abs=1e-6)
    spoilt = local.clone()
    spoilt[:, :2] *= -1
    assert cell_distillation(spoilt, teacher, visible, (4, 2)).item() == pytest.approx(2 * 2 / 8, abs=1e-5)
    visible[:, :2] = 0
    assert cell_distillation(spoilt, teacher, visible, (4, 2)).item() == pytest.approx(0, abs=1e-6)


def test_correlation_ignores_scale_and_an_anchors_own_distance() -> None:
    anchors = torch.tensor([0, 2])
    teacher = torch.rand(2, 5)
    distance = teacher * 3 + 1
    distance[torch.arange(2), anchors] = 99
    assert correlation(distance, teacher, anchors).item() == pytest.approx(0, abs=1e-5)
    assert correlation(-teacher, teacher, anchors).item() == pytest.approx(2, abs=1e-5)


def test_the_body_teacher_finds_the_person_of_a_real_crop(shared: Path) -> None:
    from reid_model.datasets import ReidImages, read_market1501

    everyone = read_market1501(shared / "data" / "market1501", "query")
    few = ReidImages(everyone.names[:12], everyone.encoded[:12], everyone.identities[:12], everyone.cameras[:12])
    targets = BodyTeacher(shared / "models" / "teachers" / "pose_landmark_lite.tflite")(few.decode(128, 64))
    seen = targets.valid
    assert seen.sum() >= 11
    head, hips = targets.joints[seen, 0, 1], targets.joints[seen, 7:9, 1].mean(axis=1)
    assert (head < hips).all()
    centre, edge = targets.masks[seen, 24:72, 12:20].mean(), targets.masks[seen][:, :, [0, 31]].mean()
    assert centre > 0.7 > 0.3 > edge
