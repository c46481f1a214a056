"""The command line end to end, on real video with the real detector and the shipped weights."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from app.gallery import Gallery
from trackers.evaluation import read_mot

ROOT = Path(__file__).parent.parent.parent
FRAMES = 50
Clip = Callable[[str, int], Path]


class Outcome:
    """Exit code and output of a command."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def assert_refused(self, *parts: str) -> None:
        assert self.code == 2, self.err
        assert self.err.startswith("crowdtrace: ")
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        for part in parts:
            assert part in self.err


@pytest.fixture
def run(crowdtrace: Callable[..., tuple[int, str, str]], detector_weights: Path) -> Callable[..., Outcome]:
    def call(*arguments: object, weights: bool = True) -> Outcome:
        words = [str(argument) for argument in arguments]
        if weights:
            words += ["--set", f"detector.weights={detector_weights}"]
        return Outcome(*crowdtrace(*words))

    return call


@pytest.fixture(scope="session")
def annotated(clip: Clip, detector_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras annotated by the installed command, in a process of its own."""
    output = tmp_path_factory.mktemp("annotated")
    command = [sys.executable, str(ROOT / "run.py"), "annotate", str(clip("town-centre.mp4", FRAMES))]
    command += [f"second={clip('one-by-one.mp4', 90)}", "--output", str(output), "--json", str(output / "run.json")]
    command += ["--set", f"detector.weights={detector_weights}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=output)
    assert done.returncode == 0, done.stderr
    (output / "printed.txt").write_text(done.stdout)
    return output


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


TOWN = f"town-centre-{FRAMES}"


def test_a_video_for_each_camera_that_a_browser_plays(annotated: Path, clip: Clip) -> None:
    for name, source in ((TOWN, clip("town-centre.mp4", FRAMES)), ("second", clip("one-by-one.mp4", 90))):
        with av.open(str(annotated / f"{name}.mp4")) as ours, av.open(str(source)) as theirs:
            stream, original = ours.streams.video[0], theirs.streams.video[0]
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
            assert (stream.width, stream.height) == (original.width, original.height)
            assert float(stream.average_rate) == pytest.approx(float(original.average_rate), rel=0.01)
        assert len(frames_of(annotated / f"{name}.mp4")) == len(frames_of(source))


def test_boxes_are_inside_the_frame_and_many(annotated: Path) -> None:
    rows = read_mot(annotated / f"{TOWN}.txt")
    assert len(rows) / FRAMES >= 8
    assert rows.frames.min() >= 1
    assert rows.frames.max() <= FRAMES
    assert (rows.boxes >= 0).all()
    assert (rows.boxes <= [1920, 1080, 1920, 1080]).all()
    pairs = np.stack([rows.frames, rows.ids], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs), "an identity is twice in one frame"


def test_people_are_drawn_where_their_boxes_are(annotated: Path, clip: Clip) -> None:
    rows = read_mot(annotated / f"{TOWN}.txt")
    drawn = frames_of(annotated / f"{TOWN}.mp4")[20].to_ndarray(format="bgr24").astype(int)
    plain = frames_of(clip("town-centre.mp4", FRAMES))[20].to_ndarray(format="bgr24").astype(int)
    changed = np.abs(drawn - plain).max(axis=2) > 60
    for left, top, right, bottom in rows.boxes[rows.frames == 21].astype(int):
        assert changed[max(top - 3, 0) : bottom + 4, max(left - 3, 0) : left + 4].mean() > 0.1
        assert (right, bottom) > (left, top)
    assert changed.mean() < 0.2


def test_identities_files_and_gallery_tell_the_same(annotated: Path) -> None:
    document = json.loads((annotated / "identities.json").read_text())
    assert [camera["name"] for camera in document["cameras"]] == [TOWN, "second"]
    told = {(t["camera"], t["track"]): p["identity"] for p in document["identities"] for t in p["tracklets"]}
    with Gallery.open(annotated / "gallery.db", read_only=True) as gallery:
        stored = {(t.camera, t.track): t.identity for t in gallery.tracklets()}
        assert {row.name: row.frame_count for row in gallery.cameras()} == {TOWN: FRAMES, "second": 90}
        sightings, features = gallery.sightings()
        assert features is not None
        assert {row.camera for row in sightings} == {TOWN, "second"}
    assert told == stored
    numbers = {int(number) for name in (TOWN, "second") for number in read_mot(annotated / f"{name}.txt").ids}
    assert numbers == set(told.values()), "one space of identities over both cameras"


def test_only_finished_files_are_left(annotated: Path) -> None:
    expected = {f"{TOWN}.mp4", f"{TOWN}.txt", "second.mp4", "second.txt", "identities.json", "gallery.db"}
    assert {path.name for path in annotated.iterdir()} - {"search"} == expected | {"run.json", "printed.txt"}


def test_costs_are_named_by_stage(annotated: Path) -> None:
    printed = (annotated / "printed.txt").read_text()
    result = json.loads((annotated / "run.json").read_text())
    assert result["command"] == "annotate"
    for stage in ("decode", "detect", "embed", "track", "draw", "encode"):
        assert stage in printed
        assert result["results"][-1][f"{stage}_s"] >= 0
    assert result["results"][-1]["frames"] == FRAMES + 90


def visible_person(annotated: Path) -> tuple[int, int, list[float]]:
    """Frame (from 0), identity and box (left top width height) of a large person in the middle of the clip."""
    rows = read_mot(annotated / f"{TOWN}.txt")
    here = rows[rows.frames == 31]
    sizes = here.boxes[:, 2:] - here.boxes[:, :2]
    best = int(np.argmax(sizes.prod(axis=1)))
    return 30, int(here.ids[best]), [*here.boxes[best, :2], *sizes[best]]


def test_a_box_finds_its_own_tracklet_first(annotated: Path, run: Callable[..., Outcome]) -> None:
    frame, identity, box = visible_person(annotated)
    found = run("search", "--gallery", annotated, "--camera", TOWN, "--frame", frame, "--box", *box, "--json",
                annotated / "search.json", weights=False)  # fmt: skip
    assert found.code == 0, found.err
    rows = json.loads((annotated / "search.json").read_text())["results"]
    (annotated / "search.json").unlink()
    assert (rows[0]["camera"], rows[0]["identity"]) == (TOWN, identity)
    assert rows[0]["name"] == f"{TOWN} {rows[0]['track']}"
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["distance"] for row in rows] == sorted(row["distance"] for row in rows)
    sheet = next((annotated / "search").glob("*.jpg"))
    assert str(sheet) in found.out
    assert frames_of(sheet)[0].width > 500
    listed = list(csv.DictReader(sheet.with_suffix(".csv").open()))
    assert [int(row["track"]) for row in listed] == [row["track"] for row in rows]
    with Gallery.open(annotated / "gallery.db", read_only=True) as gallery:
        entry = gallery.audit_log()[-1]
    assert entry.action == "search"
    assert entry.details["origin"] == {"camera": TOWN, "frame": frame, "box": pytest.approx(box)}


def test_time_image_and_identity_find_the_same_person(
    annotated: Path, run: Callable[..., Outcome], tmp_path: Path, clip: Clip
) -> None:
    frame, identity, (left, top, width, height) = visible_person(annotated)
    video = frames_of(clip("town-centre.mp4", FRAMES))
    picture = video[frame].to_image().crop((int(left), int(top), int(left + width), int(top + height)))
    picture.save(tmp_path / "person.png")
    seconds = float(video[frame].pts * video[frame].time_base - video[0].pts * video[0].time_base)
    ways = [
        ["--camera", TOWN, "--time", seconds, "--box", left, top, width, height],
        ["--image", tmp_path / "person.png"],
        ["--identity", identity],
    ]
    for way in ways:
        found = run("search", "--gallery", annotated / "gallery.db", *way, "--output", tmp_path, "--json",
                    tmp_path / "found.json", weights=False)  # fmt: skip
        assert found.code == 0, found.err
        assert json.loads((tmp_path / "found.json").read_text())["results"][0]["identity"] == identity


def test_filters_leave_out_other_cameras_and_times(
    annotated: Path, run: Callable[..., Outcome], tmp_path: Path
) -> None:
    base = ["search", "--gallery", annotated, "--identity", visible_person(annotated)[1], "--output", tmp_path]
    base += ["--json", tmp_path / "found.json"]
    run(*base, "--in", "second", weights=False)
    assert {row["camera"] for row in json.loads((tmp_path / "found.json").read_text())["results"]} == {"second"}
    late = run(*base, "--from", "1000", weights=False)
    assert late.code == 0
    assert "nobody" in late.out
    assert json.loads((tmp_path / "found.json").read_text())["results"] == []


def test_search_refuses_what_cannot_be_searched(annotated: Path, run: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("not a picture")
    camera = ["--camera", TOWN]
    cases: list[tuple[list[object], str]] = [
        ([*camera, "--frame", 3, "--box", 1900, 900, 200, 200], "not inside the frame"),
        ([*camera, "--frame", 3, "--box", 10, 10, 0, 20], "width and height must be above 0"),
        ([*camera, "--frame", FRAMES, "--box", 10, 10, 20, 20], f"frames 0 to {FRAMES - 1}"),
        ([*camera, "--time", 99, "--box", 10, 10, 20, 20], "99"),
        ([*camera, "--time", "noon", "--box", 10, 10, 20, 20], "ISO 8601"),
        ([*camera, "--frame", 3], "--box"),
        (["--camera", "town-center", "--frame", 3, "--box", 1, 1, 9, 9], TOWN),
        (["--identity", 9999], "identity 9999"),
        (["--image", tmp_path / "none.jpg"], "cannot be read"),
        (["--image", tmp_path / "text.jpg"], "not a picture"),
        (["--identity", 1, "--image", tmp_path / "text.jpg"], "one of them"),
        ([], "say who to search for"),
        (["--identity", 1, "--from", 5, "--to", 1], "after"),
        (["--identity", 1, "--output", annotated / "gallery.db" / "x"], "cannot write results there"),
    ]
    for arguments, part in cases:
        run("search", "--gallery", annotated, *arguments, weights=False).assert_refused(part)
    run("search", "--gallery", tmp_path / "none.db", "--identity", 1, weights=False).assert_refused("none.db")


def test_a_gallery_of_another_model_is_refused(annotated: Path, run: Callable[..., Outcome], tmp_path: Path) -> None:
    from reid_model.checkpoint import save_weights
    from reid_model.network import Gasm, GasmConfig

    save_weights(Gasm(GasmConfig(backbone="osnet_x0_25", size=(64, 32), cells=(2, 2))), tmp_path / "other.safetensors")
    other = ["--set", f"embedder.weights={tmp_path / 'other.safetensors'}"]
    refused = run("search", "--gallery", annotated, "--identity", 1, *other, weights=False)
    refused.assert_refused("its vectors come from model osnet_x1_0 ", "the model in use is osnet_x0_25 64x32")


@pytest.fixture
def town(clip: Clip) -> Path:
    return clip("town-centre.mp4", 12)


def test_annotate_refuses_bad_input_before_it_works(run: Callable[..., Outcome], tmp_path: Path, town: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is a text file, not a video\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.pt").write_text("not weights")
    out = tmp_path / "out"
    cases: list[tuple[list[object], str]] = [
        ([tmp_path / "none.mp4", "--output", out], "none.mp4"),
        ([tmp_path / "text.mp4", "--output", out], "text.mp4"),
        ([tmp_path / "empty.mp4", "--output", out], "empty.mp4"),
        ([f"a/b={town}", "--output", out], "a/b"),
        ([town, "--output", out, "--set", "detector.confidnce=1"], "did you mean 'confidence'?"),
        ([town, "--output", out, "--set", "detector.confidence=2"], "given 2"),
        ([town, "--output", out, "--set", "detector.confidence=high"], "'high'"),
        ([town, "--output", out, "--set", f"embedder.weights={tmp_path / 'text.pt'}"], "not a safetensors file"),
        ([town, "--output", out, "--config", tmp_path / "none.yaml"], "none.yaml: no such file"),
        ([town, "--output", tmp_path / "text.mp4" / "deeper"], "cannot write results there"),
        ([town, "--output", "/proc/nothing"], "cannot write results there"),
        (["--output", out], "nothing to do"),
        ([town, "--output", out, "--set", "embedder.device=cuda:99"], "embedder.device is cuda:99"),
        ([town, "--output", out, "--json", tmp_path / "none" / "run.json"], "run.json: cannot be written"),
    ]
    for arguments, part in cases:
        run("annotate", *arguments).assert_refused(part)
    wrong_weights = ["--set", f"detector.weights={tmp_path / 'text.pt'}"]
    run("annotate", town, "--output", out, *wrong_weights, weights=False).assert_refused("text.pt")
    assert not out.exists() or not any(out.iterdir()), "nothing is left behind"


def test_an_annotated_video_never_replaces_its_source(run: Callable[..., Outcome], tmp_path: Path, town: Path) -> None:
    source = tmp_path / "town.mp4"
    source.write_bytes(town.read_bytes())
    run("annotate", source, "--output", tmp_path).assert_refused("would replace its own source")
    assert source.read_bytes() == town.read_bytes()


def test_a_truncated_video_is_processed_as_far_as_it_decodes(
    annotated: Path, run: Callable[..., Outcome], tmp_path: Path, shared: Path
) -> None:
    """An mp4 with its index in front, and an MPEG-1 without any, both cut off."""
    whole = {"cut.mp4": annotated / f"{TOWN}.mp4", "cut.mpg": shared / "data" / "videos" / "corridor.mpg"}
    for (name, source), share in zip(whole.items(), (2, 12), strict=True):
        data = source.read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // share])
        output = tmp_path / f"out-{name}"
        done = run("annotate", tmp_path / name, "--output", output)
        assert done.code == 0, done.err
        assert 10 < len(frames_of(output / "cut.mp4")) < 60
        if name == "cut.mp4":
            assert "warning: " in done.err


def test_a_video_without_people_gives_valid_empty_results(run: Callable[..., Outcome], tmp_path: Path) -> None:
    with av.open(str(tmp_path / "wall.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for value in range(8):
            image = np.full((240, 320, 3), 100 + value, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    done = run("annotate", tmp_path / "wall.mp4", "--output", tmp_path / "out")
    assert done.code == 0, done.err
    assert len(frames_of(tmp_path / "out" / "wall.mp4")) == 8
    assert len(read_mot(tmp_path / "out" / "wall.txt")) == 0
    assert json.loads((tmp_path / "out" / "identities.json").read_text())["identities"] == []
    run("search", "--gallery", tmp_path / "out", "--identity", 1, weights=False).assert_refused("holds no identities")


def test_a_second_run_replaces_the_first(run: Callable[..., Outcome], tmp_path: Path, town: Path) -> None:
    for _ in range(2):
        assert run("annotate", f"a={town}", "--output", tmp_path / "out").code == 0
    with Gallery.open(tmp_path / "out" / "gallery.db", read_only=True) as gallery:
        assert [row.name for row in gallery.cameras()] == ["a"]


def test_ctrl_c_leaves_playable_video_and_readable_files(tmp_path: Path, shared: Path, detector_weights: Path) -> None:
    command = [sys.executable, str(ROOT / "run.py"), "annotate", str(shared / "data" / "videos" / "town-centre.mp4")]
    command += ["--output", str(tmp_path / "out"), "--set", f"detector.weights={detector_weights}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    partial = tmp_path / "out" / ".gallery.db.part"
    deadline = time.monotonic() + 120
    while not partial.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert "Traceback" not in err
    frames = len(frames_of(tmp_path / "out" / "town-centre.mp4"))
    assert 0 < frames < 302
    assert read_mot(tmp_path / "out" / "town-centre.txt").frames.max(initial=0) <= frames
    with Gallery.open(tmp_path / "out" / "gallery.db", read_only=True) as gallery:
        assert gallery.cameras()[0].frame_count == frames
    document = json.loads((tmp_path / "out" / "identities.json").read_text())
    assert document["cameras"][0]["frames"] == frames


def test_tracking_is_scored_online_and_by_identity(run: Callable[..., Outcome], tmp_path: Path, shared: Path) -> None:
    sequence = shared / "data" / "mot" / "MOT17-mini" / "MOT17-04-FRCNN"
    for ids in ("track", "identity"):
        done = run("evaluate", "tracking", "--sequence", sequence, "--ids", ids, "--json", tmp_path / "f.json")
        assert done.code == 0, done.err
        result = json.loads((tmp_path / "f.json").read_text())
        assert result["command"] == "evaluate tracking"
        assert result["results"][0]["IDF1"] > 10
        assert {"HOTA", "AssA", "DetA", "MOTA", "IDSW", "fps"} <= set(result["results"][0])


def test_boxes_alone_need_no_pictures_and_no_weights(run: Callable[..., Outcome], tmp_path: Path, shared: Path) -> None:
    folders = [shared / "data" / "mot-boxes" / name for name in ("TUD-Campus", "KITTI-17")]
    words = [word for folder in folders for word in ("--sequence", folder)]
    done = run("evaluate", "tracking", *words, "--boxes", "--json", tmp_path / "f.json", weights=False)
    assert done.code == 0, done.err
    results = json.loads((tmp_path / "f.json").read_text())["results"]
    assert [result["name"] for result in results] == ["TUD-Campus", "KITTI-17"]
    assert min(result["IDF1"] for result in results) > 50


def test_evaluation_refuses_what_is_no_sequence(run: Callable[..., Outcome], tmp_path: Path, shared: Path) -> None:
    run("evaluate", "tracking", "--sequence", tmp_path / "none").assert_refused("no such folder")
    run("evaluate", "tracking", "--sequence", tmp_path).assert_refused("seqinfo.ini")
    boxes = shared / "data" / "mot-boxes" / "TUD-Campus"
    run("evaluate", "tracking", "--sequence", boxes).assert_refused("use --boxes")


def test_wrong_usage_is_exit_code_two_without_a_traceback(run: Callable[..., Outcome]) -> None:
    for arguments in (["anotate"], ["annotate"], ["search"], ["search", "--gallery", "x", "--top", "0"], ["check"]):
        outcome = run(*arguments, weights=False)
        assert outcome.code == 2
        assert "Traceback" not in outcome.err


def test_commands_of_this_version_and_no_others(run: Callable[..., Outcome]) -> None:
    help_text = run("--help", weights=False).out
    for command in ("annotate", "search", "evaluate", "check"):
        assert command in help_text
    assert run("--version", weights=False).out.startswith("crowdtrace ")
