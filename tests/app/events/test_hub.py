"""Events to files, a real broker and a real web server, which fail as told."""

import hashlib
import hmac
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from app.config_events import EventsConfig
from app.errors import InputError
from app.events import EventHub, new_event
from app.events.outbox import Outbox
from tests.app.events.servers import Broker, Subscriber, Web, eventually

QUICK = {"retry_seconds": 0.05, "most_retry_seconds": 0.2}


def some(count, camera="east", first=0):
    return [new_event("track.started", 1.0, camera=camera, track=first + i + 1) for i in range(count)]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def hub_of(folder, **config):
    return EventHub(EventsConfig.model_validate({**QUICK, **config}), folder)


@pytest.fixture
def broker(tmp_path):
    if Broker.missing():
        pytest.skip("mosquitto is not installed; apt-get install mosquitto")
    made = Broker(tmp_path)
    yield made
    if made.process.poll() is None:
        os.kill(made.process.pid, signal.SIGCONT)
    made.stop()


@pytest.fixture
def web():
    made = Web()
    yield made
    made.close()


# files


def test_lines_are_whole_and_in_order_and_what_was_torn_is_mended(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"id":"a"}\n{"id":"b", "torn')
    hub = hub_of(tmp_path)
    events = some(250)
    for event in events:
        hub.publish(event)
    hub.close()
    assert [each["id"] for each in lines(path)] == ["a", *(event.id for event in events)]
    assert hub.published == 250


def test_a_large_file_is_put_aside_and_the_oldest_go(tmp_path):
    hub = hub_of(tmp_path, file_megabytes=0.001, file_count=2)
    for event in some(60):
        hub.publish(event)
        eventually(lambda: hub.states()[0].pending == 0)
    hub.close()
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        "events.1.jsonl",
        "events.2.jsonl",
        "events.jsonl",
    ]
    kept = [each["track"] for name in ("events.2", "events.1", "events") for each in lines(tmp_path / f"{name}.jsonl")]
    assert kept == list(range(kept[0], 61))


def test_a_place_that_cannot_be_written_is_refused_in_a_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"events cannot be written .*events\.file"):
        hub_of(tmp_path, file="file/events.jsonl")


def test_listeners_hear_everything_until_they_leave(tmp_path):
    hub, heard = hub_of(tmp_path, file=None), []
    leave = hub.subscribe(heard.append)
    (event, other) = some(2)
    hub.publish(event)
    leave()
    hub.publish(other)
    hub.close()
    assert heard == [event]


def test_events_of_a_time_when_the_disk_is_full_come_late_and_in_order(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    hub, full = hub_of(tmp_path), [False]
    add = Outbox.add

    def fill(self, *row):
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        add(self, *row)

    monkeypatch.setattr(Outbox, "add", fill)
    events = some(30)
    for number, event in enumerate(events):
        full[0] = 10 <= number < 20
        hub.publish(event)
    eventually(lambda: hub.states()[0].pending == 0)
    full[0] = True
    for event in (late := some(5, first=30)):
        hub.publish(event)
    full[0] = False
    # Nobody publishes any more, and they are kept all the same.
    eventually(lambda: hub.states()[0].delivered == 35)
    hub.close()
    assert [each["id"] for each in lines(tmp_path / "events.jsonl")] == [event.id for event in (*events, *late)]
    said = [record.message for record in caplog.records if "kept" in record.message]
    assert ["again" in line for line in said] == [False, True, False, True], "told once each time"


def test_what_is_delivered_is_not_sent_again_while_a_full_disk_takes_no_note_of_it(tmp_path, web, monkeypatch, caplog):
    caplog.set_level("INFO")
    hub, tried = hub_of(tmp_path, webhooks=[{"url": web.url}]), []

    def full(*row):
        tried.append(row)
        raise sqlite3.OperationalError("database or disk is full")

    events = some(30)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_note", full)
        for event in events[:20]:
            hub.publish(event)
            eventually(lambda: hub.states()[1].pending == 0)
        patch.setattr(Outbox, "prune", full)
        hub._prune()
        hub._prune()
        eventually(lambda: len(tried) >= 30)
    eventually(lambda: hub._couriers[0]._noted == hub._couriers[1]._noted == 20)
    hub._prune()
    for event in events[20:]:
        hub.publish(event)
    hub.close()
    assert [json.loads(body)["id"] for body in web.posted] == [event.id for event in events], "each once"
    assert [each["id"] for each in lines(tmp_path / "events.jsonl")] == [event.id for event in events]
    assert not any(record.exc_info for record in caplog.records), "a full disk is foreseen: no traceback"
    said = [(record.levelname, record.message.partition(":")[0]) for record in caplog.records]
    for name in ("events for file", "events for webhook1"):
        assert [level for level, who in said if who == name] == ["WARNING", "INFO"], "told once, and when it is over"
    assert caplog.text.count("cannot be cleaned up") == 1
    again = hub_of(tmp_path, webhooks=[{"url": web.url}])
    assert [state.pending for state in again.states()] == [0, 0], "and it was noted in the end"
    again.close()


def test_a_note_that_never_could_be_taken_costs_a_second_delivery_and_no_event(tmp_path, monkeypatch, caplog):
    def full(*_row):
        raise sqlite3.OperationalError("database or disk is full")

    events = some(5)
    with monkeypatch.context() as patch:
        hub = hub_of(tmp_path)
        patch.setattr(Outbox, "_note", full)
        for event in events:
            hub.publish(event)
        eventually(lambda: hub.states()[0].delivered == 5)
        began = time.monotonic()
        hub.close()
        assert time.monotonic() - began < 4, "all is delivered: nothing to wait for"
    again = hub_of(tmp_path)
    eventually(lambda: again.states()[0].pending == 0)
    again.close()
    assert [each["id"] for each in lines(tmp_path / "events.jsonl")] == [event.id for event in events] * 2
    assert "Traceback" not in caplog.text


def test_of_too_many_events_for_memory_the_oldest_are_lost_and_it_is_told(tmp_path, monkeypatch, caplog):
    hub = hub_of(tmp_path)

    def full(*_row):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("app.events.hub.MOST_UNKEPT", 10)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "add", full)
        events = some(25)
        for event in events:
            hub.publish(event)
    hub.publish(last := some(1, first=25)[0])
    eventually(lambda: hub.states()[0].delivered == 11)
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "add", full)
        hub.publish(some(1, first=26)[0])
        hub.close()
    assert [each["id"] for each in lines(tmp_path / "events.jsonl")] == [event.id for event in (*events[-10:], last)]
    assert caplog.text.count("the oldest are lost") == 1
    assert "1 events could not be kept and are lost" in caplog.text


