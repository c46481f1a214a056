"""Many processes over one store: what shards find together, what a worker keeps until it is safe, who comes back."""

import itertools
import os
import signal
import threading
import time
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.cluster import actors
from app.cluster.shard import Shard, owner
from app.cluster.sharded import ShardedIndex
from app.cluster.starting import TOKENS, join_shards, keep_others_out
from app.cluster.worker import Outbox, next_tracks, share
from app.config import CameraConfig, Config
from app.errors import InputError
from app.gallery import Gallery, LiveIndex
from app.gallery.erasing import purge
from app.live.linking import Linking, Parcel
from app.live.spool import Spool
from app.search import search
from benchmarks.cluster_made import set_rate, told_safe
from tests.app.cluster_workers import Worker
from tests.app.galleries import DAY, MODEL, camera, features, tracklet
from tests.postgres import programs, server

MEGABYTE = 1 << 20


def shards_of(gallery, count, seconds=4.0):
    made = [Shard(gallery, number, count, seconds) for number in range(count)]

    def ask(query, top, terms):
        return [each.hits(query, top, terms) for each in made], []

    return made, ShardedIndex(gallery.model, ask)


def grow(gallery, first, count):
    for number in range(first, first + count):
        name = ("east", "west")[number % 2]
        gallery.add_tracklets(name, [tracklet(number, start=7 * number, exemplars=features(3, number))])


def same(first, second):
    """Result by result: the ranks, the tracklets, and what is said of them.

    The last bit of a distance depends on how many vectors are compared in one product.
    """
    rows = [[(m.rank, m.camera, m.track, m.frame, m.person, m.query) for m in each] for each in (first, second)]
    assert rows[0] == rows[1]
    assert [m.distance for m in first] == pytest.approx([m.distance for m in second], abs=1e-6)


@settings(max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 5),
    top=st.integers(1, 15),
    exact=st.booleans(),
    cameras=st.sampled_from([None, ["west"]]),
    cut=st.booleans(),
)
@example(seed=5, count=3, top=3, exact=False, cameras=None, cut=False)
def test_shards_find_what_one_index_finds(tmp_path_factory, seed, count, top, exact, cameras, cut):
    path = tmp_path_factory.mktemp("shards") / "gallery.db"
    # A shortlist that most sightings are not on.
    with pytest.MonkeyPatch.context() as patch, Gallery.create(path, MODEL, clock=lambda: 1.0) as gallery:
        patch.setattr("app.search.SHORTLIST", 10)
        patch.setattr("app.search.MOST_SIGHTINGS", 1)
        for name in ("east", "west"):
            gallery.add_camera(camera(name))
        made, index = shards_of(gallery, count)
        assert search(gallery, features(1, seed), index=index) == [], "nothing is stored yet"
        grow(gallery, 1, 30)
        for each in made:
            each.sync()
        grow(gallery, 31, 10)
        for each in made:
            each.sync()
        assert sum(map(len, made)) == len(gallery.sighting_ids()) == 120
        wish = {
            "top": top,
            "exact": exact,
            "cameras": cameras,
            "start": 5.0 if cut else None,
            "end": 15.0 if cut else None,
        }
        for query in (features(2, seed), features(1, 5)):
            same(
                search(gallery, query, index=index, **wish),
                search(gallery, query, index=LiveIndex.open(gallery), **wish),
            )


