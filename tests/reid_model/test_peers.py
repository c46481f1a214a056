"""Peers on real crops."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from reid_model.checkpoint import WeightsError
from reid_model.datasets import ReidImages, read_dataset
from reid_model.evaluation import score
from reid_model.peers import Peer, read_torchreid

OPENVINO = "person-reidentification-retail-0287/person-reidentification-retail-0287.xml"
OSNET = "osnet_x0_25_market1501.pth"


@pytest.fixture(scope="module")
def peers(shared: Path) -> Path:
    return shared / "models" / "peers"


@pytest.fixture(scope="module")
def people(shared: Path) -> ReidImages:
    """The queries of the first 40 people: several cameras each."""
    images = read_dataset(f"market1501:{shared / 'data' / 'market1501'}", "query")
    return images.subset(np.isin(images.identities, np.unique(images.identities)[:40]))


@pytest.mark.parametrize(("file", "dimensions", "least"), [(OPENVINO, 256, 93), (OSNET, 512, 85)])
def test_features_tell_people_apart(peers: Path, people: ReidImages, file: str, dimensions: int, least: float) -> None:
    features = Peer(peers / file, threads=1).embed(list(people.crops()))
    assert features.shape == (len(people), dimensions)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-5)
    labels = people.identities, people.cameras
    assert score(1 - features @ features.T, *labels, *labels).r1 >= least


def test_osnet_in_openvino_equals_osnet_in_torch(peers: Path, people: ReidImages) -> None:
    crops = list(people.crops())[:3]
    network = read_torchreid(peers / OSNET)
    images = np.stack([cv2.resize(crop, (128, 256)) for crop in crops]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network(torch.from_numpy(images).float()), dim=1).numpy()
    cosines = (Peer(peers / OSNET, threads=1).embed(crops) * expected).sum(axis=1)
    assert cosines.min() > 0.999  # OpenVINO may compute in bf16


def test_crops_of_any_size_keep_their_order(peers: Path, people: ReidImages) -> None:
    crops = list(people.crops())[:5]
    peer = Peer(peers / OPENVINO, threads=1)
    sizes = [cv2.resize(crop, (64 + 8 * i, 128 + 16 * i)) for i, crop in enumerate(crops)]
    similarity = peer.embed(sizes) @ peer.embed(crops).T
    assert (similarity.argmax(axis=1) == np.arange(5)).all()


class Harmful:
    """Whoever unpickles this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_what_is_no_state_dict_is_refused_and_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    file = tmp_path / "harmful.pth"
    torch.save({"conv1.conv.weight": Harmful(trap)}, file)
    with pytest.raises(WeightsError, match="more than tensors"):
        read_torchreid(file)
    file.write_bytes(pickle.dumps(Harmful(trap)))
    with pytest.raises(WeightsError, match="more than tensors"):
        Peer(file)
    assert not trap.exists()
    for other in ({}, {"weight": torch.zeros(3)}, [1, 2], {"conv1.conv.weight": torch.zeros(16, 3, 7, 7)}):
        torch.save(other, file)
        with pytest.raises(WeightsError, match="not the tensors of a torchreid OSNet"):
            read_torchreid(file)


def test_files_that_are_no_network_are_refused(tmp_path: Path, peers: Path) -> None:
    with pytest.raises(WeightsError, match="no such file"):
        Peer(tmp_path / "none.xml")
    (tmp_path / "text.txt").write_text("text")
    with pytest.raises(WeightsError, match="not a peer network"):
        Peer(tmp_path / "text.txt")
    alone = tmp_path / "alone.xml"
    alone.write_bytes((peers / OPENVINO).read_bytes())
    with pytest.raises(WeightsError, match="OpenVINO cannot read it"):
        Peer(alone)
