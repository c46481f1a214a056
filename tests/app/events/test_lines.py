"""Files of events are bounded in days, too: what is too old goes, and nothing else."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.config_events import EventsConfig, WebhookConfig
from app.events import EventHub, new_event
from app.events.lines import JsonLines, drop_older
from app.events.outbox import Stored
from app.events.webhook import Webhook
from tests.app.events.servers import eventually

DAY = 86400.0


def line(moment: float) -> bytes:
    return json.dumps({"id": str(moment), "time": moment, "kind": "track.started"}).encode() + b"\n"


def times(path: Path) -> list[float]:
    return [json.loads(each)["time"] for each in path.read_bytes().splitlines()] if path.exists() else []


def test_what_is_too_old_goes_and_a_day_more_so_that_it_is_not_done_for_every_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    whole = b"".join(line(hour * 3600.0) for hour in range(40 * 24))
    path.write_bytes(whole)
    path.chmod(0o640)
    assert not drop_older(path, 30 * DAY, 30 * DAY)
    assert path.read_bytes() == whole, "nothing is older than thirty days"
    assert drop_older(path, 33 * DAY, 30 * DAY)
    kept = times(path)
    assert kept == [hour * 3600.0 for hour in range(4 * 24, 40 * 24)]
    assert path.stat().st_mode & 0o777 == 0o640
    assert not drop_older(path, 34 * DAY, 30 * DAY)
    assert drop_older(path, 34 * DAY + 1, 30 * DAY)
    assert [each.name for each in tmp_path.iterdir()] == ["events.jsonl"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 1000), max_size=30), st.integers(0, 1000), st.integers(1, 500))
def test_nothing_younger_goes_and_nothing_older_stays_before_it(
    tmp_path_factory: pytest.TempPathFactory, moments: list[int], now: int, kept: int
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    path.write_bytes(b"".join(line(moment) for moment in moments))
    changed = drop_older(path, now, kept)
    left = times(path)
    assert moments[len(moments) - len(left) :] == left, "the latest lines, whole"
    gone = moments[: len(moments) - len(left)]
    assert changed == bool(gone)
    assert all(moment < now - kept + kept / 10 for moment in gone)
    if left:
        assert left[0] >= now - kept


@pytest.mark.parametrize("torn", [b"", b'{"id": "torn'])
def test_lines_that_say_no_time_go_with_what_is_before_them(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(1.0) + b'{"no": "time"}\n[1]\n\xff\n' + line(5.0 * DAY) + torn)
    assert drop_older(path, 5.5 * DAY, DAY)
    assert path.read_bytes() == line(5.0 * DAY) + torn
    path.write_bytes(torn)
    assert not drop_older(path, 99 * DAY, DAY)
    assert path.read_bytes() == torn


def test_files_put_aside_go_as_well(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path, 100, 3, 2 * DAY)
    for day in range(5):
        sink.deliver([Stored(day, "track.started", None, line(day * DAY).decode().strip())], lambda: False)
        sink.deliver([Stored(day, "track.started", None, line(day * DAY + 1).decode().strip())], lambda: False)
    assert times(tmp_path / "events.3.jsonl") == [DAY, DAY + 1]
    sink.expire(4 * DAY + 10)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["events.1.jsonl", "events.jsonl"]
    sink.expire(9 * DAY)
    assert list(tmp_path.iterdir()) == []
    sink.deliver([Stored(9, "track.started", None, line(9 * DAY).decode().strip())], lambda: False)
    assert times(path) == [9 * DAY]


def test_a_run_removes_what_is_too_old_and_goes_on_writing(tmp_path: Path) -> None:
    now = time.time()
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(now - 3 * DAY) + line(now - DAY))
    dead = tmp_path / "dead-letters.jsonl"
    dead.write_text("".join(json.dumps({"event": {"time": now - days * DAY}}) + "\n" for days in (3, 1)))
    config = EventsConfig(webhooks=[WebhookConfig(url="http://127.0.0.1:9/")])
    hub = EventHub(config, tmp_path, retention_days=2)
    eventually(lambda: len(times(path)) == 1)
    eventually(lambda: dead.read_text().count("\n") == 1)
    hub.publish(new_event("system.started", now))
    eventually(lambda: len(times(path)) == 2)
    hub.close(0.1)
    assert [round(each) for each in times(path)] == [round(now - DAY), round(now)]


def test_nothing_goes_where_no_retention_is_given(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(0.0))
    JsonLines(path, 100, 3).expire(1e12)
    assert times(path) == [0.0]


def test_a_dead_letter_that_comes_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """Two receivers have the same file: one writes while the other removes."""
    dead = tmp_path / "dead-letters.jsonl"
    one, two = (Webhook(WebhookConfig(url="http://127.0.0.1:9/"), dead, name, 10.0) for name in ("one", "two"))
    over = threading.Event()

    def write() -> None:
        for number in range(300):
            moment = 0.0 if number % 3 else 1000.0 + number
            one._give_up(Stored(number, "track.started", None, line(moment).decode()), "refused")
        over.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not over.is_set():
        two.expire(1000.0)
    writer.join()
    two.expire(1000.0)
    young = [each["event"]["time"] for each in map(json.loads, dead.read_text().splitlines()) if each["event"]["time"]]
    assert young == [1000.0 + number for number in range(0, 300, 3)]


def test_a_file_that_cannot_be_changed_is_told_and_the_events_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(line(0.0) + line(time.time()))

    def refuse(*_given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    hub = EventHub(EventsConfig(), tmp_path, retention_days=2)
    hub.publish(new_event("system.started", time.time()))
    eventually(lambda: len(times(path)) == 3)
    hub.close(0.1)
    assert "that are too old cannot be removed" in caplog.text
