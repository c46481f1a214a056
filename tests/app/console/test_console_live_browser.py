"""Four live cameras in a real browser: a real RTSP server, one camera that dies, somebody found in another."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
import pytest
import yaml
from av.video.frame import PictureType
from playwright.sync_api import sync_playwright

from app.demo import SCENE
from app.gallery import Gallery
from tests.app.console.test_console_browser import CHROMIUM, Looked, choose_password, log_in, until
from tests.conftest import ROOT
from tests.rtsp.running import RtspServer, missing, repeated
from trackers import evaluation as mot
from trackers.gates import iou

FILMED = ("cam1", "cam2", "cam3")
FRAMES, RATE = range(120, 140), 10
"""What is filmed of the scene: two seconds, there and back again, so that nobody is gone when they are clicked."""

PERSON = 7
"""In a blue coat, like nobody else there; alone, and in full view of `cam1` and `cam2` all the time."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def running(tmp_path):
    """`run.py serve --config` over three streams of the scene and a gate without people, which can be killed."""
    why = missing() or ("" if CHROMIUM.exists() else "no /usr/bin/chromium; apt-get install chromium")
    if why:
        pytest.skip(why)
    for name in FILMED:
        film(SCENE / name / "video.mp4", tmp_path / "once.mp4")
        repeated(tmp_path / "once.mp4", tmp_path / f"{name}.mp4", 600)
    mounts = [{"path": f"/{name}", "file": str(tmp_path / f"{name}.mp4")} for name in FILMED]
    gate = {"path": "/gate", "fps": 10, "width": 640, "height": 360, "pattern": "gradient"}
    with RtspServer(*mounts) as streams, RtspServer(gate) as dying:
        cameras = [{"name": name, "source": streams.url(f"/{name}"), "analyse_fps": 4} for name in FILMED]
        cameras.append({"name": "gate", "source": dying.url("/gate"), "analyse_fps": 2})
        config = {
            "cameras": cameras,
            "detector": {"weights": "bundled"},
            "association": {"wait_seconds": 1.0},
            "live": {"folder": str(tmp_path / "live"), "stalled_seconds": 3.0},
        }
        file = tmp_path / "cameras.yaml"
        file.write_text(yaml.safe_dump(config))
        with command(file) as (address, once, process):
            yield address, once, process, dying, tmp_path / "live" / "gallery.db"


def film(source, target):
    """The wanted frames of a video, forwards and backwards."""
    with av.open(str(source)) as video:
        stream = video.streams.video[0]
        video.seek(round(FRAMES[0] / RATE / stream.time_base), stream=stream)
        frames = [frame for frame in video.decode(stream) if round(frame.time * RATE) in FRAMES]
    assert len(frames) == len(FRAMES)
    with av.open(str(target), "w") as video:
        # One slice a frame: this server puts a camera's parameters before each of a key frame's, which parts it.
        options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "slices=1:sliced-threads=0:threads=1"}
        stream = video.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.gop_size = frames[0].width, frames[0].height, RATE
        for number, frame in enumerate([*frames, *frames[-2:0:-1]]):
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, RATE), PictureType.NONE
            video.mux(stream.encode(frame))
        video.mux(stream.encode())


@contextmanager
def command(file):
    words = [sys.executable, "run.py", "serve", "--config", str(file), "--port", "0"]
    with (file.parent / "log").open("w") as log:
        process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=log)
        try:
            told = ""
            while "console at" not in told:
                line = process.stdout.readline()
                assert line, (file.parent / "log").read_text()
                told += line
            yield re.search(r"console at (\S+);", told)[1], re.search(r"one-time password (\S+)", told)[1], process
        finally:
            process.kill()
            process.wait(20)


class Truth:
    """Who is where in what a camera films."""

    def __init__(self, camera):
        truth = mot.read_sequence(SCENE / camera).truth
        there = np.isin(truth.frames - 1, FRAMES)
        self.ids, self.boxes = truth.ids[there], np.asarray(truth.boxes[there], np.float64)

    def who(self, box):
        """The person whom a box (left, top, width, height) shows, at whatever time; 0 where it shows nobody."""
        left, top, width, height = box
        shares = iou(np.array([[left, top, left + width, top + height]]), self.boxes)[0]
        return int(self.ids[shares.argmax()]) if shares.max() > 0.6 else 0


