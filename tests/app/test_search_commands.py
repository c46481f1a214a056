import csv
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app.association import CameraTracklet
from app.config import EmbedderConfig, GalleryConfig
from app.demo import SCENE
from app.embedding import load_embedder
from app.gallery import CameraRow, Gallery
from app.search_report import _verdict
from app.sources import read_frame
from reid_model.embedder import cut
from tests.app.galleries import identity
from trackers import evaluation as mot
from trackers.gates import iou
from trackers.tracklet import Tracklet

AT = 60
CAMERA = "cam1"
SMALL = ["--set", "embedder.weights=small"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The people of one camera of the shipped scene, each a tracklet of three frames with their true boxes."""
    sequence = mot.read_sequence(SCENE / CAMERA)
    embedder = load_embedder(EmbedderConfig(weights="small"))
    frames = [AT, AT + 5, AT + 10]
    images = {index: read_frame(str(sequence.images), index=index).image for index in frames}
    folder = tmp_path_factory.mktemp("scene")
    truth, everybody = sequence.truth, {}
    for person in np.unique(truth.ids).tolist():
        rows = np.flatnonzero((truth.ids == person) & np.isin(truth.frames - 1, frames))
        boxes = truth.boxes[rows].astype(np.float32)
        if len(rows) < 3 or (boxes[:, :2] < 0).any() or (boxes[:, 3] - boxes[:, 1]).min() < 80:
            continue
        index = truth.frames[rows] - 1
        crops = [cut(images[i], box) for i, box in zip(index.tolist(), boxes, strict=True)]
        everybody[person] = Tracklet(
            track_id=person, frames=index, times=index / 10, boxes=boxes, scores=np.ones(3, np.float32),
            exemplars=embedder.embed(crops), exemplar_frames=index, exemplar_times=index / 10,
            exemplar_boxes=boxes, exemplar_crops=tuple(crops),
        )  # fmt: skip
    row = CameraRow(CAMERA, str(sequence.images), 0.0, sequence.width, sequence.height, 10.0, int(truth.frames.max()))
    for name, config in (("gallery.db", GalleryConfig()), ("bare.db", GalleryConfig(crops=False))):
        with Gallery.create(folder / name, embedder.model_id, config=config) as gallery:
            gallery.add_camera(row)
            gallery.add_tracklets(CAMERA, list(everybody.values()))
            gallery.set_identities([identity(n, CameraTracklet(CAMERA, t)) for n, t in everybody.items()])
    best = max(everybody.values(), key=lambda each: float(np.ptp(each.boxes[0, 1::2])))
    return folder, best, images, list(everybody.values())


def box(tracklet):
    left, top, right, bottom = tracklet.boxes[0].tolist()
    return [left, top, right - left, bottom - top]


def refused(outcome, *parts):
    code, _, error = outcome
    assert code == 2
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_a_box_finds_the_person_with_picture_clip_and_cells(scene, crowdtrace, tmp_path):
    folder, person, *_ = scene
    out, told = tmp_path / "out", tmp_path / "o.json"
    where = ["--camera", CAMERA, "--frame", AT, "--box", *box(person)]
    limits = ["--top", 4, "--clips", 1]
    code, printed, _ = crowdtrace(
        "search", "--gallery", folder, *where, *limits, "--output", out, "--json", told, *SMALL
    )
    assert code == 0
    assert "with a probability of 0.5 or more" in printed
    rows = json.loads(told.read_text())["results"]
    first = rows[0]
    assert first["track"] == first["identity"] == person.track_id
    assert first["passes"] is True
    assert first["probability"] > 0.99
    assert first["cells"][0]["query"] == first["cells"][0]["found"]
    assert (first["first_time"], first["last_time"]) == (AT / 10, AT / 10 + 1)
    stem = next(out.glob("*.csv")).stem
    assert first["picture"] == str(out / stem / "01.jpg")
    assert cv2.imread(first["picture"]).shape[0] > 60
    assert first["clip"] == str(out / stem / "01.mp4")
    assert {row["clip"] for row in rows[1:]} == {""}
    listed = list(csv.DictReader((out / f"{stem}.csv").open()))
    assert [row["picture"] for row in listed] == [row["picture"] for row in rows]
    assert sorted(path.name for path in (out / stem).iterdir()) == ["01.jpg", "01.mp4", "02.jpg", "03.jpg", "04.jpg"]


def test_several_pictures_of_one_person(scene, crowdtrace, tmp_path):
    folder, person, *_ = scene
    for place, crop in enumerate(person.exemplar_crops[:2]):
        cv2.imwrite(str(tmp_path / f"{place}.png"), crop)
    told = tmp_path / "o.json"
    code, _, _ = crowdtrace("search", "--gallery", folder, "--image", tmp_path / "0.png", "--image", tmp_path / "1.png",
                            "--json", told, *SMALL)  # fmt: skip
    assert code == 0
    assert json.loads(told.read_text())["results"][0]["track"] == person.track_id


def test_nobody_matches_where_the_bar_is_not_reached(scene, crowdtrace, tmp_path):
    folder, person, *_ = scene
    arguments = ["search", "--gallery", folder, "--identity", person.track_id, "--from", AT / 10 + 0.2, *SMALL]
    code, printed, _ = crowdtrace(*arguments, "--set", "gallery.match_probability=1", "--json", tmp_path / "o.json")
    assert code == 0
    assert "nobody matches: the likeliest has a probability of" in printed
    rows = json.loads((tmp_path / "o.json").read_text())["results"]
    assert rows
    assert {row["passes"] for row in rows} == {False}


def test_why_there_is_no_picture(scene, crowdtrace, tmp_path):
    folder, person, *_ = scene
    code, printed, _ = crowdtrace("search", "--gallery", folder / "bare.db", "--identity", person.track_id, "--top", 3,
                                  "--output", tmp_path, "--clips", 0, *SMALL)  # fmt: skip
    assert code == 0
    assert "note: no picture: it was stored with gallery.crops: false" in printed


def test_a_query_without_a_person_is_refused(scene, crowdtrace, tmp_path):
    folder, *_ = scene
    embedder = load_embedder(EmbedderConfig(weights="small"))
    rng = np.random.default_rng(0)
    grey = [np.clip(rng.normal(shade, 3, (200, 80, 3)), 0, 255).astype(np.uint8) for shade in range(20, 250, 10)]
    empty = grey[int(embedder.embed(grey).mass.argmin())]
    cv2.imwrite(str(tmp_path / "wall.png"), empty)
    refused(crowdtrace("search", "--gallery", folder, "--image", tmp_path / "wall.png", *SMALL), "wall.png", "nobody")
    with Gallery.open(folder / "gallery.db", read_only=True) as gallery:
        assert "wall.png" not in json.dumps([entry.details for entry in gallery.audit_log()])


def test_a_box_around_nobody_is_refused(scene, crowdtrace, tmp_path):
    folder, person, images, everybody = scene
    embedder = load_embedder(EmbedderConfig(weights="small"))
    rng = np.random.default_rng(1)
    places = np.stack([rng.integers(0, 1200, 40), rng.integers(0, 560, 40)], axis=1)
    boxes = np.concatenate([places, places + np.array([60, 150])], axis=1).astype(float)
    mass = embedder.embed([cut(images[AT], box) for box in boxes]).mass
    apart = iou(boxes, np.concatenate([each.boxes[:1] for each in everybody]).astype(float)).max(axis=1) == 0
    path = tmp_path / "gallery.db"
    path.write_bytes((folder / "gallery.db").read_bytes())
    where = ["search", "--gallery", path, "--camera", CAMERA, "--frame", AT, *SMALL, "--box"]
    left, top, *_ = boxes[mass.argmin()]
    refused(crowdtrace(*where, left, top, 60, 150), "box in camera cam1: nobody is to be seen in it")
    black = tmp_path / "black.png"
    cv2.imwrite(str(black), np.random.default_rng(0).integers(0, 4, (160, 80, 3), np.uint8))
    refused(crowdtrace("search", "--gallery", path, "--image", black, *SMALL), "black.png: is of one colour")
    elsewhere = crowdtrace("search", "--gallery", path, "--identity", 1, *SMALL, "--set", "gallery.device=cuda:7")
    refused(elsewhere, "gallery.device is cuda:7, but there is no such GPU here")
    # Of little saliency: refused, unless somebody was followed just there.
    left, top, *_ = doubtful = boxes[apart & (mass > 0.1) & (mass < 0.15)][0]
    refused(crowdtrace(*where, left, top, 60, 150), "a person has 0.15 or more")
    with Gallery.open(path) as gallery:
        there = np.tile(doubtful.astype(np.float32), (3, 1))
        gallery.add_tracklets(CAMERA, [replace(person, track_id=9000, boxes=there, exemplars=None)])
    assert crowdtrace(*where, left, top, 60, 150)[0] == 0


def test_following(scene, crowdtrace, tmp_path):
    folder, person, *_ = scene
    path = tmp_path / "gallery.db"
    path.write_bytes((folder / "gallery.db").read_bytes())
    code, printed, _ = crowdtrace("search", "--gallery", path, "--camera", CAMERA, "--frame", AT, "--box", *box(person),
                                  "--follow", "tall one", *SMALL)  # fmt: skip
    assert code == 0
    assert "follow 1 stored" in printed
    with Gallery.open(path) as gallery:
        assert [entry.action for entry in gallery.audit_log()][-2:] == ["search", "follow"]
        (event,) = gallery.add_tracklets(CAMERA, [replace(person, track_id=person.track_id + 5000)])
    assert (event.name, event.track) == ("tall one", person.track_id + 5000)
    assert event.probability > 0.9


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--identity", 99999], "identity 99999: not in"),
        (["--identity", "KNOWN", "--from", 5, "--to", 1], "after"),
        (["--identity", "KNOWN", "--in", "cam9"], "cam9"),
        ([], "say who to search for"),
    ],
)
def test_bad_input(scene, crowdtrace, arguments, cause):
    folder, person, *_ = scene
    given = [person.track_id if word == "KNOWN" else word for word in arguments]
    refused(crowdtrace("search", "--gallery", folder, *given, *SMALL), cause)


def test_the_verdict_without_matches():
    class Empty:
        matches = []
        missing = ()

    assert _verdict(Empty()) == "nobody in the gallery fits these filters"
    Empty.missing = ("shard 1 of 2",)
    assert _verdict(Empty()) == "nobody in what was searched fits these filters"