# the web


def test_a_webhook_gets_each_event_once_signed_and_in_order(tmp_path, web, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "s3cret-of-the-hook")
    hook = {"url": web.url, "secret": "${HOOK_SECRET}", "kinds": ["track.*"]}
    web.answers[:] = [503, 200, 429, 500]
    hub = hub_of(tmp_path, file=None, webhooks=[hook])
    events = some(5)
    for event in events:
        hub.publish(event)
    hub.publish(new_event("system.started", 2.0))
    eventually(lambda: hub.states()[0].pending == 0)
    hub.close()
    assert [json.loads(body)["id"] for body in web.posted] == [event.id for event in events]
    assert [each["X-Crowdtrace-Event"] for each in web.headers] == [event.id for event in events]
    expected = hmac.new(b"s3cret-of-the-hook", web.posted[0], hashlib.sha256).hexdigest()
    assert web.headers[0]["X-Crowdtrace-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("answers", [[400], [302], [500, 500, 500]])
def test_what_is_refused_for_good_or_too_often_goes_to_the_dead_letters(tmp_path, web, answers):
    web.answers[:] = answers
    hub = hub_of(tmp_path, file=None, webhooks=[{"url": web.url, "attempts": 3}])
    first, second = some(2)
    hub.publish(first)
    hub.publish(second)
    eventually(lambda: hub.states()[0].pending == 0)
    (state,) = hub.states()
    hub.close()
    assert (state.dead, state.delivered) == (1, 2)
    (letter,) = lines(tmp_path / "dead-letters.jsonl")
    assert letter["event"]["id"] == first.id
    assert str(answers[0]) in letter["reason"]
    assert [json.loads(body)["id"] for body in web.posted] == [second.id]


def test_an_address_that_is_away_gets_everything_later_and_delays_nobody(tmp_path, monkeypatch, caplog):
    web = Web()
    url = web.url
    web.close()
    monkeypatch.setenv("HOOK_TOKEN", "very-secret-token")
    hub = hub_of(tmp_path, webhooks=[{"url": url + "?t=${HOOK_TOKEN}", "attempts": 1}])
    events = some(20)
    for event in events:
        hub.publish(event)
    eventually(lambda: hub.states()[0].pending == 0)
    assert len(lines(tmp_path / "events.jsonl")) == 20
    eventually(lambda: hub.states()[1].failing)
    assert (hub.states()[1].pending, hub.states()[1].dead) == (20, 0)
    said = caplog.text + repr(hub.states())
    began = time.monotonic()
    hub.close(timeout=5)
    assert time.monotonic() - began < 4
    assert "very-secret-token" not in said
    again = Web()
    hub = hub_of(tmp_path, webhooks=[{"url": again.url}])
    eventually(lambda: len(again.posted) == 20)
    hub.close()
    again.close()
    assert [json.loads(body)["id"] for body in again.posted] == [event.id for event in events]


def test_a_secret_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="a webhook's url needs the environment variable NOT_THERE"):
        hub_of(tmp_path, webhooks=[{"url": "https://${NOT_THERE}/x"}])


# the broker


def mqtt(broker, **more):
    return {"host": "127.0.0.1", "port": broker.port, **more}


