import json

import numpy as np
import pytest

from app.gallery.reasons import cell_rows, explain
from app.search import prior_of, search, to_rows
from reid_model.calibration import Calibration
from tests.app.test_search import PEOPLE, START, Crowd, crowd, gallery  # noqa: F401

CALIBRATION = Calibration(intercepts=(6.0, 8.0, 10.0), slopes=(10.0, 15.0, 20.0), masses=(0.1, 0.7))


def test_everybody_in_sight_is_equally_probable_before_looking(gallery):  # noqa: F811
    assert prior_of(3) == 1 / 4
    assert prior_of(0) == 1 / 2, "one person, or nobody"
    assert 0 < prior_of(1) < 1
    rows, _ = gallery.sightings()
    assert gallery.people() == len({row.identity for row in rows}), "one identity is one person, whatever the camera"
    assert gallery.people(["one-by-one"], START + 4, START + 7.9) == 2
    assert gallery.people(end=START - 1) == 0
    gallery.set_identities([])
    assert gallery.people() == len({(row.camera, row.track) for row in rows}), "where none was decided, a tracklet is"


def test_probabilities_are_those_of_the_calibration(gallery, crowd):  # noqa: F811
    query = crowd.view(2)
    matches = search(gallery, query, calibration=CALIBRATION)
    mine, other = matches[0], matches[-1]
    assert mine.track == 3
    assert mine.probability > 0.5 > other.probability
    for match in matches:
        expected = CALIBRATION.probability(match.distance, query.mass[0], match.mass, 1 / (1 + PEOPLE))
        assert match.probability == pytest.approx(float(expected), abs=1e-6)
    one = search(gallery, query, calibration=CALIBRATION, start=START + 4, end=START + 5.9)
    assert {match.track for match in one} == {3}
    assert one[0].probability > mine.probability, "among fewer people the same distance says more"
    rows = to_rows(matches)
    assert rows[0]["probability"] == round(mine.probability, 4)


def test_a_method_without_calibration_has_no_probability(gallery, crowd):  # noqa: F811
    for matches in (
        search(gallery, crowd.view(2)),
        search(gallery, crowd.view(2), method="global", calibration=CALIBRATION),
    ):
        assert {match.probability for match in matches} == {None}
        assert to_rows(matches)[0]["probability"] is None


def test_tracklets_of_one_identity_are_one_person(gallery, crowd):  # noqa: F811
    matches = search(gallery, crowd.view(5), top=100)
    assert [match.person for match in matches[:2]] == [1, 1]
    by_person = {}
    for match in matches:
        by_person.setdefault(match.person, set()).add(match.identity)
    assert all(len(identities) == 1 for identities in by_person.values())
    firsts = list(dict.fromkeys(match.person for match in matches))
    assert firsts == list(range(1, len(by_person) + 1)), "numbered by their nearest tracklet"


def test_cells_as_plain_values():
    views = Crowd(3)
    query, found = views.view(0), views.view(1)
    (reason,) = explain(query, found)
    rows = cell_rows(reason, 2)
    assert json.loads(json.dumps(rows)) == rows
    for row in rows:
        own, other = row["query"][0] * 2 + row["query"][1], row["found"][0] * 2 + row["found"][1]
        assert row["similarity"] == pytest.approx(float(query.local[0, own] @ found.local[0, other]), abs=1e-4)
        assert row["weight"] == pytest.approx(float(query.saliency[0, own]), abs=1e-4)
    same = cell_rows(explain(query, query)[0], 2)
    assert max(row["similarity"] for row in same) <= 1
    assert np.all([row["query"] == row["found"] for row in same])
