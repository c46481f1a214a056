"""Four live cameras in a real browser: a real RTSP server, one camera that dies, somebody found in another."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import yaml
from playwright.sync_api import sync_playwright

from app.demo import SCENE
from app.gallery import Gallery
from reid_model.matching import distances
from tests.app.console.test_console_browser import CHROMIUM, Looked, choose_password, log_in, until
from tests.conftest import ROOT
from tests.rtsp.running import RtspServer, missing, repeated
from trackers import evaluation as mot
from trackers.gates import iou

FILMED = ("cam1", "cam2", "cam3")
FRAMES, RATE = 200, 10.0

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def running(tmp_path):
    """`run.py serve --config` over three streams of the scene and a gate without people, which can be killed."""
    why = missing() or ("" if CHROMIUM.exists() else "no /usr/bin/chromium; apt-get install chromium")
    if why:
        pytest.skip(why)
    for name in FILMED:
        repeated(SCENE / name / "video.mp4", tmp_path / f"{name}.mp4", 300)
    mounts = [{"path": f"/{name}", "file": str(tmp_path / f"{name}.mp4")} for name in FILMED]
    gate = {"path": "/gate", "fps": 10, "width": 640, "height": 360, "pattern": "gradient"}
    with RtspServer(*mounts) as streams, RtspServer(gate) as dying:
        cameras = [{"name": name, "source": streams.url(f"/{name}"), "analyse_fps": 5} for name in FILMED]
        cameras.append({"name": "gate", "source": dying.url("/gate"), "analyse_fps": 2})
        config = {
            "cameras": cameras,
            "detector": {"weights": "bundled"},
            "association": {"wait_seconds": 1.0},
            "live": {"folder": str(tmp_path / "live"), "stalled_seconds": 1.0},
        }
        file = tmp_path / "cameras.yaml"
        file.write_text(yaml.safe_dump(config))
        with command(file) as (address, once, process):
            yield address, once, process, dying, tmp_path / "live" / "gallery.db"


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
    """Who is where in a camera's recording, and at which of its frames a live picture was taken."""

    def __init__(self, camera):
        self.truth = mot.read_sequence(SCENE / camera).truth
        self.shift = None

    def at(self, index):
        mine = self.truth.frames == index + 1
        corners = self.truth.boxes[mine]
        return self.truth.ids[mine], np.asarray(corners, np.float64)

    def learn(self, when, boxes):
        """Learns from somebody's boxes at a time how far the recording had come: all of them fit at one frame alone."""
        fits = [iou(corners(boxes), self.at(index)[1]).max(axis=1).mean() for index in range(FRAMES)]
        self.shift = (when - int(np.argmax(fits)) / RATE) % (FRAMES / RATE)
        return max(fits)

    def who(self, when, box):
        """The person whom a box shows at a time, and how well it fits."""
        near = round((when - self.shift) * RATE)
        found = (0.0, 0)
        for index in range(near - 3, near + 4):
            ids, truth = self.at(index % FRAMES)
            shares = iou(corners([box]), truth)[0]
            found = max(found, (float(shares.max()), int(ids[shares.argmax()])))
        return found[1], found[0]


def corners(boxes):
    found = np.array(boxes, np.float64).reshape(-1, 4)
    found[:, 2:] += found[:, :2]
    return found


def plainest(path, camera):
    """Who is in every picture of a camera more like themselves elsewhere than like anybody else, by the most."""
    with Gallery.open(path, read_only=True) as gallery:
        rows, features = gallery.sightings()
    apart = distances(features, features, "gasm")
    tracks, cameras = np.array([row.track for row in rows]), np.array([row.camera for row in rows])
    same, elsewhere = tracks[:, None] == tracks, cameras[:, None] != cameras
    mine = np.where(same & elsewhere, apart, np.inf).min(axis=1)
    others = np.where(~same & elsewhere, apart, np.inf).min(axis=1)
    people = np.unique(tracks[(cameras == camera) & np.isfinite(mine)])
    # Long enough there to be clicked.
    people = [each for each in people if ((tracks == each) & (cameras == camera)).sum() >= 3]
    return max(people, key=lambda each: (others - mine)[(tracks == each) & (cameras == camera)].min())


def boxes_of(page, camera):
    return page.evaluate("camera => fetch(`/api/boxes?camera=${camera}`).then(answer => answer.json())", camera)


def wait_for(holds, seconds=60.0):
    """What comes of it, as soon as something does."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.2)
    return found


def test_an_operator_watches_four_live_cameras_and_finds_somebody_in_another(running, scene):
    address, once, process, dying, stored = running
    person = plainest(scene, "cam2")
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
        assert page.locator(".tile .state.live").count() == 4
        seen.look("live-wall")

        # One camera's stream dies, and the page says so; the others go on.
        dying.kill()
        gate = page.locator("section[aria-label='Camera gate']")
        wait_for(lambda: gate.locator(".state").inner_text() in ("stalled", "connecting", "reconnecting"))
        assert gate.locator(".note").inner_text()
        assert page.locator(".tile .state.live").count() == 3
        seen.look("live-stalled")

        # Somebody whom another camera has seen is clicked, on the canvas.
        for name in FILMED:
            wait_for(lambda name=name: learned(page, truth[name], name))
        wait_for(lambda: is_stored(stored, "cam1", truth["cam1"], person))
        wait_for(lambda: click(page, truth["cam2"], person))
        first = page.locator(".match").filter(has_not=page.get_by_role("link", name=re.compile("^cam2, "))).first
        first.locator("img").wait_for()
        seen.look("live-results")
        found = page.evaluate(
            "fetch(`/api${location.hash.slice(1).replace('search', 'searches')}`).then(a => a.json())"
        )
        match = next(each for each in found["matches"] if each["camera"] != "cam2")
        assert first.get_by_role("link", name=re.compile(f"^{match['camera']}, ")).count() == 1
        assert truth[match["camera"]].who(match["time"], match["box"])[0] == person
        first.get_by_role("button", name="Why?").click()
        page.get_by_role("dialog").locator("td").first.wait_for()
        seen.look("live-reason")
        page.get_by_role("button", name="Close").click()

        # Stopped while a page is open, everything ends in order.
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout.read().rstrip().endswith("ended in order")
        browser.close()


def texts(page):
    return page.locator(".tile time").all_inner_texts()[: len(FILMED)]


def learned(page, truth, name):
    shown = boxes_of(page, name)
    return len(shown["boxes"]) >= 3 and truth.learn(shown["time"], [each["box"] for each in shown["boxes"]]) > 0.6


def is_stored(path, camera, truth, person):
    with Gallery.open(path, read_only=True) as gallery:
        rows, _ = gallery.sightings([camera])
    sizes = [(row.box[0], row.box[1], row.box[2] - row.box[0], row.box[3] - row.box[1]) for row in rows]
    seen = [truth.who(row.time, box) for row, box in zip(rows, sizes, strict=True)]
    return any(who == person and share > 0.6 for who, share in seen)


def click(page, truth, person):
    """Clicks on somebody's box, where they are in the picture; returns whether they are."""
    shown = boxes_of(page, "cam2")
    for each in shown["boxes"]:
        who, share = truth.who(shown["time"], each["box"])
        if who == person and share > 0.6:
            canvas = page.locator("section[aria-label='Camera cam2'] canvas").bounding_box()
            scale = canvas["width"] / shown["width"]
            left, top, width, height = each["box"]
            page.mouse.click(canvas["x"] + (left + width / 2) * scale, canvas["y"] + (top + height / 2) * scale)
            return True
    return False
