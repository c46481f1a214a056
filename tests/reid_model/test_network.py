from __future__ import annotations

import pytest
import torch

from reid_model.backbones import BACKBONES, build_backbone
from reid_model.network import Gasm, GasmConfig, normalise_saliency


def small(**changes: object) -> Gasm:
    torch.manual_seed(0)
    config = {"backbone": "osnet_x0_25", "size": (128, 64), "cells": (4, 2), **changes}
    return Gasm(GasmConfig(**config)).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BACKBONES)
def test_backbones_give_a_sixteenth_of_the_picture(name: str) -> None:
    backbone, channels = build_backbone(name)  # type: ignore[arg-type]
    with torch.inference_mode():
        assert backbone.eval()(torch.zeros(1, 3, 128, 64)).shape == (1, channels, 8, 4)


def test_last_stride_two_halves_the_map_of_resnet() -> None:
    backbone, channels = build_backbone("resnet50", last_stride=2)
    with torch.inference_mode():
        assert backbone.eval()(torch.zeros(1, 3, 128, 64)).shape == (1, channels, 4, 2)


def test_unknown_backbone_and_stride_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of osnet_x1_0"):
        build_backbone("vgg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected 1 or 2"):
        build_backbone("resnet50", last_stride=3)


def test_papers_form_has_the_maps_own_cells_and_dimensions() -> None:
    network = small(local_dim=None, cells=None, neck=False)
    with torch.inference_mode():
        global_, local, saliency, mass = network(torch.rand(2, 3, 128, 64))
    assert global_.shape == (2, 512)
    assert local.shape == (2, 8 * 4, 512)
    assert saliency.shape == (2, 32)
    assert mass.shape == (2,)


@pytest.mark.parametrize(("size", "cells"), [((128, 64), 8), ((64, 64), 4), ((96, 128), 12), ((32, 64), 2)])
def test_outputs_are_features_whatever_the_crops_shape(size: tuple[int, int], cells: int) -> None:
    """A crop of another shape has cells of the same size, in proportion."""
    with torch.inference_mode():
        global_, local, saliency, mass = small()(torch.rand(3, 3, *size))
    assert local.shape == (3, cells, 128)
    torch.testing.assert_close(global_.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(local.norm(dim=2), torch.ones(3, cells))
    torch.testing.assert_close(saliency.sum(dim=1), torch.ones(3))
    assert (saliency >= 0).all()
    assert ((mass >= 0) & (mass <= 1)).all()


def test_pooled_feature_is_the_saliency_weighted_sum_of_the_map() -> None:
    network = small()
    images = torch.rand(2, 3, 128, 64)
    with torch.inference_mode():
        maps = network.maps(images)
        features = network.backbone((images - network.mean) / network.std)
        weights = normalise_saliency(network.fuse(maps.mask, maps.pose).flatten(1)).view(2, 1, 8, 4)
        torch.testing.assert_close(maps.pooled, (features * weights).sum(dim=(2, 3)), atol=1e-4, rtol=1e-4)


def test_an_empty_saliency_map_becomes_uniform_with_mass_zero() -> None:
    network = small()
    for layer in (network.mask_layer, network.pose_layer):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.constant_(layer.bias, -1e4)
    with torch.inference_mode():
        _, _, saliency, mass = network(torch.rand(1, 3, 128, 64))
    torch.testing.assert_close(saliency, torch.full((1, 8), 1 / 8))
    assert mass.item() == 0


def test_joints_that_overlap_are_clamped_before_fusing() -> None:
    pose = torch.ones(1, 13, 2, 2)
    mask = torch.ones(1, 2, 2)
    for fusion in ("mean", "product"):
        assert small(fusion=fusion).fuse(mask, pose).max() <= 1


def test_background_inside_a_cell_does_not_dilute_it() -> None:
    network = small()
    features = torch.zeros(1, 2, 8, 4)
    features[:, 0, ::2], features[:, 1, 1::2] = 1, 1  # person on even rows, background on odd ones
    fused = torch.zeros(1, 8, 4)
    fused[:, ::2] = 1
    local, _ = network._cells(features, fused, (4, 2))
    torch.testing.assert_close(local, torch.tensor([1.0, 0.0]).expand(1, 8, 2), atol=1e-3, rtol=0)


def test_identity_training_cannot_move_the_saliency() -> None:
    network = small()
    network.maps(torch.rand(2, 3, 128, 64)).pooled.sum().backward()
    assert network.mask_layer.weight.grad is None
    assert network.pose_layer.weight.grad is None
