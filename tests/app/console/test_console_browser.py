"""The console as an operator uses it: a real browser, from logging in to logging out."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import axe_playwright_python
import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright

from app.gallery import Gallery
from reid_model.matching import distances
from tests.app.console.scene import APART
from tests.app.galleries import tracklet
from tests.conftest import ROOT

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = ROOT / "runs" / "console"
"""Where what the browser showed is kept, to be looked at."""

PATIENCE = 60.0
"""Seconds for what a page is to show: other tests run at the same time, and they may leave it little."""

PASSWORD = "correct horse battery"
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def running(scene, tmp_path_factory):
    """The command over the scene, and a browser: the admin has chosen a password."""
    if not CHROMIUM.exists():
        pytest.skip("no /usr/bin/chromium; apt-get install chromium")
    folder = tmp_path_factory.mktemp("served")
    shutil.copy(scene, folder / "gallery.db")
    with command(folder) as (address, once, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield folder, address, once, process, browser
        browser.close()


@contextmanager
def command(folder: Path) -> Iterator[tuple[str, str, subprocess.Popen[str]]]:
    """`run.py serve` in a process of its own: its address, the one-time password it printed, and the process."""
    plan = np.full((300, 600, 3), 225, np.uint8)
    cv2.rectangle(plan, (20, 20), (580, 280), (90, 90, 90), 3)
    cv2.imwrite(str(folder / "floor.png"), plan)
    words = [sys.executable, "run.py", "serve", "--gallery", str(folder), "--port", "0"]
    words += ["--set", "console.require_reason=true"]
    words += ["--set", f"console.floor_plan={folder / 'floor.png'}"]
    words += ["--set", "console.floor_places={cam1: [120, 80], cam2: [460, 90], hall: [300, 230]}"]
    process = subprocess.Popen(words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        told = ""
        while "console at" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        password = re.search(r"one-time password (\S+)", told)
        address = re.search(r"console at (\S+);", told)
        assert password is not None
        assert address is not None
        yield address[1], password[1], process
    finally:
        process.terminate()
        process.wait(20)


class Looked:
    """A page, what went wrong on it, and pictures of it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(1000 * PATIENCE)
        self.faults: list[str] = []
        page.on("console", lambda said: said.type in ("error", "warning") and self.faults.append(said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def look(self, name: str) -> None:
        """Keeps a picture and finds nothing that keeps people out."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=str(PICTURES / f"{name}.png"))
        self.page.evaluate(AXE)
        found = self.page.evaluate("rules => axe.run(document, rules)", RULES)
        wrong = [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]
        assert not wrong, f"{name}: {wrong}"
        assert self.page.evaluate("document.documentElement.scrollWidth") <= self.page.viewport_size["width"], name
        assert not self.faults, self.faults


def somebody(path: Path) -> tuple[int, float, list[float], tuple[int, int]]:
    """Who is most plainly the same in two cameras: number, time, box in `cam1`, and size of the picture."""
    with Gallery.open(path, read_only=True) as gallery:
        rows, features = gallery.sightings()
        view = gallery.cameras()[0]
    apart = distances(features, features, "gasm")
    tracks, cameras = np.array([row.track for row in rows]), np.array([row.camera for row in rows])
    same = tracks[:, None] == tracks
    elsewhere = np.where(same & (cameras == "cam2"), apart, np.inf).min(axis=1)
    margin = np.where(cameras == "cam1", np.where(same, np.inf, apart).min(axis=1) - elsewhere, -np.inf)
    row = rows[int(margin.argmax())]
    return row.track, row.time, list(row.box), (view.width, view.height)


def test_an_operator_finds_a_person_and_sets_right_who_is_who(running):
    folder, address, once, _, browser = running
    person, at, (left, top, right, bottom), (width, height) = somebody(folder / "gallery.db")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    seen = Looked(page)
    log_in(page, address, once, seen)
    choose_password(page, once, seen)
    page.locator(".tile").first.wait_for()

    # The wall, with three cameras, at a time; somebody's box is clicked.
    page.goto(f"{address}/#/wall?camera=cam1&at={at}")
    until(page, "document.querySelectorAll('.tile .chips li').length > 3")
    assert page.locator(".tile").count() == 3
    seen.look("wall")
    canvas = page.locator(".tile canvas").first.bounding_box()
    scale = canvas["width"] / width
    assert canvas["height"] == pytest.approx(height * scale, abs=2)
    page.mouse.click(canvas["x"] + (left + right) / 2 * scale, canvas["y"] + (top + bottom) / 2 * scale)
    page.get_by_label("Reason").fill("case 7")
    seen.look("reason-asked")
    page.get_by_role("button", name="Search", exact=True).click()

    # The same person in another camera comes first; why they were asked for is on record.
    first = page.locator(".match").first
    first.locator("img").wait_for()
    assert "cam2" in first.inner_text()
    assert first.locator(".chip").inner_text() == str(person + APART)
    seen.look("results")
    asked = page.evaluate("fetch('/api/audit?action=search').then(answer => answer.json())")["entries"]
    assert [each["details"]["origin"]["reason"] for each in asked] == ["case 7"]
    page.set_viewport_size({"width": 390, "height": 844})
    seen.look("results-narrow")
    page.set_viewport_size({"width": 1280, "height": 800})

    first.get_by_role("button", name="Why?").click()
    page.get_by_role("dialog").locator("td").first.wait_for()
    assert "Distance" in page.get_by_role("dialog").inner_text()
    seen.look("reason")
    page.get_by_role("button", name="Close").click()

    first.get_by_role("button", name="Clip").click()
    until(page, "document.querySelector('dialog video').readyState >= 2")
    seen.look("clip")
    page.get_by_role("button", name="Close").click()

    # Who is followed and seen again raises an alert on the page that is open.
    page.get_by_role("button", name="Follow…").click()
    page.get_by_label("Name of the follow").fill("<b>coat</b>")
    page.get_by_role("button", name="Follow", exact=True).click()
    page.get_by_text("Following “<b>coat</b>”.").wait_for()
    with Gallery.open(folder / "gallery.db") as gallery:
        _, features = gallery.sightings(["cam1"], track=person)
        gallery.add_tracklets("cam3", [tracklet(5000, exemplars=features)])
    page.get_by_text("“<b>coat</b>” was seen again: cam3").wait_for()
    seen.look("alert")

    # They are one person; and then they are not.
    first.get_by_role("button", name=re.compile("^Same")).click()
    first.get_by_text("same person").wait_for()
    page.get_by_role("link", name="Undo there").click()
    page.locator(".timeline").wait_for()
    assert page.locator(".tracklets li").count() >= 2
    # The way on the floor plan: from camera to camera in order of time, without those that are not on it.
    plan = page.locator("svg.floor")
    order = [text.split(",")[0] for text in page.locator(".tracklets a").all_inner_texts()]
    on_it = ", then ".join(camera for camera in order if camera in ("cam1", "cam2"))
    assert plan.get_attribute("aria-label") == f"Floor plan: {on_it}"
    assert plan.locator("circle").count() == 3
    assert plan.locator("circle.seen").count() == len({*order} & {"cam1", "cam2"}) == 2
    points = plan.locator("polyline").get_attribute("points").split()
    assert points == [{"cam1": "120,80", "cam2": "460,90"}[camera] for camera in order if camera != "cam3"]
    assert page.evaluate("fetch('/api/floor/plan').then(answer => answer.headers.get('content-type'))") == "image/jpeg"
    seen.look("person")
    plan.scroll_into_view_if_needed()
    seen.look("person-floor")
    page.get_by_role("button", name=re.compile("^Undo")).click()
    page.get_by_text("(undone)").wait_for()
    page.get_by_role("button", name="Merge with…").click()
    page.get_by_label("Number of the other identity").fill(str(person + APART))
    page.get_by_role("button", name="Merge", exact=True).click()
    until(page, "document.querySelectorAll('.corrections li').length == 2")

    page.get_by_role("button", name="Erase…").click()
    page.get_by_label(f"Type {person} to erase").fill(str(person))
    seen.look("erase")
    page.get_by_role("button", name="Erase for good").click()
    page.get_by_text("the audit log knows them as").wait_for()
    page.get_by_role("heading", name=re.compile("^People")).wait_for()
    seen.look("people")
    assert page.get_by_role("link", name=str(person), exact=True).count() == 0

    page.get_by_role("link", name="Audit log").click()
    page.get_by_role("heading", name="Audit log").wait_for()
    page.locator("tbody tr").first.wait_for()
    done = page.locator("tbody tr td:nth-child(3)").all_inner_texts()
    order = [
        "erase",
        "view",
        "identity merge",
        "view",
        "identity undo",
        "view",
        "identity merge",
        "export",
        "search",
    ]
    assert [action for action in done if action in order][: len(order)] == order
    seen.look("audit")
    for name in ("Users", "Account"):
        page.get_by_role("link", name=name).click()
        page.get_by_role("heading", name=re.compile(name if name == "Users" else "admin")).wait_for()
        seen.look(name.lower())
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    seen.look("logged-out")
    assert page.evaluate("fetch('/api/cameras').then(answer => answer.status)") == 401
    page.close()


def until(page: Page, holds: str) -> None:
    """Waits for a condition; the page's content policy forbids the browser's own way of waiting."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(holds):
        assert time.monotonic() < deadline, holds
        time.sleep(0.05)


def log_in(page: Page, address: str, once: str, seen: Looked) -> None:
    page.goto(address)
    page.get_by_role("heading", name="Log in").wait_for()
    seen.look("log-in")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(once)
    page.get_by_role("button", name="Log in").click()


def choose_password(page: Page, once: str, seen: Looked) -> None:
    page.get_by_label("Old password").fill(once)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password, again").fill(PASSWORD)
    seen.look("choose-password")
    page.get_by_role("button", name="Change it").click()


def stop(process: subprocess.Popen[str]) -> None:
    """Stopped while a page is open, the command ends at once, in order, and says nothing more."""
    began = time.monotonic()
    process.send_signal(2)
    assert process.wait(15) == 0
    assert time.monotonic() - began < 6
    assert process.stdout is not None
    assert process.stdout.read() == ""


def say_why(page: Page) -> None:
    """Types what a search is for, with the keyboard alone."""
    reason = page.get_by_label("Reason")
    reason.wait_for()
    assert reason.evaluate("node => node === document.activeElement")
    page.keyboard.type("case 8")
    page.keyboard.press("Enter")


def test_the_keyboard_does_what_the_mouse_does_also_in_the_dark(running):
    folder, address, _, process, browser = running
    with Gallery.open(folder / "gallery.db", read_only=True) as gallery:
        rows, _ = gallery.sightings(["cam1"])
        (jpeg,) = gallery.crops([max(rows, key=lambda row: row.box[3] - row.box[1]).id])
    (folder / "somebody.jpg").write_bytes(jpeg)
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme="dark")
    seen = Looked(page)
    log_in(page, address, PASSWORD, seen)
    until(page, "document.querySelectorAll('.tile .chips li').length > 3")
    seen.look("wall-narrow-dark")
    # Playing goes on in time, and every camera follows.
    page.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.transport input').value > 1")
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("slider", name="Time").focus()
    page.keyboard.press("Home")
    until(page, "document.querySelector('.time').value.startsWith('0:00.0')")
    tile = page.locator(".tile").first
    chip = tile.get_by_role("button", name=re.compile(r"in cam1")).last
    chip.focus()
    page.keyboard.press("Enter")
    say_why(page)
    page.locator(".match").first.wait_for()
    seen.look("results-narrow-dark")
    why = page.get_by_role("button", name=re.compile("Why")).first
    why.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").locator("td").first.wait_for()
    seen.look("reason-narrow-dark")
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    assert why.evaluate("node => node === document.activeElement")
    # Back on the wall, a box is drawn around somebody.
    page.goto(f"{address}/#/wall?camera=cam1&at=6")
    until(page, "document.querySelectorAll('.tile .chips li').length > 3")
    shown = page.evaluate("fetch('/api/boxes?camera=cam1&at=6').then(answer => answer.json())")
    left, top, wide, tall = max((each["box"] for each in shown["boxes"]), key=lambda box: box[3])
    canvas = page.locator(".tile canvas").first.bounding_box()
    scale = canvas["width"] / shown["width"]
    page.mouse.move(canvas["x"] + left * scale, canvas["y"] + top * scale)
    page.mouse.down()
    page.mouse.move(canvas["x"] + (left + wide / 2) * scale, canvas["y"] + (top + tall / 2) * scale)
    page.mouse.move(canvas["x"] + (left + wide) * scale, canvas["y"] + (top + tall) * scale)
    page.mouse.up()
    say_why(page)
    page.get_by_role("heading", name="Box in cam1, frame 60").wait_for()
    page.locator(".match").first.wait_for()
    # A picture of somebody is searched by, as well.
    page.goto(f"{address}/#/wall")
    page.get_by_label("Search by picture…").set_input_files(folder / "somebody.jpg")
    say_why(page)
    page.get_by_role("heading", name="Uploaded: somebody.jpg").wait_for()
    page.locator(".match").first.wait_for()
    stop(process)
    page.close()
