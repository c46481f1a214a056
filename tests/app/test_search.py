import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.association import CameraTracklet, associate
from app.config_association import AssociationConfig
from app.contact_sheet import TILE, contact_sheet, format_time, write_contact_sheet
from app.errors import InputError
from app.gallery import CameraRow, Gallery, LiveIndex
from app.gallery.reasons import Reason, explain, in_words
from app.pointing import box_query
from app.search import identity_sightings, search, to_rows
from reid_model.features import Features
from reid_model.matching import distances
from trackers.tracklet import Tracklet

PEOPLE, VIEWS = 8, 4
START = 1_700_000_000.0


def _unit(values):
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


class Crowd:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)
        self.pooled, self.local = self.rng.normal(size=(PEOPLE, 32)), self.rng.normal(size=(PEOPLE, 6, 16))

    def view(self, person, count=1, noise=0.3):
        def near(prototype):
            values = np.repeat(prototype[None], count, axis=0)
            return _unit(values + noise * self.rng.normal(size=values.shape))

        saliency = self.rng.uniform(0.1, 1, (count, 6)).astype(np.float32)
        saliency /= saliency.sum(axis=1, keepdims=True)
        pooled, local = near(self.pooled[person]), near(self.local[person])
        return Features(pooled, local, saliency, np.full(count, 0.4, np.float32))


def tracklet(track, start, exemplars, person):
    frames = np.arange(start, start + 20, dtype=np.int64)
    boxes = np.tile(np.array([100, 50, 160, 200], np.float32), (20, 1))
    picture = np.full((96, 40, 3), (30 * person, 255 - 30 * person, 128), np.uint8)
    kept = np.linspace(0, 19, len(exemplars)).astype(int)
    return Tracklet(
        track_id=track,
        frames=frames,
        times=START + frames / 10,
        boxes=boxes,
        scores=np.full(20, 0.8, np.float32),
        exemplars=exemplars,
        exemplar_frames=frames[kept],
        exemplar_times=START + frames[kept] / 10,
        exemplar_boxes=boxes[kept],
        exemplar_crops=(picture,) * len(kept),
    )


@pytest.fixture
def crowd():
    return Crowd()


@pytest.fixture
def gallery(tmp_path, crowd):
    with Gallery.create(tmp_path / "gallery.db", "model") as gallery:
        everyone = []
        for name in ("town-centre", "one-by-one"):
            gallery.add_camera(CameraRow(name, f"/videos/{name}.mp4", START, 640, 480, 10.0, 300))
            mine = [tracklet(i + 1, 20 * i, crowd.view(i, VIEWS), i) for i in range(PEOPLE)]
            gallery.add_tracklets(name, mine)
            everyone += [CameraTracklet(name, item) for item in mine]
        gallery.set_identities(associate(everyone, AssociationConfig()))
        yield gallery


def message(error):
    text = str(error.value)
    assert "\n" not in text
    return text


def test_a_person_is_found_in_both_cameras_once_each(gallery, crowd):
    own, _ = gallery.sightings(["town-centre"], track=4)
    query = gallery.sightings()[1][[own[1].id - 1]]
    matches = search(gallery, query, top=5)
    assert [(match.camera, match.track) for match in matches[:2]] == [("town-centre", 4), ("one-by-one", 4)]
    assert matches[0].distance == pytest.approx(0, abs=1e-3)
    assert matches[0].frame == own[1].frame
    assert [match.rank for match in matches] == [1, 2, 3, 4, 5]
    assert [match.distance for match in matches] == sorted(match.distance for match in matches)
    assert len({(match.camera, match.track) for match in matches}) == 5, "one match a tracklet"
    assert matches[0].identity == matches[1].identity
    assert matches[0].status == "linked"
    assert matches[0].span == (START + 6.0, START + 7.9)
    assert matches[0].time == own[1].time
    picture = cv2.imdecode(np.frombuffer(matches[0].crop, np.uint8), cv2.IMREAD_COLOR)
    assert np.abs(picture.mean(axis=(0, 1)) - (90, 165, 128)).max() < 5


@pytest.mark.parametrize("exact", [False, True])
def test_the_nearest_query_crop_counts(gallery, crowd, exact):
    query = Features.concatenate([crowd.view(2), crowd.view(6)])
    matches = search(gallery, query, top=4, exact=exact)
    assert {(match.track, match.query) for match in matches} == {(3, 0), (7, 1)}
    rows, found = gallery.sightings()
    best = distances(query, found).min(axis=0)
    for match in matches:
        mine = [d for d, row in zip(best, rows, strict=True) if (row.camera, row.track) == (match.camera, match.track)]
        assert match.distance == pytest.approx(min(mine), abs=1e-6)


