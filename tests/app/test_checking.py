"""`check` as a user meets it: every mistake named at once, no password shown, and cameras asked how they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rtsp.running import RtspServer, missing

EXAMPLE = Path(__file__).parents[2] / "configs" / "live.example.yaml"

MISTAKEN = """
cameras:
  - {name: entrance, source: "rtsp://ann:hid/den@10.0.0.1/one", analyse_fps: zero}
  - {name: hall, sorce: "rtsp://ann:hidden@10.0.0.1/one"}
  - {name: a b, source: "rstp://ann:hidden@10.0.0.1/one"}
  - {name: yard, source: "rtsp://ann:hidden@10.0.0.1:99999/one"}
  - {name: roof, source: "rtsp:///one"}
live: {stalled_seconds: 1000}
trackr: {}
"""


def test_every_mistake_is_named_at_once_and_no_password_is_shown(crowdtrace, tmp_path):
    (tmp_path / "bad.yaml").write_text(MISTAKEN)
    code, out, err = crowdtrace("check", tmp_path / "bad.yaml")
    assert (code, out) == (2, "")
    lines = [line.removeprefix(f"{tmp_path / 'bad.yaml'}: ") for line in err.splitlines()]
    expected = {
        "cameras.0.source": "%2F",
        "cameras.0.analyse_fps": "valid number",
        "cameras.1.source": "required",
        "cameras.1.sorce": "did you mean 'source'?",
        "cameras.2.name": "only letters",
        "cameras.2.source": "rtsp://",
        "cameras.3.source": "from 1 to 65535",
        "cameras.4.source": "no host",
        "live.stalled_seconds": "120",
        "trackr": "did you mean 'tracker'?",
    }
    assert len(lines) == len(expected)
    for path, part in expected.items():
        (line,) = [line for line in lines if line.startswith(f"{path}: ")]
        assert part in line
    assert "hid" not in err
    # Elsewhere the first one is told, and where to learn of the rest.
    code, _, err = crowdtrace("track", "--config", tmp_path / "bad.yaml")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "9 more: `run.py check` names them" in err


def test_what_a_valid_form_does_not_tell_is_named_too(crowdtrace, tmp_path):
    (tmp_path / "bad.yaml").write_text(
        """
        cameras: [{name: one, source: "rtsp://ann:${NOT_SET_ANYWHERE}@10.0.0.1/one"}]
        events:
          mqtt: {host: broker, password: "${file:/not/there}", authority: gone.pem}
          webhooks: [{url: "https://example.com/${NOT_SET_EITHER}", secret: "${ALSO_NOT_SET}"}]
        console: {floor_plan: gone.png, floor_places: {two: [1, 2]}}
        """
    )
    code, _, err = crowdtrace("check", tmp_path / "bad.yaml")
    assert code == 2
    assert [line.removeprefix(f"{tmp_path / 'bad.yaml'}: ").partition(": ")[0] for line in err.splitlines()] == [
        "cameras.0.source",
        "events.mqtt.password",
        "events.webhooks.0.url",
        "events.webhooks.0.secret",
        "console.floor_plan",
        "events.mqtt.authority",
        "console.floor_places.two",
    ]


def test_the_example_with_two_addresses_has_ten_lines_and_is_valid(crowdtrace, monkeypatch):
    monkeypatch.setenv("ENTRANCE_PASSWORD", "a b/c")
    monkeypatch.setenv("HALL_PASSWORD", "x")
    assert len(EXAMPLE.read_text().splitlines()) <= 10
    code, out, err = crowdtrace("check", EXAMPLE)
    assert (code, err) == (0, "")
    assert "valid; cameras: entrance, hall" in out


@pytest.mark.timeout(120)
def test_cameras_are_asked_how_they_are(crowdtrace, tmp_path):
    why = missing()
    if why:
        pytest.skip(why)
    mount = {"path": "/one", "width": 320, "height": 240, "fps": 15, "user": "ann", "password": "right-word"}
    with RtspServer(mount) as server:
        address = f"127.0.0.1:{server.port}"
        file = tmp_path / "cameras.yaml"
        good = f'{{name: good, source: "rtsp://ann:right-word@{address}/one"}}'
        file.write_text(f"cameras: [{good}]")
        code, out, err = crowdtrace("check", file, "--connect")
        assert (code, err) == (0, "")
        assert "camera good: live: h264, 320x240" in out
        wrong = f'{{name: wrong, source: "rtsp://ann:other-word@{address}/one"}}'
        nowhere = f'{{name: nowhere, source: "rtsp://ann:right-word@{address}/two"}}'
        file.write_text(f"cameras: [{good}, {wrong}, {nowhere}]")
        code, out, err = crowdtrace("check", file, "--connect")
        assert code == 2
        assert "camera good: live" in out
        told = dict(line.split(": ", 1) for line in err.splitlines())
        assert set(told) == {"camera wrong", "camera nowhere"}
        assert "password" in told["camera wrong"]
        assert "path" in told["camera nowhere"]
        assert "word" not in err.replace("password", "")
