"""What the pages ask for, end to end over a real gallery."""

from __future__ import annotations

import csv
import io
import json

import av
import cv2
import numpy as np
import pytest

from app.cluster.sharded import ShardedIndex
from app.gallery import Gallery, LiveIndex
from app.gallery.erasing import erase_identity
from app.sources import read_frame
from reid_model.embedder import cut
from tests.app.console.scene import APART, FRAMES, PASSWORD, enter, whom
from tests.app.galleries import tracklet


def ok(answer, status=200):
    assert answer.status_code == status, answer.text
    return (
        answer.json() if answer.headers.get("content-type") == "application/json" and answer.content else answer.content
    )


def refused(answer, status, text):
    assert answer.status_code == status, answer.text
    assert text in answer.json()["error"]


def actions(here, *wanted):
    found = [(entry.who, entry.action, entry.details) for entry in here.console.gallery.audit_log()]
    return [entry for entry in found if entry[1] in wanted]


def search_box(here, client=None, **more):
    camera, frame, box, person = whom(here.console)
    found = ok(
        (client or here.operator).post(
            "/api/searches/box", json={"camera": camera, "frame": frame, "box": box, **more}
        ),
        201,
    )
    return found, person


def of(found, camera, track):
    return next(match for match in found["matches"] if (match["camera"], match["track"]) == (camera, track))


