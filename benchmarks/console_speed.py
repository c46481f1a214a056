"""How long an operator waits: from the click on somebody's box to the first result's picture, in a browser.

python -m benchmarks.console_speed [--sightings N] [--clicks N] [--folder DIR] [--json FILE]

The demonstration's three cameras are annotated as `run.py demo` does, and sightings without meaning, of the same
sizes, are added until the gallery holds N. The console serves it with its defaults; Chromium runs on the same machine
and takes its share of it. People are clicked at random in random cameras at random times. What is measured is what
the page itself sees: from the pointer's release to the moment that the first match's picture is decoded. The other
figure is the server's own: from the request to the ranked matches, features included.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page

from app.demo import SCENE
from app.gallery import Gallery
from app.gallery.rows import CameraRow
from app.offline import annotate
from app.reports import print_results
from app.settings import load_config
from app.sources import name_sources
from benchmarks.console_browser import Opened, opened
from benchmarks.gallery_made import VIEWS, Maker, batches

BATCH = 50
FILLED = "filled"

TIMED = """
addEventListener("pointerup", () => { window.clicked = performance.now(); window.shown = null; }, true);
document.addEventListener("load", (event) => {
  if (event.target.closest?.(".match") && window.shown === null) window.shown = performance.now();
}, true);
"""
"""Runs before the page's own script: when the pointer was released, and when the first match's picture was there."""


def make(folder: Path, sightings: int) -> int:
    """The demonstration's gallery, filled up; how many sightings it holds."""
    config = load_config(None, ["detector.weights=bundled"])
    cameras = name_sources([f"{camera}={SCENE / camera / 'video.mp4'}" for camera in ("cam1", "cam2", "cam3")])
    annotate(cameras, folder, config, lambda *_: None)
    with Gallery.open(folder / "gallery.db") as gallery:
        missing = sightings - len(gallery.sighting_ids())
        gallery.add_camera(CameraRow(FILLED, "none", 0.0, 1920, 1080, 10.0, 0))
        for batch in batches(Maker(0), max(0, missing) // VIEWS, BATCH):
            gallery.add_tracklets(FILLED, batch)
        return len(gallery.sighting_ids())


def click(page: Page, address: str, chosen: random.Random) -> tuple[float, float]:
    """Clicks on somebody; milliseconds to the first result's picture, and those of the server."""
    camera, time = chosen.choice(["cam1", "cam2", "cam3"]), round(chosen.uniform(0.5, 19), 1)
    address_of = f"/api/boxes?camera={camera}&at={time}"
    shown: dict[str, Any] = page.evaluate("address => fetch(address).then(answer => answer.json())", address_of)
    left, top, width, height = chosen.choice(shown["boxes"])["box"]
    page.goto(f"{address}/#/wall?camera={camera}&at={time}")
    tile = page.locator(f"section[aria-label='Camera {camera}']")
    tile.locator(".chips li").first.wait_for()
    page.wait_for_timeout(300)
    canvas = tile.locator("canvas").bounding_box()
    assert canvas is not None
    scale = canvas["width"] / shown["width"]
    page.mouse.click(canvas["x"] + (left + width / 2) * scale, canvas["y"] + (top + height / 2) * scale)
    page.locator(".match").first.wait_for()
    for _ in range(200):
        if page.evaluate("window.shown") is not None:
            break
        page.wait_for_timeout(10)
    waited = float(page.evaluate("window.shown - window.clicked"))
    told = page.locator(".summary").inner_text()
    return waited, float(told.split(" in ")[1].split(" ms")[0])


def measure(console: Opened, clicks: int) -> list[dict[str, object]]:
    """Times of so many clicks, after a few that are not counted."""
    page = console.page(1280, 1400)
    page.add_init_script(TIMED)
    page.reload()
    chosen = random.Random(0)
    times = np.array([click(page, console.address, chosen) for _ in range(clicks + 3)][3:])
    return [
        {
            "name": name,
            "clicks": clicks,
            "p50_ms": round(float(np.quantile(values, 0.5)), 1),
            "p95_ms": round(float(np.quantile(values, 0.95)), 1),
            "max_ms": round(float(values.max()), 1),
        }
        for name, values in (("click to first picture", times[:, 0]), ("server", times[:, 1]))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sightings", type=int, default=100_000)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the gallery is made; the system's own when left out")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        held = make(Path(folder), given.sightings)
        with opened(Path(folder)) as console:
            results = [{**each, "sightings": held} for each in measure(console, given.clicks)]
    print_results("console_speed", results, given.json)


if __name__ == "__main__":
    main()