def test_filters(gallery, crowd):
    query = crowd.view(0)
    assert {match.camera for match in search(gallery, query, cameras=["one-by-one"])} == {"one-by-one"}
    late = search(gallery, query, start=START + 6, end=START + 7.9)
    assert {match.track for match in late} == {4}
    assert len(search(gallery, query, top=100)) == 2 * PEOPLE
    assert search(gallery, query, start=START + 1e6) == []


def test_every_search_is_in_the_audit_log(gallery, crowd):
    origin = {"camera": "town-centre", "frame": 3, "box": [1, 2, 3, 4]}
    matches = search(gallery, crowd.view(0), top=2, origin=origin, who="ann")
    search(gallery, crowd.view(0), start=START + 1e6)
    first, second = gallery.audit_log()
    assert (first.action, first.who) == ("search", "ann")
    assert first.details["origin"] == origin
    assert first.details["found"] == [[match.camera, match.track] for match in matches]
    assert second.details["found"] == []


def test_what_cannot_be_searched_is_refused_before_the_index_is_opened(gallery, crowd, monkeypatch):
    monkeypatch.setattr(LiveIndex, "open", lambda *_: pytest.fail("a large index takes long to open"))
    with pytest.raises(InputError, match="is after to"):
        search(gallery, crowd.view(0), start=START + 2, end=START + 1)


def test_no_result_without_an_audit_entry(gallery, crowd):
    gallery.close()
    with Gallery.open(gallery.path, read_only=True) as read_only, pytest.raises(InputError) as error:
        search(read_only, crowd.view(0))
    assert "reading only" in message(error)


def test_an_identity_finds_itself(gallery):
    number = gallery.tracklet("one-by-one", 6).identity
    matches = search(gallery, identity_sightings(gallery, number)[1], top=2)
    assert {match.identity for match in matches} == {number}
    with pytest.raises(InputError) as error:
        identity_sightings(gallery, 999)
    assert f"give one of the {PEOPLE}" in message(error)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ({"top": 0}, "must be 1 or more"),
        ({"start": 5.0, "end": 1.0}, "from 5.00 is after to 1.00"),
        ({"start": float("nan")}, "must be a finite time"),
        ({"cameras": ["town-center"]}, "which has one-by-one, town-centre; did you mean town-centre?"),
    ],
)
def test_requests_that_cannot_be_met(gallery, crowd, arguments, cause):
    with pytest.raises(InputError) as error:
        search(gallery, crowd.view(0), **arguments)
    assert cause in message(error)
    assert gallery.audit_log() == []


def test_queries_that_do_not_fit(gallery, crowd):
    with pytest.raises(InputError) as error:
        search(gallery, crowd.view(0)[:0])
    assert "nothing to search for" in message(error)
    other = Features(
        _unit(np.ones((1, 8))), _unit(np.ones((1, 6, 4))), np.full((1, 6), 1 / 6, np.float32), np.ones(1, "f4")
    )
    with pytest.raises(InputError) as error:
        search(gallery, other)
    assert "holds vectors of 32 pooled, 6 cells of 16, the query has 8 pooled, 6 cells of 4" in message(error)


def test_rows_are_plain(gallery, crowd):
    rows = to_rows(search(gallery, crowd.view(1), top=3))
    assert json.loads(json.dumps(rows)) == rows
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [rows[0][key] for key in ("left", "top", "width", "height")] == [100, 50, 60, 150]


# A box


def test_box_by_frame_and_by_time(gallery):
    by_frame = box_query(gallery, "town-centre", (10, 20, 30, 40), frame=25)
    assert (by_frame.frame, by_frame.time, by_frame.box) == (25, START + 2.5, (10, 20, 40, 60))
    assert by_frame.camera.source == "/videos/town-centre.mp4"
    assert box_query(gallery, "town-centre", (10, 20, 30, 40), time=START + 2.52) == by_frame
    assert box_query(gallery, "town-centre", (-1.5, 0, 642.5, 481), frame=0).box == (0, 0, 640, 480)
    assert box_query(gallery, "town-centre", (0, 0, 1, 1), frame=299).frame == 299


@pytest.mark.parametrize(
    ("camera", "box", "when", "cause"),
    [
        ("town", (0, 0, 9, 9), {"frame": 0}, "which has one-by-one, town-centre"),
        ("town-centre", (0, 0, 9, 9), {"frame": 300}, "has frames 0 to 299"),
        ("town-centre", (0, 0, 9, 9), {"frame": -1}, "has frames 0 to 299"),
        ("town-centre", (0, 0, 9, 9), {"time": START + 30}, "was recorded from 1700000000.00 to 1700000029.90"),
        ("town-centre", (0, 0, 9, 9), {"time": float("inf")}, "was recorded from"),
        ("town-centre", (0, 0, 9, 9), {}, "one of both"),
        ("town-centre", (0, 0, 9, 9), {"frame": 1, "time": START}, "one of both"),
        ("town-centre", (700, 0, 9, 9), {"frame": 1}, "not inside the frame of camera town-centre, 640 x 480 pixels"),
        ("town-centre", (600, 0, 80, 80), {"frame": 1}, "not inside the frame"),
        ("town-centre", (0, 0, 0, 9), {"frame": 1}, "width and height must be above 0"),
        ("town-centre", (0, 0, 9, -9), {"frame": 1}, "width and height must be above 0"),
        ("town-centre", (0, float("nan"), 9, 9), {"frame": 1}, "width and height must be above 0"),
        ("town-centre", (640, 0, 2, 9), {"frame": 1}, "smaller than a pixel"),
        ("town-centre", (0, 0, 9), {"frame": 1}, "expected left top width height, given 3 numbers"),
    ],
)
def test_boxes_that_are_not_there(gallery, camera, box, when, cause):
    with pytest.raises(InputError) as error:
        box_query(gallery, camera, box, **when)
    assert cause in message(error)