def boxes_of(page, camera):
    return page.evaluate("camera => fetch(`/api/boxes?camera=${camera}`).then(answer => answer.json())", camera)


def wait_for(holds, seconds=180.0):
    """What comes of it, as soon as something does."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_an_operator_watches_four_live_cameras_and_finds_somebody_in_another(running):
    address, once, process, dying, stored = running
    truth = {name: Truth(name) for name in FILMED}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1200})
        seen = Looked(page)
        log_in(page, address, once, seen)
        choose_password(page, once, seen)

        # Four pictures that move, and who is in them.
        page.locator(".tile time").nth(3).wait_for()
        until(page, "[...document.querySelectorAll('.tile time')].every(each => each.textContent)")
        before = page.locator(".tile time").all_inner_texts()
        assert len(before) == 4
        wait_for(lambda: not {*zip(FILMED, before, strict=False)} & {*zip(FILMED, texts(page), strict=False)})
        until(page, "document.querySelectorAll('.tile .chips li').length > 3")
        wait_for(lambda: page.locator(".tile .state.live").count() == 4)
        seen.look("live-wall")

        # One camera's stream dies, and the page says so; the others go on.
        dying.kill()
        gate = page.locator("section[aria-label='Camera gate']")
        wait_for(lambda: gate.locator(".state").inner_text() in ("stalled", "connecting", "reconnecting"))
        assert gate.locator(".note").inner_text()
        wait_for(lambda: page.locator(".tile .state.live").count() == 3)
        seen.look("live-stalled")

        # Somebody whom another camera has seen is clicked, on the canvas, once: they come first of what others saw.
        wait_for(lambda: is_stored(stored, "cam1", truth["cam1"]))
        box, point = wait_for(lambda: place_of(page, truth["cam2"]))
        with page.expect_request("**/api/searches/box") as asked:
            page.mouse.click(*point)
        searched = json.loads(asked.value.post_data)
        assert searched["camera"] == "cam2"
        assert truth["cam2"].who(searched["box"]) == PERSON, (searched, box)
        page.get_by_role("heading", name=re.compile(r"^Box in cam2, \S+ \S+ UTC$")).wait_for()
        elsewhere = page.locator(".match").filter(has_not=page.get_by_role("link", name=re.compile("^cam2, "))).first
        elsewhere.locator("img").wait_for()
        until(page, "[...document.querySelectorAll('.match img')].slice(0, 4).every(each => each.naturalWidth)")
        seen.look("live-results")
        script = "fetch(`/api${location.hash.slice(1).replace('search', 'searches')}`).then(a => a.json())"
        match = next(each for each in page.evaluate(script)["matches"] if each["camera"] != "cam2")
        assert elsewhere.get_by_role("link", name=re.compile(f"^{match['camera']}, ")).count() == 1
        assert (match["camera"], truth[match["camera"]].who(match["box"])) == ("cam1", PERSON)
        elsewhere.get_by_role("button", name="Why?").click()
        page.get_by_role("dialog").locator("td").first.wait_for()
        seen.look("live-reason")
        page.get_by_role("button", name="Close").click()

        # Stopped while a page is open, everything ends in order.
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout.read().rstrip().endswith("ended in order")
        browser.close()


def texts(page):
    return page.locator(".tile time").all_inner_texts()[: len(FILMED)]


def is_stored(path, camera, truth):
    """Whether somebody's sighting from a camera is in the gallery."""
    with Gallery.open(path, read_only=True) as gallery:
        rows, _ = gallery.sightings([camera])
    boxes = [(left, top, right - left, bottom - top) for left, top, right, bottom in (row.box for row in rows)]
    return any(truth.who(box) == PERSON for box in boxes)


def place_of(page, truth):
    """Their box in the picture of cam2, and where its middle is on the page; None where they are not tracked."""
    shown = boxes_of(page, "cam2")
    for each in shown["boxes"]:
        if truth.who(each["box"]) == PERSON:
            canvas = page.locator("section[aria-label='Camera cam2'] canvas").bounding_box()
            scale = canvas["width"] / shown["width"]
            left, top, width, height = each["box"]
            return each["box"], (canvas["x"] + (left + width / 2) * scale, canvas["y"] + (top + height / 2) * scale)
    return None
