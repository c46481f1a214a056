"""The pictures of the console in README.md and docs/console.md.

python -m benchmarks.console_pictures --output DIR [--gallery DIR]

The demonstration's three cameras are annotated as `run.py demo` does (or a folder that is annotated already is given:
it is copied), and served. Who on the wall is found in another camera with the highest probability is clicked, and the
first match in another camera is explained: how well people are found is not shown by it but measured. Written
are DIR/console-wall.jpg, DIR/console-search.jpg and DIR/console-reason.jpg.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import Page

from app.demo import SCENE
from app.gallery.store import gallery_file
from app.offline import annotate
from app.settings import load_config
from app.sources import name_sources
from benchmarks.console_browser import opened

TIME = 5.0
CAMERA = "cam1"
QUALITY = 82


def keep(page: Page, path: Path) -> None:
    """What the browser shows, as a small JPEG."""
    image = cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    path.write_bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes())
    print(f"{path}: {image.shape[1]} x {image.shape[0]}, {path.stat().st_size / 1024:.0f} KB")


SEARCHED = """
async ([camera, frame, boxes, headers]) => {
  const best = [];
  for (const {box, identity} of boxes) {
    const body = JSON.stringify({camera, frame, box});
    const answer = await fetch("/api/searches/box", {method: "POST", headers, body});
    const found = answer.ok ? await answer.json() : {matches: []};
    best.push(found.matches.find((match) => match.camera !== camera && match.identity === identity)?.probability ?? 0);
  }
  return best;
}
"""


def whom(page: Page) -> dict[str, Any]:
    """Of those on the wall's first camera, who is found in another with the highest probability."""
    shown: dict[str, Any] = page.evaluate(
        "address => fetch(address).then(answer => answer.json())", f"/api/boxes?camera={CAMERA}&at={TIME}"
    )
    session = page.evaluate("() => fetch('/api/session').then(answer => answer.json())")
    headers = {"content-type": "application/json", "x-csrf-token": session["csrf"]}
    likely = page.evaluate(SEARCHED, [CAMERA, shown["frame"], shown["boxes"], headers])
    return {**shown["boxes"][int(np.argmax(likely))], "width": shown["width"]}


def take(page: Page, address: str, output: Path) -> None:
    """The three pictures."""
    chosen = whom(page)
    page.goto(f"{address}/#/wall?camera={CAMERA}&at={TIME}")
    page.reload()
    page.locator(".tile .chips li").nth(3).wait_for()
    page.wait_for_timeout(1000)
    canvas = page.locator(".tile canvas").first.bounding_box()
    assert canvas is not None
    left, top, width, height = (value * canvas["width"] / chosen["width"] for value in chosen["box"])
    at = canvas["x"] + left + width / 2, canvas["y"] + top + height / 2
    page.mouse.move(*at)
    keep(page, output / "console-wall.jpg")
    page.mouse.click(*at)
    page.locator(".match img").nth(5).wait_for()
    page.wait_for_timeout(500)
    keep(page, output / "console-search.jpg")
    match = page.locator(".match").filter(has_not_text=f"{CAMERA},").first
    match.get_by_role("button", name="Why?").click()
    page.locator("dialog.reason td").first.wait_for()
    page.mouse.move(2, 2)
    page.wait_for_timeout(300)
    keep(page, output / "console-reason.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--gallery", type=Path, help="a folder that is annotated already")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.gallery is None:
            sources = [f"{camera}={SCENE / camera / 'video.mp4'}" for camera in ("cam1", "cam2", "cam3")]
            annotate(name_sources(sources), folder, load_config(None, ["detector.weights=bundled"]), lambda *_: None)
        else:
            shutil.copy(gallery_file(given.gallery), folder / "gallery.db")
        with opened(folder) as console:
            take(console.page(1280, 960), console.address, given.output)


if __name__ == "__main__":
    main()
