"""The console over a run that goes on: what an operator says counts at once, and what is seen can be searched."""

from __future__ import annotations

import json
import socket
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import yaml

from app.capture import CameraState
from app.console.finder import Finder
from app.console.live import tell
from app.console.live_wall import LiveWall
from app.console.state import Console
from app.events import new_event
from app.gallery import CameraRow, Gallery
from app.live.lane import Shown
from app.live.linker import Linker
from app.sources import Frame, read_frame
from reid_model.matching import distances
from tests.app.console.scene import CAMERAS, FRAMES, RATE, camera_people, clients_of, settings


@pytest.fixture(scope="module")
def filmed(embedder):
    """The scene's cameras and people, as the tracker would give them."""
    return {name: camera_people(name, embedder) for name in CAMERAS}


class Live:
    """A run without cameras: tracklets and frames of the scene, when the test says so."""

    def __init__(self, path, embedder, filmed):
        self.now, self.filmed, self.outcomes = 100.0, filmed, []
        config = settings("association.wait_seconds=0.5")
        self.stored = Gallery.create(path, embedder.model_id, clock=lambda: self.now)
        for name in CAMERAS:
            self.stored.add_camera(CameraRow(name, f"rtsp://host/{name}", 0.0, 0, 0, RATE, 0))
        self.linker = Linker(self.stored, config, self.outcomes.append, lambda: self.now)
        self.gallery = Gallery.open(path, config=config.gallery, clock=lambda: self.now)
        states = [CameraState(name, "live", 0.0, 0.1, 9, 9, {}, 0, 0, 0, 0, "h264", RATE, "") for name in CAMERAS]
        self.wall = LiveWall(lambda: states, self.linker.identity_of)
        finder = Finder(self.gallery, config, self.wall, embedder, age=5.0)
        self.console = Console(self.gallery, config, self.wall, finder)

    def offer(self, camera, *people, finished=True):
        _, everybody = self.filmed[camera]
        self.linker.offer(camera, [everybody[person] for person in people], finished=finished)

    def step(self, seconds=1.0):
        self.now += seconds
        self.linker.step()
        self.console.finder.keep_in_step()

    def show(self, camera, index):
        row, people = self.filmed[camera]
        there = [(person, item.boxes[item.frames == index]) for person, item in people.items()]
        there = [(person, box[0]) for person, box in there if len(box)]
        image = read_frame(row.source, index=index).image
        boxes = np.array([box for _, box in there], np.float32)
        tracks = np.array([person for person, _ in there], np.int64)
        frame = Frame(camera, index, self.now, image)
        self.wall.put(camera, Shown(frame, boxes, tracks, np.ones(len(there), np.float32)))

    def identity(self, camera, person):
        return self.linker.identity_of((camera, person))

    def close(self):
        self.wall.close()
        self.gallery.close()
        self.stored.close()


@pytest.fixture
def live(embedder, filmed, tmp_path):
    made = Live(tmp_path / "gallery.db", embedder, filmed)
    with clients_of(made.console) as clients:
        yield made, clients
    made.close()


def known(filmed):
    """People of cam1 who have sightings, and are seen at a frame of which there is a picture."""
    return [person for person, item in filmed["cam1"][1].items() if FRAMES[0] in item.frames]


def plainest(filmed):
    """Who is most plainly the same in cam1 and cam2, and a frame of cam1 in which they were looked at."""
    best = (-np.inf, 0, 0)
    for person, item in filmed["cam1"][1].items():
        if person not in filmed["cam2"][1]:
            continue
        others = [other for number, other in filmed["cam2"][1].items() if number != person]
        mine = distances(item.exemplars, filmed["cam2"][1][person].exemplars, "gasm").min(axis=1)
        theirs = np.min([distances(item.exemplars, other.exemplars, "gasm").min(axis=1) for other in others], axis=0)
        place = int((theirs - mine).argmax())
        best = max(best, (float((theirs - mine)[place]), person, int(item.exemplar_frames[place])))
    return best[1:]


