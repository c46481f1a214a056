"""The command that serves the console: what it refuses, in one line."""

from __future__ import annotations

import shutil
import socket

import pytest

from app.config_console import ConsoleConfig
from app.console import accounts
from app.console.server import check_certificate, listen, serve, serve_gallery
from app.errors import InputError
from app.gallery import Gallery
from app.gallery.copying import copy
from tests.app.console.scene import served, settings, whom
from tests.app.galleries import fill, message


def refused(outcome, *parts):
    code, out, error = outcome
    assert code == 2, out + error
    assert error.count("\n") == 1
    for part in parts:
        assert part in error


def test_what_cannot_be_served_is_told_in_one_line(crowdtrace, tmp_path, scene):
    refused(crowdtrace("serve", "--gallery", tmp_path / "none"), "no such gallery")
    fill(tmp_path / "gallery.db")
    refused(crowdtrace("serve", "--gallery", tmp_path), "its vectors come from model")
    refused(crowdtrace("serve", "--gallery", tmp_path, "--host", "0.0.0.0"), "must not cross a network in clear")
    refused(crowdtrace("serve", "--gallery", tmp_path, "--set", "console.colour=red"), "console.colour")
    certificate = ["--set", f"console.certificate={tmp_path / 'c.pem'}", "--set", f"console.key={tmp_path / 'k.pem'}"]
    refused(crowdtrace("serve", "--gallery", tmp_path, *certificate), "c.pem: cannot be used")


def test_a_port_that_is_taken_is_told_before_a_password_is_given(crowdtrace, tmp_path, scene):
    shutil.copy(scene, tmp_path / "gallery.db")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, error = crowdtrace("serve", "--gallery", tmp_path, "--port", port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in error
    assert "password" not in out


@pytest.mark.parametrize("host", ["256.1.1.1", "no.such.host.invalid", "a" * 300])
def test_an_address_that_is_not_this_machines_is_refused(host):
    with pytest.raises(InputError) as error:
        listen(ConsoleConfig(host=host, behind_proxy=True))
    assert "cannot listen" in message(error)


def test_a_damaged_certificate_is_refused(tmp_path):
    for name in ("c.pem", "k.pem"):
        (tmp_path / name).write_text("not PEM")
    with pytest.raises(InputError, match="cannot be used"):
        check_certificate(ConsoleConfig(certificate=str(tmp_path / "c.pem"), key=str(tmp_path / "k.pem")))


def test_the_console_over_a_gallery_on_a_server(postgres, gallery_file, embedder, monkeypatch):
    """Users, searches, corrections and the audit log are in the database; the command opens it by its address."""
    address = postgres.empty()
    with Gallery.open(gallery_file) as gallery:
        copy(gallery, address)
    with served(address, embedder) as here:
        camera, frame, box, person = whom(here.console)
        wish = {"camera": camera, "frame": frame, "box": box}
        found = here.operator.post("/api/searches/box", json=wish).json()
        first = found["matches"][0]
        assert (first["camera"], first["track"]) == ("cam2", person)
        verdict = here.operator.post(f"/api/searches/{found['id']}/matches/1/verdict", json={"same": True})
        assert verdict.status_code == 200, verdict.text
        assert here.admin.delete(f"/api/people/{person}").status_code == 200
        done = [each["action"] for each in here.admin.get("/api/audit").json()["entries"]]
        assert [each for each in done if each in ("erase", "identity merge", "search")] == [
            "erase",
            "identity merge",
            "search",
        ]
        assert here.operator.get(f"/api/people/{person}").status_code == 400
    said = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: said.append("served"))
    serve_gallery(address, settings("console.port=0"), "viewer", said.append)
    assert said[-1] == "served"
    assert not any(address in each for each in said)


def test_a_forgotten_password_is_made_anew(gallery_file, embedder, monkeypatch):
    with served(gallery_file, embedder) as here:
        said = []
        monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: said.append("served"))
        console = here.console
        console.config = settings("console.port=0")
        serve(console, "operator", said.append)
        assert said[-1] == "served"
        assert "first start" not in said[0]
        once = said[0].split()[-1]
        user = accounts.check_password(console.gallery, "operator", once, console.config.console)
        assert user.must_change
        with pytest.raises(InputError, match="may not use the console"):
            serve(console, "nobody", said.append)
