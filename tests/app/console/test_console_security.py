"""What an attacker would try first."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from app.console.application import STATIC
from app.console.guards import CONTENT
from app.gallery import CameraRow, Gallery
from tests.app.console.scene import HERE, PASSWORD, enter, served
from tests.app.galleries import MODEL

EVIL = ['<img src=x onerror="alert(1)">', "'; DROP TABLE users; --", "../../etc/passwd", "a\u202eb", "{{7*7}}"]


def test_every_answer_tells_browsers_to_be_strict(shared_here):
    client = shared_here.viewer
    for path in ("/", "/static/main.js", "/api/cameras", "/api/nothing", "/api/picture?camera=cam1&at=1"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == CONTENT
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    assert "unsafe" not in CONTENT
    assert "http" not in CONTENT


def test_the_cookie_is_for_browsers_alone_and_for_this_site_alone(shared_here):
    client = TestClient(shared_here.anybody.app, base_url=HERE)
    answer = client.post("/api/session", json={"name": "viewer", "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert answer.json()["csrf"] not in cookie


def test_pages_use_nothing_from_elsewhere_and_read_nothing_as_html():
    files = sorted(STATIC.iterdir())
    assert {"index.html", "main.js", "style.css"} <= {path.name for path in files}
    for path in files:
        text = path.read_text()
        assert not re.search(r"(src|href|from|import|url)\s*[=(]?\s*[\"']?https?://", text), path
        # What makes script of text has no place in them.
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "javascript:",
        ):
            assert word not in text, (path, word)
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]*src=)", text)
            assert not re.search(r"\son\w+=|\sstyle=", text)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../application.py",
        "/static/..%2fapplication.py",
        "/static/%2e%2e/%2e%2e/config.py",
        "/static//etc/passwd",
        "/static/..\\application.py",
        "/..%2f..%2fpyproject.toml",
    ],
)
def test_no_path_leads_out_of_the_pages(shared_here, path):
    answer = shared_here.admin.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", ""])
def test_another_name_for_this_machine_is_refused(shared_here, host):
    answer = shared_here.anybody.get("/", headers={"host": host})
    assert answer.status_code == 400
    assert answer.headers["content-security-policy"] == CONTENT
    with (
        pytest.raises(WebSocketDisconnect),
        shared_here.viewer.websocket_connect("wss://127.0.0.1/api/wall", headers={"host": host}),
    ):
        pass


def test_the_console_has_the_names_it_was_given(gallery_file, embedder):
    with served(gallery_file, embedder, "console.names=[Desk.example]") as here:
        for host in ("127.0.0.1:8080", "localhost", "desk.example:8080", "[::1]:8080"):
            assert here.anybody.get("/", headers={"host": host}).status_code == 200
        assert here.anybody.get("/", headers={"host": "other.example"}).status_code == 400


def test_too_much_is_refused_however_it_is_sent(gallery_file, embedder):
    with served(gallery_file, embedder, "console.upload_megabytes=0.5") as here:
        files = [("pictures", ("a.jpg", bytes(600_000)))]
        answer = here.operator.post("/api/searches/pictures", files=files)
        assert answer.status_code == 413
        assert "over 0.5 MB" in answer.json()["error"]

        def in_parts():
            yield b'--b\r\nContent-Disposition: form-data; name="pictures"; filename="a.jpg"\r\n\r\n'
            for _ in range(12):
                yield bytes(50_000)
            yield b"\r\n--b--\r\n"

        headers = {"content-type": "multipart/form-data; boundary=b"}
        answer = here.operator.post("/api/searches/pictures", content=in_parts(), headers=headers)
        assert answer.status_code == 413
        assert answer.headers["content-security-policy"] == CONTENT
        assert here.anybody.post("/api/session", content=b'{"name": "' + bytes(600_000)).status_code == 413


def test_pictures_that_are_none_are_refused(shared_here):
    from tests.app.console.test_console_parts import png

    grey = cv2.imencode(".png", np.full((100, 50, 3), 128, np.uint8))[1].tobytes()
    for name, data, why in [
        ("bomb.png", png(60_000, 60_000), "over 40 megapixels"),
        ("page.html", b"<html>", "neither a JPEG nor a PNG"),
        ("../../x.jpg", b"\xff\xd8\xff\xe0", "x.jpg: is neither"),
        ("cut.png", png(50, 100), "does not decode"),
        ("grey.png", grey, "is of one colour"),
    ]:
        answer = shared_here.operator.post("/api/searches/pictures", files=[("pictures", (name, data))])
        assert answer.status_code == 400, (name, answer.text)
        assert why in answer.json()["error"]
        assert ".." not in answer.json()["error"]


@pytest.mark.parametrize("evil", EVIL)
def test_names_are_text_and_nothing_else(shared_here, evil):
    admin, operator = shared_here.admin, shared_here.operator
    before = len(admin.get("/api/users").json())
    assert admin.post("/api/users", json={"name": evil, "role": "viewer"}).status_code == 422
    wrong = TestClient(shared_here.anybody.app, base_url=HERE)
    assert wrong.post("/api/session", json={"name": evil, "password": evil}).status_code == 401
    box = {"camera": evil[:64], "frame": 1, "box": [1, 1, 50, 100]}
    answer = operator.post("/api/searches/box", json=box)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert operator.post("/api/searches/identity", json={"identity": 1, "cameras": [evil]}).status_code == 400
    assert admin.get("/api/audit", params={"who": evil, "action": evil}).json()["entries"] == []
    assert operator.get(f"/api/searches/{evil[:8].replace('/', '')}").status_code == 404
    assert len(admin.get("/api/users").json()) == before


def test_a_camera_may_have_any_name(tmp_path, embedder):
    path = tmp_path / "gallery.db"
    with Gallery.create(path, MODEL) as gallery:
        for name in EVIL:
            gallery.add_camera(CameraRow(name, "/nowhere.mp4", 0.0, 64, 48, 10.0, 5))
    with served(path, embedder) as here:
        answer = here.viewer.get("/api/cameras")
        assert answer.status_code == 200, answer.text
        assert sorted(camera["name"] for camera in answer.json()) == sorted(EVIL)
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("password", ["s3cret-in-the-log", "\ud800", "x" * 300])
def test_what_was_sent_is_not_sent_back(shared_here, password):
    import json

    body = json.dumps({"name": 5, "password": password})
    answer = shared_here.anybody.post("/api/session", content=body)
    assert answer.status_code == 422
    assert "s3cret" not in answer.text


def test_attempts_are_limited_by_address_and_by_account(gallery_file, embedder):
    with served(gallery_file, embedder, "console.logins_a_minute=12") as here:
        codes = [
            here.anybody.post("/api/session", json={"name": "viewer", "password": "wrong"}).status_code
            for _ in range(9)
        ]
        assert codes[-1] == 429
        assert set(codes) == {401, 429}
        here.console.logins._left.clear()
        answer = here.anybody.post("/api/session", json={"name": "viewer", "password": PASSWORD})
        assert answer.status_code == 401  # locked by now, and told in the same words
        assert "locked for a while" in answer.json()["error"]
        enter(here.anybody, "operator", PASSWORD)


def test_searches_are_limited_and_say_what_they_are_for(gallery_file, embedder):
    overrides = "console.searches_a_minute=2", "console.require_reason=true"
    with served(gallery_file, embedder, *overrides) as here:
        number = here.console.gallery.identities()[0].number
        ask = lambda **more: here.operator.post("/api/searches/identity", json={"identity": number, **more})  # noqa: E731
        for reason in ("", "   "):
            answer = ask(reason=reason)
            assert answer.status_code == 400
            assert "say what this search is for" in answer.json()["error"]
        codes = [ask(reason="case 7").status_code for _ in range(3)]
        assert codes == [201, 201, 429]
        searches = [entry.details for entry in here.console.gallery.audit_log() if entry.action == "search"]
        assert [each["origin"]["reason"] for each in searches] == ["case 7", "case 7"]