def test_an_operator_clicks_somebody_in_a_live_picture_and_draws_a_box(live, filmed):
    run, clients = live
    person, frame = plainest(filmed)
    run.offer("cam2", *filmed["cam2"][1])
    run.step()
    run.step()
    run.show("cam1", frame)
    shown = clients.viewer.get("/api/boxes", params={"camera": "cam1"}).json()
    assert (shown["frame"], shown["time"]) == (frame, run.now)
    run.show("cam1", frame + 5)
    (somebody,) = [each for each in shown["boxes"] if each["track"] == person]
    wish = {"camera": "cam1", "frame": frame, "box": somebody["box"]}
    found = clients.operator.post("/api/searches/box", json=wish)
    assert found.status_code == 201, found.text
    assert {each["camera"] for each in found.json()["matches"]} == {"cam2"}
    assert found.json()["matches"][0]["track"] == person
    assert found.json()["title"].startswith("Box in cam1, ")
    # Drawn by hand, somewhat too large.
    left, top, width, height = somebody["box"]
    drawn = {**wish, "box": [max(left - 3, 0), max(top - 3, 0), width + 4, height + 4]}
    again = clients.operator.post("/api/searches/box", json=drawn).json()
    assert again["matches"][0]["track"] == person
    # What is stored later is found as well, and nothing that is not in the picture any more.
    run.offer("cam3", *filmed["cam3"][1])
    run.step()
    later = clients.operator.post("/api/searches/box", json=wish).json()
    assert {each["camera"] for each in later["matches"]} == {"cam2", "cam3"}
    gone = clients.operator.post("/api/searches/box", json={**wish, "frame": frame - 1})
    assert gone.status_code == 400
    assert "not at hand any more" in gone.json()["error"]
    outside = clients.operator.post("/api/searches/box", json={**wish, "box": [1270, 10, 50, 100]})
    assert "not inside the frame of camera cam1, 1280 x 720" in outside.json()["error"]
    clip = clients.operator.get(f"/api/searches/{later['id']}/matches/1/clip")
    assert clip.status_code == 404
    assert "no recording is kept" in clip.json()["error"]


def test_what_was_stored_before_a_search_is_found_where_it_takes_long_to_compare_everything(live, filmed, monkeypatch):
    run, clients = live
    monkeypatch.setattr("app.console.finder.QUICK_SECONDS", -1.0)
    person, frame = plainest(filmed)
    run.offer("cam3", *filmed["cam3"][1])
    run.step()
    compared = []
    monkeypatch.setattr("app.gallery.index_live.LiveIndex.sync", lambda *_: compared.append(1))
    run.offer("cam2", *filmed["cam2"][1])
    run.now += 1
    run.linker.step()
    run.show("cam1", frame)
    shown = clients.viewer.get("/api/boxes", params={"camera": "cam1"}).json()
    (somebody,) = [each for each in shown["boxes"] if each["track"] == person]
    wish = {"camera": "cam1", "frame": frame, "box": somebody["box"]}
    found = clients.operator.post("/api/searches/box", json=wish).json()
    assert (found["matches"][0]["camera"], found["matches"][0]["track"]) == ("cam2", person)
    assert not compared


def test_what_an_operator_says_counts_for_the_run_at_its_next_step(live, filmed):
    run, clients = live
    first, second = known(filmed)[:2]
    run.offer("cam1", first, second, finished=False)
    run.step(3.0)
    run.step()
    one, two = run.identity("cam1", first), run.identity("cam1", second)
    assert None not in (one, two)
    assert one != two
    run.show("cam1", FRAMES[0])
    clients.operator.post(f"/api/people/{one}/merge", json={"other": two}).raise_for_status()
    run.step()
    assert run.identity("cam1", first) == run.identity("cam1", second) == min(one, two)
    run.wall.show("cam1", None, 640)
    numbers = {box.track: box.identity for box in run.wall.boxes("cam1", FRAMES[0])}
    assert numbers[first] == numbers[second] == min(one, two)
    correction = clients.operator.get("/api/corrections").json()[0]["number"]
    clients.operator.post(f"/api/corrections/{correction}/undo").raise_for_status()
    run.step()
    assert {run.identity("cam1", first), run.identity("cam1", second)} == {one, two}