def test_a_click_finds_the_person_in_another_camera_first(here):
    found, person = search_box(here)
    assert found["identity"] == person
    first = found["matches"][0]
    assert (first["camera"], first["track"], first["identity"]) == ("cam2", person, person + APART)
    assert first["passes"]
    # Where the query comes from is no news, and who is beside them is somebody else; ranks go on without them.
    camera, frame, _, _ = whom(here.console)
    there = {(camera, box.track) for box in here.console.wall.boxes(camera, frame)}
    assert len(there) > 1
    assert not there & {(each["camera"], each["track"]) for each in found["matches"]}
    assert [each["rank"] for each in found["matches"]] == list(range(1, len(found["matches"]) + 1))
    ((who, _, details),) = actions(here, "search")
    assert who == "operator"
    assert details["origin"]["camera"] == "cam1"
    assert details["found"][0] == ["cam1", person]
    base = f"/api/searches/{found['id']}"
    for path in ("/queries/0", "/matches/1/picture"):
        image = cv2.imdecode(np.frombuffer(ok(here.operator.get(base + path)), np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[0] > image.shape[1] > 8
    refused(here.operator.get(base + "/queries/1"), 404, "no picture")
    refused(here.operator.get(base + "/matches/999/picture"), 404, "the search found")
    # Searches are their maker's alone.
    refused(here.admin.get(base), 404, "not kept any more")


def test_a_reason_accounts_for_all_of_the_distance(here):
    found, person = search_box(here)
    match = of(found, "cam2", person)
    reason = ok(here.operator.get(f"/api/searches/{found['id']}/matches/{match['rank']}/reason"))
    cells = reason["cells"]
    assert len(cells) == reason["rows"] * reason["columns"]
    assert sum(cell["weight"] for cell in cells) == pytest.approx(1, abs=1e-3)
    assert sum(cell["share"] for cell in cells) == pytest.approx(100, abs=0.1)
    similarity = sum(cell["weight"] * cell["similarity"] for cell in cells)
    assert 1 - similarity == pytest.approx(reason["local_distance"], abs=1e-3)
    assert (reason["local_distance"] + reason["global_distance"]) / 2 == pytest.approx(match["distance"], abs=1e-3)
    support = [cell["weight"] * cell["similarity"] for cell in cells]
    assert support == sorted(support, reverse=True)
    assert match["words"] == reason["words"]


def test_a_clip_and_a_list_are_exports(here):
    found, _ = search_box(here)
    base = f"/api/searches/{found['id']}"
    data = ok(here.operator.get(base + "/matches/1/clip"))
    with av.open(io.BytesIO(data)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert 20 < frames <= 61
    rows = list(csv.DictReader(io.StringIO(ok(here.operator.get(base + "/list.csv")).decode())))
    assert [row["camera"] for row in rows] == [match["camera"] for match in found["matches"]]
    assert [details["what"] for _, _, details in actions(here, "export")] == ["clip", "search"]


def test_filters_hold_and_a_search_can_be_made_again(here):
    found, _ = search_box(here, cameras=["cam3"], start=5.0, end=15.0, top=5)
    assert found["matches"]
    assert {match["camera"] for match in found["matches"]} == {"cam3"}
    assert all(5 <= match["time"] <= 15 for match in found["matches"])
    again = ok(here.operator.post(f"/api/searches/{found['id']}/again", json={"cameras": ["cam2"], "exact": True}), 201)
    assert {match["camera"] for match in again["matches"]} == {"cam2"}
    assert again["wish"]["exact"]
    assert again["id"] != found["id"]
    assert len(actions(here, "search")) == 2


def test_pictures_find_a_person(here):
    _, frame, (left, top, width, height), person = whom(here.console)
    source = here.console.gallery.cameras()[0].source
    crop = cut(read_frame(source, index=frame).image, [left, top, left + width, top + height])
    data = cv2.imencode(".png", crop)[1].tobytes()
    files = [("pictures", ("who.png", data)), ("pictures", ("again.png", data))]
    found = ok(here.operator.post("/api/searches/pictures", files=files, data={"wish": '{"top": 3}'}), 201)
    assert (found["pictures"], len(found["matches"]), found["identity"]) == (2, 3, None)
    assert found["matches"][0]["track"] == person
    # Of nobody who was tracked nothing can be said.
    answer = here.operator.post(f"/api/searches/{found['id']}/matches/1/verdict", json={"same": True})
    refused(answer, 409, "the query has no identity")
    for wish in ('{"tops": 3}', "[", '{"top": 0}'):
        assert here.operator.post("/api/searches/pictures", files=files, data={"wish": wish}).status_code == 422
    refused(here.operator.post("/api/searches/pictures", files=files * 5), 400, "send 8 at most")


def test_same_and_not_the_same_are_corrections(here):
    found, person = search_box(here)
    base, rank = f"/api/searches/{found['id']}", of(found, "cam2", person)["rank"]
    say = lambda same, at: here.operator.post(f"{base}/matches/{at}/verdict", json={"same": same})  # noqa: E731
    merged = ok(say(True, rank))
    assert (merged["kind"], merged["identities"]) == ("merge", [person, person + APART])
    now = ok(here.operator.get(base))
    assert (of(now, "cam2", person)["identity"], of(now, "cam2", person)["same"]) == (person, "yes")
    refused(say(True, rank), 409, "already")
    refused(say(False, rank), 400, "correction 1")  # what was said holds until it is taken back
    ok(here.operator.post(f"/api/corrections/{merged['correction']}/undo"))
    assert ok(say(False, rank))["kind"] == "never"
    other = next(each for each in now["matches"] if each["identity"] != person)
    assert ok(say(True, other["rank"]))["kind"] == "merge"
    refused(say(True, rank), 400, "cannot be one person")
    kinds = [(row["kind"], row["who"]) for row in ok(here.operator.get("/api/corrections"))]
    assert kinds == [("merge", "operator"), ("never", "operator"), ("merge", "operator")]


def test_not_the_same_parts_what_was_linked_wrongly(here):
    """Two cameras' tracklets of one identity; the search starts from one of them."""
    frame, box = next(
        (frame, box)
        for frame in FRAMES
        for box in here.console.wall.boxes("cam1", frame)
        if len(here.console.gallery.identity(box.identity).tracklets) == 2
    )
    found = ok(
        here.operator.post("/api/searches/box", json={"camera": "cam1", "frame": frame, "box": box.box, "top": 200}),
        201,
    )
    match = of(found, "cam3", box.track)
    assert match["same"] == "yes"
    split = ok(here.operator.post(f"/api/searches/{found['id']}/matches/{match['rank']}/verdict", json={"same": False}))
    assert split["kind"] == "split"
    assert [key[:2] for key in split["moved"]] == [["cam3", box.track]]
    page = ok(here.viewer.get(f"/api/people/{box.identity}"))
    assert [each["camera"] for each in page["tracklets"]] == ["cam1"]


def test_merge_split_never_and_undo(here):
    _, _, _, person = whom(here.console)
    merged = ok(here.operator.post(f"/api/people/{person}/merge", json={"other": person + APART}))
    page = ok(here.viewer.get(f"/api/people/{person}"))
    assert {"cam1", "cam2"} <= {each["camera"] for each in page["tracklets"]}
    assert [each["number"] for each in page["corrections"]] == [merged["correction"]]
    refused(
        here.operator.post(f"/api/people/{person}/never", json={"other": person + APART}), 400, "not in the gallery"
    )
    ok(here.operator.post(f"/api/corrections/{merged['correction']}/undo"))
    assert ok(here.viewer.get(f"/api/people/{person + APART}"))["tracklets"]
    refused(here.operator.post(f"/api/corrections/{merged['correction']}/undo"), 400, "no correction is in force")
    ok(here.operator.post(f"/api/people/{person}/never", json={"other": person + APART}))
    refused(here.operator.post(f"/api/people/{person}/merge", json={"other": person + APART}), 400, "cannot be one")
    refused(here.operator.post(f"/api/people/{person}/split", json={"tracklets": [["cam1", 9999]]}), 400, "has no")


def test_pictures_of_a_person_are_only_for_who_was_shown_their_page(here):
    _, _, _, person = whom(here.console)
    page = ok(here.viewer.get(f"/api/people/{person}"))
    address = page["tracklets"][0]["pictures"][0]["address"]
    assert ok(here.viewer.get(address))[:3] == b"\xff\xd8\xff"
    refused(here.operator.get(address), 404, "load the person's page anew")
    refused(here.viewer.get(address[:-1] + "!"), 404, "no such picture")
    assert [(who, details) for who, _, details in actions(here, "view")] == [
        ("viewer", {"origin": {"identity": person}})
    ]


def test_erasing_leaves_nothing_to_be_seen(here):
    found, person = search_box(here)
    page = ok(here.viewer.get(f"/api/people/{person}"))
    address = page["tracklets"][0]["pictures"][0]["address"]
    ok(here.operator.post(f"/api/searches/{found['id']}/follow", json={"name": "him"}), 201)
    erased = ok(here.admin.delete(f"/api/people/{person}"))
    assert erased["follows"] == 1
    refused(here.viewer.get(address), 404, "no picture of it")
    refused(here.operator.get(f"/api/searches/{found['id']}/queries/0"), 404, "not kept any more")
    refused(here.viewer.get(f"/api/people/{person}"), 400, "not in the gallery")
    assert person not in [box.track for box in here.console.wall.boxes("cam1", 60)]
    entries = ok(here.admin.get("/api/audit"))["entries"]
    assert [entry["action"] for entry in entries][:3] == ["erase", "follow", "view"]
    assert entries[2]["details"] == {"origin": {"person": erased["person"]}}
    log = json.dumps(entries)
    assert f'["cam1", {person}]' not in log
    assert erased["person"] in log


def test_a_follow_raises_an_alert_on_every_page(here, embedder):
    found, person = search_box(here)
    refused(here.operator.post(f"/api/searches/{found['id']}/follow", json={"name": ""}), 422, "name")
    ok(here.operator.post(f"/api/searches/{found['id']}/follow", json={"name": "him"}), 201)
    (follow,) = ok(here.operator.get("/api/follows"))
    assert (follow["name"], follow["who"]) == ("him", "operator")
    _, features = here.console.gallery.sightings(["cam1"], track=person)
    from app.console.application import _latest, _tell

    last, revision = _latest(here.console)
    told = []
    here.console.feed.publish = lambda kind, time, details: told.append((kind, details))
    with Gallery.open(here.console.gallery.path) as other:
        other.add_tracklets("cam3", [tracklet(5000, exemplars=features)])
    assert _tell(here.console, last, revision)[0] == last + 1
    assert [kind for kind, _ in told] == ["follow.reappeared", "gallery.changed"]
    assert (told[0][1]["name"], told[0][1]["camera"], told[0][1]["track"]) == ("him", "cam3", 5000)
    assert _tell(here.console, last + 1, here.console.gallery.revision()) == (last + 1, here.console.gallery.revision())
    # And who is written meanwhile is found at once.
    more = ok(here.operator.post(f"/api/searches/{found['id']}/again", json={}), 201)
    assert of(more, "cam3", 5000)["probability"] > 0.5
    ok(here.operator.delete(f"/api/follows/{follow['follow']}"), 204)
    refused(here.operator.delete(f"/api/follows/{follow['follow']}"), 400, "not in the gallery")


def test_what_was_found_of_somebody_erased_by_another_program_is_shown_no_more(here):
    from app.console.application import _forget_erased

    found, person = search_box(here)
    done = _forget_erased(here.console, None)
    ok(here.operator.get(f"/api/searches/{found['id']}"))
    with Gallery.open(here.console.gallery.path) as other:
        erase_identity(other, person)
    _forget_erased(here.console, done)
    refused(here.operator.get(f"/api/searches/{found['id']}"), 404, "not kept any more")


def test_people_come_in_pages(shared_here):
    whole = ok(shared_here.viewer.get("/api/people?limit=200"))
    assert whole["total"] == len(whole["people"]) == len(shared_here.console.gallery.identities())
    part = ok(shared_here.viewer.get("/api/people?offset=3&limit=2"))
    assert part["people"] == whole["people"][3:5]
    for row in whole["people"]:
        stored = shared_here.console.gallery.identity(row["identity"])
        assert row["tracklets"] == len(stored.tracklets)
        assert row["cameras"] == sorted({camera for camera, _ in stored.tracklets})
    assert ok(shared_here.viewer.get("/api/people?offset=9999"))["people"] == []


def test_the_wall_answers_question_by_question(shared_here):
    with shared_here.viewer.websocket_connect("wss://127.0.0.1/api/wall") as socket:
        for camera, at, frame in (("cam1", 2.0, 20), ("cam2", 10.05, 100)):
            socket.send_text(json.dumps({"camera": camera, "at": at, "width": 320}))
            data = socket.receive_bytes()
            length = int.from_bytes(data[:4], "big")
            facts, jpeg = json.loads(data[4 : 4 + length]), data[4 + length :]
            assert (facts["camera"], facts["frame"]) == (camera, frame)
            assert len(facts["boxes"]) == len(shared_here.console.wall.boxes(camera, frame))
            assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (180, 320, 3)
        socket.send_text(json.dumps({"camera": "cam9", "at": 2.0}))
        data = socket.receive_bytes()
        assert b"cam9" in data
        assert str(shared_here.console.gallery.path).encode() not in data
        socket.send_text("nonsense")
        assert socket.receive()["code"] == 1003
    pictures = ok(shared_here.viewer.get("/api/picture", params={"camera": "cam1", "at": 2.0, "width": 320}))
    assert pictures[:3] == b"\xff\xd8\xff"
    refused(
        shared_here.viewer.get("/api/picture", params={"camera": "cam1", "at": 999}), 404, "no picture of this time"
    )


def test_the_audit_log_is_read_in_parts_and_exported(here):
    for number in range(5):
        here.console.gallery.audit("search", {"n": number, "note": "=1+1"}, who="=cmd")
    first = ok(here.admin.get("/api/audit?limit=3"))
    assert [entry["details"]["n"] for entry in first["entries"]] == [4, 3, 2]
    assert first["more"]
    rest = ok(here.admin.get(f"/api/audit?before={first['entries'][-1]['id']}&action=search"))
    assert [entry["details"]["n"] for entry in rest["entries"]] == [1, 0]
    assert ok(here.admin.get("/api/audit?who=nobody"))["entries"] == []
    rows = list(csv.DictReader(io.StringIO(ok(here.admin.get("/api/audit/export")).decode())))
    assert [row["who"] for row in rows].count("'=cmd") == 5  # no formula for a spreadsheet
    assert rows[-1]["action"] == "export"
    lines = ok(here.admin.get("/api/audit/export?kind=jsonl"))
    text = lines.decode() if isinstance(lines, bytes) else ""
    assert len(text.splitlines()) == len(rows) + 1


def test_users_and_tokens(here):
    made = ok(here.admin.post("/api/users", json={"name": "eve", "role": "viewer"}), 201)
    refused(here.admin.post("/api/users", json={"name": "eve", "role": "viewer"}), 400, "is there already")
    number = made["user"]["id"]
    assert ok(here.admin.put(f"/api/users/{number}", json={"role": "operator"}))["role"] == "operator"
    again = ok(here.admin.post(f"/api/users/{number}/password"))
    assert again["password"] != made["password"]
    refused(here.admin.put("/api/users/999", json={"role": "viewer"}), 400, "is not there")
    refused(here.viewer.post("/api/tokens", json={"name": "t", "role": "admin"}), 400, "cannot be admin")
    token = ok(here.operator.post("/api/tokens", json={"name": "t", "role": "viewer"}), 201)
    bearer = {"authorization": f"Bearer {token['secret']}"}
    assert ok(here.anybody.get("/api/session", headers=bearer))["role"] == "viewer"
    assert here.anybody.get("/api/follows", headers=bearer).status_code == 403
    # A token needs no page's token, and cannot change a password.
    assert here.anybody.post("/api/tokens", headers=bearer, json={"name": "u", "role": "viewer"}).status_code == 201
    old_new = {"old": PASSWORD, "new": "another password"}
    refused(here.anybody.post("/api/session/password", headers=bearer, json=old_new), 403, "a token cannot")
    assert [each["name"] for each in ok(here.operator.get("/api/tokens"))] == ["t", "u"]
    ok(here.operator.delete(f"/api/tokens/{token['id']}"), 204)
    assert here.anybody.get("/api/cameras", headers=bearer).status_code == 401


def test_logging_in_and_out(here):
    assert ok(here.anybody.get("/api/session")) is None
    answer = here.anybody.post("/api/session", json={"name": "viewer", "password": "wrong"})
    refused(answer, 401, "do not belong together")
    enter(here.anybody, "viewer", PASSWORD)
    assert ok(here.anybody.get("/api/session"))["name"] == "viewer"
    refused(here.anybody.post("/api/session/password", json={"old": "wrong", "new": "0123456789"}), 403, "old password")
    ok(here.anybody.delete("/api/session"), 204)
    assert ok(here.anybody.get("/api/session")) is None
    log = [entry for entry in actions(here, "login", "logout") if entry[0] == "viewer"]
    assert [action for _, action, _ in log][-2:] == ["login", "logout"]


def test_the_shards_of_a_cluster_are_asked_and_those_that_are_away_are_named(here, monkeypatch):
    alone, _ = search_box(here)
    assert alone["missing"] == []
    one, away = LiveIndex.open(here.console.gallery), ["shard 2 of 2"]

    def ask(query, top, terms):
        return [one.hits(query, top, terms)], away

    monkeypatch.setattr(here.console.finder, "_shards", lambda: ShardedIndex(one.model, ask))
    found, _ = search_box(here)
    assert found["missing"] == away
    assert found["matches"] == alone["matches"]
