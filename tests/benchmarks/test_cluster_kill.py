"""What the benchmark that kills parts of a cluster takes for a failure."""

from types import SimpleNamespace

import pytest

from app.gallery import CameraRow, Gallery, LiveIndex
from app.search import search
from benchmarks.cluster_kill import PARTS, judged
from benchmarks.gallery_made import MODEL, Maker

NAMED = (("shard 1 of 3",), 5)


@pytest.fixture
def cluster(tmp_path):
    with Gallery.create(tmp_path / "gallery.db", MODEL) as gallery:
        gallery.add_camera(CameraRow("camera-0", "none", 0.0, 1920, 1080, 10.0, 0))
        gallery.add_tracklets("camera-0", Maker(7).batch(1, 3))

        def find(query, top):
            return SimpleNamespace(matches=search(gallery, query, top=top, index=LiveIndex.open(gallery)))

        yield SimpleNamespace(gallery=gallery, sync=lambda: None, search=find)


def seen(*answers, failed=()):
    return SimpleNamespace(answers=list(answers), failed=list(failed), waits=[0.02, 0.04])


def test_a_run_in_which_all_came_back_is_sound(cluster):
    results, wrong = judged(cluster, seen(NAMED, ((), 5)), {key: [3.0, 5.0] for key in PARTS}, {("camera-0", 1)})
    assert wrong == []
    assert results[0] == {"name": "worker", "kills": 2, "back_p50_s": 4.0, "back_max_s": 5.0}
    assert (results[-1]["acknowledged"], results[-1]["lost"], results[-1]["incomplete"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("answers", "failed", "seconds", "safe", "why"),
    [
        ([NAMED], (), 15.1, 1, "shard: back after 15.1 s"),
        ([NAMED], (), 3.0, 9, "1 acknowledged tracklets are not in the store"),
        ([NAMED], ("InputError: away",), 3.0, 1, "InputError: away"),
        ([NAMED, ((), 0)], (), 3.0, 1, "1 searches found nobody"),
        ([((), 5)], (), 3.0, 1, "no search named the shard that was away"),
    ],
)
def test_what_went_wrong_is_named(cluster, answers, failed, seconds, safe, why):
    spent = {**{key: [3.0] for key in PARTS}, "shard": [seconds]}
    assert judged(cluster, seen(*answers, failed=failed), spent, {("camera-0", safe)})[1] == [why]


def test_shards_that_find_something_else_are_named(cluster):
    cluster.search = lambda query, top: SimpleNamespace(matches=[])
    assert judged(cluster, seen(NAMED), {key: [3.0] for key in PARTS}, set())[1] == [
        "shards find something else than one index"
    ]