def test_somebody_who_is_followed_raises_an_alert_when_the_run_stores_them(live, filmed):
    run, clients = live
    person = known(filmed)[0]
    run.offer("cam1", person)
    run.step(3.0)
    run.step()
    found = clients.operator.post("/api/searches/identity", json={"identity": run.identity("cam1", person)}).json()
    clients.operator.post(f"/api/searches/{found['id']}/follow", json={"name": "coat"}).raise_for_status()
    # The same looks again, in another camera.
    again = replace(filmed["cam1"][1][person], track_id=900)
    run.linker.offer("cam3", [again], finished=True)
    run.step()
    (seen,) = [each for outcome in run.outcomes for each in outcome.reappearances]
    assert (seen.name, seen.camera, seen.track) == ("coat", "cam3", 900)


def test_what_happens_in_the_run_is_told_to_the_pages(live):
    run, _ = live
    published = []
    run.console.feed.publish = lambda kind, time, details: published.append((kind, time, dict(details)))
    tell(run.console, new_event("camera.offline", 5.0, camera="cam1", details={"reason": "no frame"}))
    tell(run.console, new_event("follow.reappeared", 6.0, camera="cam1"))
    assert published == [("camera.offline", 5.0, {"camera": "cam1", "reason": "no frame"})]


def test_a_page_watches_live_cameras_over_a_socket(live):
    run, clients = live
    run.show("cam1", FRAMES[0])
    with clients.viewer.websocket_connect("wss://127.0.0.1/api/wall") as page:
        page.send_text(json.dumps([{"camera": "cam1", "width": 320}, {"camera": "cam2"}]))
        data = page.receive_bytes()
        length = int.from_bytes(data[:4], "big")
        facts = json.loads(data[4 : 4 + length])
        assert (facts["camera"], facts["frame"]) == ("cam1", FRAMES[0])
        assert len(data) == 4 + length + facts["bytes"]
        run.show("cam2", FRAMES[1])
        page.send_text(json.dumps({"camera": "cam2", "width": 320}))
        assert b'"camera": "cam2"' in page.receive_bytes()
    session = clients.viewer.get("/api/session").json()
    assert session["recorded"] is False


@contextmanager
def configured(tmp_path, **sections):
    file = tmp_path / "cameras.yaml"
    file.write_text(yaml.safe_dump({"detector": {"weights": "bundled"}, "live": {"folder": "live"}, **sections}))
    yield file


@pytest.mark.parametrize(
    ("sections", "arguments", "said"),
    [
        ({"cameras": []}, (), "cameras: none is configured"),
        ({"cameras": [{"name": "a", "source": "gone.mp4"}]}, (), "gone.mp4: no such file"),
        ({"cameras": [{"name": "a", "source": "rtsp://h/x"}]}, ("--host", "0.0.0.0"), "must not cross a network"),
        ({"cameras": [{"name": "a", "source": "rtsp://h/x"}]}, ("--set", "live.folder=file/in"), "file"),
        ({"cameras": [{"name": "a", "source": "rtsp://h/x"}], "console": {"colour": 1}}, (), "unknown key"),
    ],
)
def test_what_cannot_be_served_live_is_told_in_one_line(sections, arguments, said, tmp_path, crowdtrace, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with configured(tmp_path, **sections) as file:
        code, out, error = crowdtrace("serve", "--config", file, "--port", 0, *arguments)
    assert code == 2, out + error
    assert error.count("\n") == 1
    assert said in error
    assert "password" not in out


def test_neither_a_gallery_nor_cameras_is_told_and_so_is_a_port_that_is_taken(tmp_path, crowdtrace, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, error = crowdtrace("serve")
    assert (code, error.count("\n")) == (2, 1)
    assert "--gallery DIR" in error
    assert "--config FILE" in error
    cameras = [{"name": "a", "source": "rtsp://h/x"}]
    with configured(tmp_path, cameras=cameras) as file, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, error = crowdtrace("serve", "--config", file, "--port", port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in error
    assert not (tmp_path / "live").exists()
