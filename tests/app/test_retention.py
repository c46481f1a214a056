"""What is kept is kept for thirty days, unless somebody says otherwise, and `track` takes out what is over."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.config import CameraConfig, Config, DetectorConfig, EmbedderConfig
from app.config_events import EventsConfig
from app.config_live import LiveConfig
from app.embedding import load_embedder
from app.gallery import Gallery
from app.live.expiring import PURGE_SECONDS
from app.live.session import Session
from tests.app.galleries import DAY, camera, picture, plain, tracklet

CLIP = Path(__file__).parents[2] / "demo_videos" / "three-cameras" / "cam3" / "video.mp4"


def test_it_is_on_by_default(tmp_path: Path) -> None:
    assert Config().gallery.retention_days == 30
    with Gallery.create(tmp_path / "gallery.db", "model", config=Config().gallery) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(1)])
    with plain(tmp_path / "gallery.db") as database:
        ((stored, expires),) = database.execute("SELECT stored, expires FROM tracklets")
    assert expires - stored == pytest.approx(30 * DAY)
    assert stored == pytest.approx(time.time(), abs=60)


def test_a_live_run_takes_out_what_has_expired_and_leaves_the_rest(tmp_path: Path) -> None:
    config = Config(
        cameras=[CameraConfig(name="hall", source=str(CLIP), analyse_fps=2)],
        detector=DetectorConfig(weights="bundled"),
        embedder=EmbedderConfig(weights="small"),
        live=LiveConfig(folder=str(tmp_path)),
        events=EventsConfig(metrics_port=None),
    )
    embedder = load_embedder(config.for_live().embedder)
    seen = embedder.embed([picture(1), picture(2)])
    with Gallery.create(tmp_path / "gallery.db", embedder.model_id, config=config.gallery) as gallery:
        gallery.add_camera(camera("east"))
        gallery.add_tracklets("east", [tracklet(1, exemplars=seen), tracklet(2, exemplars=seen)])
    # The first was stored thirty-one days ago.
    with plain(tmp_path / "gallery.db") as database:
        for table in ("tracklets", "sightings"):
            which = "track = 1" if table == "tracklets" else "tracklet_id IN (SELECT id FROM tracklets WHERE track = 1)"
            database.execute(f"UPDATE {table} SET expires = ? WHERE {which}", (time.time() - DAY,))
    session = Session(config, lambda: config)
    run = threading.Thread(target=session.run)
    run.start()
    try:
        end = time.monotonic() + 60
        while "purge" not in actions(tmp_path) and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        session.stop()
        run.join(60)
    assert "purge" in actions(tmp_path), "each removal is in the audit log"
    assert PURGE_SECONDS <= 3600, "and comes again while the run lasts"
    with plain(tmp_path / "gallery.db") as database:
        ((east,),) = database.execute("SELECT id FROM cameras WHERE name = 'east'")
        assert database.execute(f"SELECT track FROM tracklets WHERE camera_id = {east}").fetchall() == [(2,)]
        for table, key in (("vectors", "sighting_id"), ("crops", "sighting_id"), ("sightings", "id")):
            over = f"SELECT count(*) FROM {table} WHERE {key} NOT IN (SELECT id FROM sightings WHERE expires > ?)"
            assert database.execute(over, (time.time(),)).fetchone() == (0,)


def actions(folder: Path) -> set[str]:
    with plain(folder / "gallery.db") as database:
        return {action for (action,) in database.execute("SELECT action FROM audit")}