def test_topics_states_and_the_end(tmp_path, broker):
    ear = Subscriber(broker)
    hub = hub_of(tmp_path, file=None, mqtt=mqtt(broker, topic="site/a"))
    hub.availability("east", True)
    hub.publish(some(1)[0])
    hub.publish(new_event("identity.moved", 2.0, camera="east", track=1, identity=4, details={"from": "west"}))
    hub.publish(new_event("system.slowed", 3.0))
    eventually(lambda: hub.states()[0].pending == 0)
    late = Subscriber(broker)
    eventually(lambda: len(late.retained) == 2)
    assert late.retained == {"site/a/status": "online", "site/a/east/availability": "online"}
    hub.close()
    eventually(lambda: ("site/a/status", "offline") in ear.heard)
    topics = [topic for topic, text in ear.heard if text.startswith("{")]
    assert topics == ["site/a/east/track.started", "site/a/identity/4/moved", "site/a/system/system.slowed"]
    assert ("site/a/east/availability", "offline") in ear.heard
    ear.close()
    late.close()


def test_a_broker_that_is_killed_or_frozen_gets_everything_later(tmp_path, broker):
    ear = Subscriber(broker)
    hub = hub_of(tmp_path, file=None, mqtt=mqtt(broker))
    sink = hub._couriers[0].sink
    sink._seconds = 0.5
    # The broker keeps nothing over a kill: who hears it must be back before anything is sent.
    sink._client.on_connect = lambda *facts: (ear._ready.wait(20), sink._on_connect(*facts))
    events = some(90)
    for event in events[:30]:
        hub.publish(event)
    eventually(lambda: len(ear.bodies()) >= 30)
    ear._ready.clear()
    broker.stop()
    for event in events[30:60]:
        hub.publish(event)
    eventually(lambda: hub.states()[0].failing)
    broker.start()
    eventually(lambda: {event.id for event in events[:60]} <= {each["id"] for each in ear.bodies()}, 20)
    os.kill(broker.process.pid, signal.SIGSTOP)
    for event in events[60:]:
        hub.publish(event)
    eventually(lambda: hub.states()[0].failing, 20)
    os.kill(broker.process.pid, signal.SIGCONT)
    eventually(lambda: {event.id for event in events} <= {each["id"] for each in ear.bodies()}, 20)
    eventually(lambda: hub.states()[0].pending == 0, 20)
    hub.close()
    first = list(dict.fromkeys(each["id"] for each in ear.bodies()))
    assert first == [event.id for event in events]
    ear.close()


def test_a_wrong_password_is_told_without_it_and_a_right_one_is_taken(tmp_path, monkeypatch):
    if Broker.missing():
        pytest.skip("mosquitto is not installed; apt-get install mosquitto")
    monkeypatch.setenv("BROKER_PASSWORD", "right-password")
    broker = Broker(tmp_path, "right-password")
    try:
        bad = hub_of(tmp_path, file=None, mqtt=mqtt(broker, user="ann", password="wrong-password"))
        bad._couriers[0].sink._seconds = 0.5
        bad.publish(some(1)[0])
        eventually(lambda: bad.states()[0].failing)
        assert "refused" in bad.states()[0].failing
        assert "wrong-password" not in bad.states()[0].failing
        bad.close(timeout=1)
        good = hub_of(tmp_path, file=None, mqtt=mqtt(broker, user="ann", password="${BROKER_PASSWORD}"))
        eventually(lambda: good.states()[0].delivered == 1)
        good.close()
    finally:
        broker.stop()


KILLED = """
import sys, time
from pathlib import Path
from app.config_events import EventsConfig
from app.events import EventHub, new_event
from app.events.outbox import Outbox
config = EventsConfig.model_validate({"mqtt": {"host": "127.0.0.1", "port": int(sys.argv[2])}})
hub = EventHub(config, Path(sys.argv[1]))
hub.availability("east", True)
for number in range(10**6):
    event = new_event("track.started", 1.0, camera="east", track=number)
    hub.publish(event)
    print(event.id, flush=True)
    time.sleep(0.001)
"""


def test_a_killed_run_leaves_its_last_will_and_its_events_come_after_the_next_start(tmp_path, broker):
    ear = Subscriber(broker)
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(broker.port)], stdout=subprocess.PIPE, text=True
    )
    acknowledged = [child.stdout.readline().strip() for _ in range(300)]
    child.kill()
    acknowledged += child.stdout.read().split("\n")[:-1]
    child.wait()
    eventually(lambda: ("crowdtrace/status", "offline") in ear.heard, 30)
    hub = hub_of(tmp_path, mqtt=mqtt(broker))
    eventually(lambda: all(state.pending == 0 for state in hub.states()), 20)
    hub.close()
    assert set(acknowledged) <= {each["id"] for each in ear.bodies()}
    assert set(acknowledged) <= {each["id"] for each in lines(tmp_path / "events.jsonl")}
    ear.close()