def test_every_sighting_has_one_owner_and_what_is_gone_goes(tmp_path):
    times = np.random.default_rng(0).uniform(0, 1e9, 1000)
    owners = owner(times, 3600.0, 7)
    assert set(owners.tolist()) == set(range(7))
    np.testing.assert_array_equal(owners, (times // 3600).astype(int) % 7)
    now = [0.0]
    with Gallery.create(tmp_path / "gallery.db", MODEL, clock=lambda: now[0]) as gallery:
        for name in ("east", "west"):
            gallery.add_camera(camera(name))
        grow(gallery, 1, 10)
        made, _ = shards_of(gallery, 3)
        assert {each.sync() for each in made} == {30}
        now[0] = 20 * DAY
        grow(gallery, 11, 4)
        now[0] = 31 * DAY
        purge(gallery)
        for each in made:
            each.sync()
        ids = [each._index.ids() for each in made if each._index is not None]
        assert sorted(itertools.chain(*ids)) == gallery.sighting_ids().tolist() == list(range(31, 43))


def test_cameras_are_shared_out_whole():
    cameras = [CameraConfig(name=f"c{number}", source="x.mp4") for number in range(7)]
    parts = [share(cameras, 3, number) for number in range(3)]
    assert sorted(each.name for part in parts for each in part) == [each.name for each in cameras]
    assert max(map(len, parts)) - min(map(len, parts)) == 1


def test_a_worker_keeps_what_ended_until_it_is_safe(tmp_path):
    spool = Spool(tmp_path / "worker-0.db", 64 * MEGABYTE)
    box, taken = Outbox(spool), []

    def away(parcel):
        raise RuntimeError("gone")

    def half(parcel):
        taken.append(parcel)
        return [(name, item.track_id) for name, item in parcel.ended][:1]

    box.offer("east", [tracklet(1, exemplars=features(2))], finished=False)
    box.offer("east", [tracklet(2, exemplars=features(2)), tracklet(3)], finished=True)
    box.withdraw("east", 9)
    assert not box.send(away)
    assert spool.keys == {("east", 2), ("east", 3)}
    assert len(box) == 2
    # The process dies; the next one has the file.
    spool.close()
    spool = Spool(spool.path, 64 * MEGABYTE)
    again = Outbox(spool)
    again.offer("east", [tracklet(4)], finished=True)
    assert again.send(half)
    assert {item.track_id for _, item in taken[-1].ended} == {2, 3, 4}
    assert len(again) == 2
    assert again.send(half)
    assert again.send(half)
    assert len(again) == 0
    assert not spool.path.exists()
    assert box.send(half)
    assert taken[-1].withdrawn == [("east", 9)]


def test_parcels_that_come_while_one_is_written_are_written_together(tmp_path):
    cameras = [{"name": name, "source": "rtsp://host/a"} for name in ("east", "west")]
    linking = Linking(Config.model_validate({"cameras": cameras, "live": {"folder": str(tmp_path)}}), MODEL)
    steps, safe, step = [], {}, linking.linker.step
    linking.linker.step = lambda: steps.append(linking.gallery.revision()) or step()

    def send(number):
        item = tracklet(number, exemplars=features(2, number))
        safe[number] = linking.take(Parcel([], [(("east", "west")[number % 2], item)], [], []))
        assert {(row.camera, row.track) for row in linking.gallery.tracklets()} >= set(safe[number])

    try:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(1, 21)]
        with linking._lock:
            for each in threads:
                each.start()
            while linking._gathered < len(threads):
                time.sleep(0.01)
        for each in threads:
            each.join()
        assert len(steps) == 1
        assert sorted(itertools.chain(*safe.values())) == sorted((("east", "west")[n % 2], n) for n in range(1, 21))
        linking.step()
        assert len(steps) == 2
    finally:
        linking.close()


def test_the_processes_of_a_cluster_keep_their_memory_within_bounds(monkeypatch):
    ray = pytest.importorskip("ray")
    done = []
    monkeypatch.setattr(actors, "prepare_process", lambda: done.append("prepared"))
    monkeypatch.setattr(actors, "Linking", lambda *given: done.append("linking"))
    monkeypatch.setattr("app.cluster.worker.Worker", lambda *given: done.append("working") or MagicMock())
    monkeypatch.setattr(ray, "get", lambda given, timeout: {})
    actors.AssociatorActor(Config(), MODEL)
    actors.WorkerActor(Config(), 0, MagicMock())
    assert done == ["prepared", "linking", "prepared", "working"]


def test_a_worker_goes_on_with_numbers_that_nobody_has(tmp_path):
    cameras = [{"name": name, "source": "rtsp://host/a"} for name in ("east", "west", "north")]
    linking = Linking(Config.model_validate({"cameras": cameras, "live": {"folder": str(tmp_path)}}), MODEL)
    spool = Spool(tmp_path / "worker-0.db", 64 * MEGABYTE)
    try:
        assert next_tracks(linking.last_tracks(), spool) == {"east": 1, "west": 1, "north": 1}
        linking.gallery.add_tracklets("east", [tracklet(4)])
        linking.linker.offer("west", [tracklet(7)], finished=True)
        box = Outbox(spool)
        box.offer("north", [tracklet(2)], finished=True)
        assert box.send(lambda parcel: []), "the associator has no room"
        assert spool.keys == {("north", 2)}
        assert next_tracks(linking.last_tracks(), spool) == {"east": 5, "west": 8, "north": 3}
    finally:
        spool.close()
        linking.close()


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder without a token, and an environment that says nothing of one."""
    for name in ("RAY_AUTH_MODE", *TOKENS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_ray_is_for_those_who_know_its_token(home, monkeypatch):
    file = home / ".ray" / "auth_token"
    keep_others_out(local=False)
    assert "RAY_AUTH_MODE" not in os.environ, "the Ray of another may have none"
    keep_others_out(local=True)
    token = file.read_text()
    assert (file.stat().st_mode & 0o777, len(token)) == (0o600, 64)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.delenv("RAY_AUTH_MODE")
    keep_others_out(local=False)
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert file.read_text() == token
    assert not TOKENS & os.environ.keys()


def test_where_the_home_folder_cannot_be_written_the_token_is_in_the_environment(home, monkeypatch):
    (home / ".ray").write_text("in the way")
    keep_others_out(local=True)
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert os.environ["RAY_AUTH_MODE"] == "token"
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    keep_others_out(local=True)
    assert os.environ["RAY_AUTH_MODE"] == "disabled", "whoever says so means it"


# With Ray


@pytest.fixture(scope="module")
def postgres():
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with server() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(postgres, tmp_path_factory):
    import ray

    from app.cluster.cluster import Cluster
    from app.cluster.starting import start

    folder = tmp_path_factory.mktemp("cluster")
    config = Config.model_validate(
        {
            "cameras": [{"name": name, "source": "rtsp://host/a"} for name in ("east", "west")],
            "gallery": {"url": postgres.address()},
            "live": {"folder": str(folder)},
            "cluster": {
                **{"shards": 2, "shard_cpus": 0.1, "worker_cpus": 0.1, "slice_minutes": 0.1},
                **{"ask": "auto", "answer_seconds": 10},
            },
            "association": {"wait_seconds": 1.0},
        }
    )
    with Gallery.create(postgres.address(), MODEL) as gallery:
        for name in ("east", "west"):
            gallery.add_camera(camera(name))
        grow(gallery, 1, 40)
    start("local", megabytes=100, processors=1)
    made = Cluster(config, MODEL, Worker)
    try:
        yield made
    finally:
        made.close()
        ray.shutdown()


def limit():
    """Seconds within which all have to be back: 15, on processors that others leave free."""
    return 15 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def settled(cluster):
    """Waits until all are there and answer; how long that took."""
    begun = time.monotonic()
    while cluster.away or cluster.search(features(1, 5)).missing:
        assert time.monotonic() - begun < 2 * limit()
        time.sleep(0.1)
    return time.monotonic() - begun


def pid_of(kept):
    import ray

    return ray.get(kept.handle.pid.remote(), timeout=60)


def test_shards_find_together_what_one_index_finds_also_for_another_process(cluster):
    settled(cluster)
    cluster.sync()
    one = LiveIndex.open(cluster.gallery)
    others = join_shards(cluster.gallery, cluster.config)
    for query, exact in itertools.product((features(2, 7), features(1, 100)), (False, True)):
        found = cluster.search(query, exact=exact, top=12)
        assert found.missing == ()
        alone = search(cluster.gallery, query, exact=exact, top=12, index=one)
        same(found.matches, alone)
        index = others()
        same(search(cluster.gallery, query, exact=exact, top=12, index=index), alone)
        assert index.missing == ()


def test_who_asks_a_cluster_that_is_not_there_is_told(cluster):
    settled(cluster)
    changed = {**cluster.config.cluster.model_dump(), "shards": 7}
    config = cluster.config.model_copy(update={"cluster": cluster.config.cluster.model_copy(update=changed)})
    with pytest.raises(InputError, match=r"cluster.ask auto: runs no shards of postgresql://.*, 7 of them"):
        join_shards(cluster.gallery, config)


class Searching:
    """Searches without end, as operators do."""

    def __init__(self, cluster):
        self.cluster, self.over, self.answers, self.trouble = cluster, threading.Event(), [], []
        self.thread = threading.Thread(target=self.search)

    def search(self):
        while not self.over.wait(0.1):
            try:
                answer = self.cluster.search(features(1, 5), top=3)
                self.answers.append((answer.missing, len(answer.matches)))
            except Exception as error:
                self.trouble.append(error)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def until(ready):
    deadline = time.monotonic() + 3 * limit()
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("victim", ["shard and worker", "associator", "postgres"])
def test_who_is_killed_under_load_comes_back_and_nothing_acknowledged_is_lost(cluster, postgres, victim):
    import ray

    settled(cluster)
    folder = Path(cluster.config.live.folder)
    known = len(told_safe(folder))
    with Searching(cluster) as searching:
        set_rate(folder, 12)
        until(lambda: searching.answers and len(told_safe(folder)) > known + 5)
        begun = time.monotonic()
        if victim == "postgres":
            postgres.stop()
            time.sleep(1.0)
            postgres.start()
        else:
            killed = [cluster.associator] if victim == "associator" else [cluster.shards[1], cluster.workers[0]]
            before = [each.restarts for each in killed]
            numbers = [pid_of(each) for each in killed]
            for number in numbers:
                os.kill(number, signal.SIGKILL)
            until(lambda: all(each.restarts > count for each, count in zip(killed, before, strict=True)))
        settled(cluster)
        back = told_safe(folder)
        until(lambda: all(sum(name == each for name, _ in told_safe(folder) - back) > 1 for each in ("east", "west")))
        took = time.monotonic() - begun
        set_rate(folder, 0)
        until(lambda: not any(ray.get([each.handle.left.remote() for each in cluster.workers], timeout=60)))
    assert took < limit()
    assert searching.trouble == []
    assert min(found for _, found in searching.answers) > 0
    named = {each for missing, _ in searching.answers for each in missing}
    assert named == ({"shard 2 of 2"} if victim == "shard and worker" else set())
    until(lambda: told_safe(folder) <= {(row.camera, row.track) for row in cluster.gallery.tracklets()})
    cluster.sync()
    one = LiveIndex.open(cluster.gallery)
    same(cluster.search(features(1, 5)).matches, search(cluster.gallery, features(1, 5), index=one))
