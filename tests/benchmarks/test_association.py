from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import association_crops
from app.association_crops import Shown, by_mean_feature
from app.association_evaluation import identities_of
from app.config_association import AssociationConfig
from benchmarks import association
from benchmarks.association import as_identities, best_on, by_scikit_learn, means_of
from tests.app.test_association import People, seen
from tests.app.test_association_evaluation import ByColour, write_camera, write_market

WAYS = ["gasm", "gasm online", "global", "mean-feature", "scikit-learn", "as configured"]


def shown_people(noise: float, seed: int = 3) -> Shown:
    """Six people in each of three cameras, one after another."""
    people = People(6, seed)
    tracklets, who = [], []
    for camera in "abc":
        for person in range(6):
            start = 100 * person + 1000 * "abc".index(camera)
            tracklets.append(seen(camera, person + 1, range(start, start + 9), people.crops(person, noise=noise)))
            who.append(person)
    views = [item.tracklet.exemplars.global_ for item in tracklets]
    return Shown(tracklets, means_of(views), np.array(who, np.int64))


@given(st.integers(0, 10**6), st.floats(0.3, 0.9))
def test_scikit_learn_clusters_as_we_do_where_nobody_is_at_once(seed: int, threshold: float) -> None:
    shown = shown_people(1.0, seed)
    # What the time between two tracklets says is known to ours alone.
    config = AssociationConfig(candidates=100, transit_weight=0)
    ours = association.linked_by(config, association.Associator.offline)["gasm"](shown, threshold)
    theirs = by_scikit_learn(shown, threshold, config=config)
    assert ((ours[:, None] == ours) == (theirs[:, None] == theirs)).all()


def test_means_and_labels() -> None:
    vectors = [np.array([[3.0, 0], [1, 0]], np.float32), None, np.array([[0, 2.0]], np.float32)]
    assert means_of(vectors).tolist() == [[1, 0], [0, 0], [0, 1]]
    shown = shown_people(0.1)
    labels = by_mean_feature(shown, 0.5)
    assert (labels.reshape(3, 6) == labels[:6]).all()
    found = identities_of(shown.tracklets, as_identities(shown.tracklets, labels))
    assert ((found[:, None] == found) == (labels[:, None] == labels)).all()


def test_the_threshold_is_one_that_serves_the_validation_best() -> None:
    validation = [shown_people(1.0, seed) for seed in (1, 2)]
    chosen = best_on(validation)(by_mean_feature)

    def score(threshold: float) -> float:
        scores = [association.linking_scores(s.people, s.cameras, by_mean_feature(s, threshold)) for s in validation]
        return float(np.mean([each["F1"] for each in scores]))

    assert score(chosen) == max(score(each) for each in np.round(association.THRESHOLDS, 2).tolist())
    assert score(chosen) > score(0.3)


@pytest.fixture
def by_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (association, association_crops):
        monkeypatch.setattr(module, "load_embedder", lambda config: ByColour())


@pytest.mark.usefixtures("by_colour")
def test_crops_and_scenes_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = write_market(tmp_path / "market"), tmp_path / "found.json"
    for name in ("a", "b"):
        write_camera(tmp_path / "scene" / name, [0, 1, 2])
    association.main(["--tracklets", f"market1501:{data}", "--scene", str(tmp_path / "scene"), "--json", str(file)])
    found = json.loads(file.read_text())
    assert found["command"] == "bench association"
    results = {result["name"]: result for result in found["results"]}
    assert list(results) == [f"{place}: {way}" for place in ("market1501", "scene") for way in WAYS]
    assert results["market1501: gasm"]["recall"] == 100
    assert results["scene: gasm"]["IDF1"] == results["scene: gasm"]["F1"] == 100
    assert "scene: scikit-learn" in capsys.readouterr().out


@pytest.mark.usefixtures("by_colour")
def test_a_peer_is_scored_on_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        name = "other"

        def __init__(self, path: Path) -> None:
            pass

        def embed(self, crops: list[np.ndarray]) -> np.ndarray:
            return ByColour().embed(crops).global_

    monkeypatch.setattr(association, "Peer", Other)
    for scene in ("one", "two"):
        for name in ("a", "b"):
            write_camera(tmp_path / scene / name, [0, 1, 2])
    file = tmp_path / "found.json"
    words = ["--scene", tmp_path / "one", "--validation", tmp_path / "two", "--peer", "other.xml", "--json", file]
    association.main([str(word) for word in words])
    found = {result["name"]: result for result in json.loads(file.read_text())["results"]}
    assert list(found) == [f"one: {way}" for way in [*WAYS, "other mean-feature"]]
    assert found["one: other mean-feature"]["F1"] == 100


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([], "nothing to measure"),
        (["--scene", "x"], "give --validation DIR or --tracklets KIND:DIR"),
        (["--tracklets", "market1501:nowhere"], "no such folder"),
    ],
)
def test_bad_input_is_one_line(words: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        association.main(words)
    assert stopped.value.code == 2
    assert part in capsys.readouterr().err