# Reasons


def test_reasons_add_up_to_the_distance(crowd):
    query, found = crowd.view(0, 3), crowd.view(1, 3)
    whole = np.diag(distances(query, found))
    for i, reason in enumerate(explain(query, found)):
        assert (reason.global_distance + reason.local_distance) / 2 == pytest.approx(whole[i], abs=1e-5)
        assert reason.global_share == pytest.approx(reason.global_distance / 2 / whole[i], abs=1e-5)
        every = query.saliency[i] * (query.local[i] @ found.local[i].T).max(axis=1)
        assert reason.query_cells.tolist() == np.argsort(-every, kind="stable")[:5].tolist()
        scores = query.local[i][reason.query_cells] @ found.local[i].T
        assert reason.gallery_cells.tolist() == scores.argmax(axis=1).tolist()
        np.testing.assert_allclose(reason.similarities, scores.max(axis=1), atol=1e-6)
        np.testing.assert_array_equal(reason.weights, query.saliency[i][reason.query_cells])
    assert {reason.global_share for reason in explain(query, found, "global")} == {1.0}
    assert {reason.global_share for reason in explain(query, found, "local")} == {0.0}
    with pytest.raises(ValueError, match="given 3 and 2"):
        explain(query, found[:2])


# The contact sheet


def test_reasons_in_words_name_the_parts_that_matched():
    cells = np.array([0, 9, 14, 34, 47])  # of 12 x 4: in the head, twice the chest, a shin, and a foot that is unlike
    weights, cosines = np.array([0.1, 0.2, 0.2, 0.3, 0.2]), np.array([0.9, 0.8, 1, 0.7, -1])
    words = in_words(Reason(0.2, 0.31, 0.4, cells, cells, weights, cosines), 12, 4)
    assert words == "pooled 0.20, cells 0.31; most alike: upper body at 0.90, legs at 0.70, head at 0.90"
    none = in_words(Reason(1.2, 1.1, 0.5, cells, cells, weights, -np.abs(cosines)), 12, 4)
    assert none == "pooled 1.20, cells 1.10; most alike: no part alike"


def test_contact_sheet_shows_each_picture(gallery, crowd, tmp_path):
    matches = search(gallery, crowd.view(3), top=7)
    query = np.full((80, 30, 3), (0, 0, 250), np.uint8)
    sheet = contact_sheet(matches, [query], columns=4)
    # The match's own colour fills as much of the sheet as its tile's height allows.
    colour = np.array([90, 165, 128])
    alike = (np.abs(sheet.astype(int) - colour).max(axis=2) < 6).sum()
    assert alike == pytest.approx(2 * TILE[1] * (TILE[1] * 40 / 96), rel=0.05)
    assert (sheet == (0, 0, 250)).all(axis=2).sum() > 20_000
    path = tmp_path / "sheet.png"
    write_contact_sheet(path, matches, [query], columns=4)
    np.testing.assert_array_equal(cv2.imread(str(path)), sheet)
    assert sorted(item.name for item in tmp_path.glob("*sheet*")) == ["sheet.png"]


def test_contact_sheet_without_pictures_or_matches(gallery, crowd):

    match = replace(search(gallery, crowd.view(3), top=1)[0], crop=None)
    grey = contact_sheet([match], [])
    assert (grey == 214).all(axis=2).sum() > 0.8 * TILE[0] * TILE[1]
    assert contact_sheet([], []).shape == contact_sheet([match], []).shape


def test_contact_sheet_in_an_impossible_place(tmp_path):
    for path, cause in ((tmp_path / "a.gif", "ends in .png or .jpg"), (tmp_path / "no" / "a.png", "cannot be written")):
        with pytest.raises(InputError) as error:
            write_contact_sheet(path, [], [])
        assert cause in message(error)


@pytest.mark.parametrize(("seconds", "text"), [(3.957, "3.96 s"), (1_700_000_000.5, "2023-11-14 22:13:20")])
def test_times(seconds, text):
    assert format_time(seconds) == text
