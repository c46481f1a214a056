"""Which sources are live, and that no password gets into a message."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.addresses import redacted, resolve
from app.errors import InputError

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\"'<>@*"), min_size=1)
"""User names and passwords."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://admin:secret@10.0.0.1:554/one", "rtsp://***@10.0.0.1:554/one"),
        ("cannot open 'rtsp://a:p@ss:w@rd@host/x': timed out", "cannot open 'rtsp://***@host/x': timed out"),
        ("http://host/v?user=me&password=hunter2&size=1", "http://host/v?user=***&password=***&size=1"),
        ("rtsp://host/user=admin&password=&channel=1", "rtsp://host/user=***&password=***&channel=1"),
        ("http://h/?authToken=abc%20d", "http://h/?authToken=***"),
        ('Authorization: Digest username="me", response="1234"', "Authorization: ***"),
        ("no address here: a@b.c", "no address here: a@b.c"),
    ],
)
def test_what_could_be_a_secret_is_hidden_and_the_rest_is_kept(text, expected):
    assert redacted(text) == expected
    assert redacted(expected) == expected


@given(WORDS, WORDS, st.sampled_from(["rtsp", "rtsps", "http", "https"]))
def test_no_password_survives_in_an_address(user, password, scheme):
    user, password = f"USER{user}", f"WORD{password}"
    hidden = redacted(f"error: {scheme}://{user}:{password}@host:554/one failed")
    assert hidden == f"error: {scheme}://***@host:554/one failed"


@given(WORDS)
def test_a_password_from_outside_is_escaped_and_then_kept_out_of_messages(password):
    word = f"WORD{password}"
    address = resolve("rtsp://me:${CAMERA_WORD}@host/x", {"CAMERA_WORD": word})
    assert address.text == f"rtsp://me:{quote(word, safe='')}@host/x"
    message = address.hidden(f"401 for {word} at\n{address.text}, that is {quote(word, safe='')}")
    assert "WORD" not in message
    assert "host/x" in message
    assert "\n" not in message
    assert "WORD" not in repr(address)


def test_a_whole_address_may_come_from_outside(tmp_path):
    (tmp_path / "word").write_text("a b\n")
    assert resolve("${ONE}", {"ONE": "rtsp://u:p@h/x"}).text == "rtsp://u:p@h/x"
    assert resolve("rtsp://${HOST}/x", {"HOST": "10.0.0.1:554"}).text == "rtsp://10.0.0.1:554/x"
    assert resolve(f"http://u:${{file:{tmp_path}/word}}@h/", {}).text == "http://u:a%20b@h/"
    assert resolve("http://h/?key=${K}", {"K": "a&b"}).text == "http://h/?key=a%26b"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("rtsp://u:${NOT_THERE}@h/x", "NOT_THERE, which is not set; set it"),
        ("rtsp://u:${}@h/x", "correct it"),
        ("rtsp://u:${file:/not/there}@h/x", "/not/there: a camera's source cannot be completed"),
        ("ftp://u:hidden@h/x", "give one of rtsp://"),
        ("file:///etc/passwd", "give one of rtsp://"),
        ("rtsp:///path", "no host"),
        ("rtsp://u:hidden@/path", "no host"),
        ("rtsp://u:hidden@h/\nx", "one line"),
        (" ", "is empty"),
    ],
)
def test_a_source_that_cannot_be_used_is_explained_without_its_password(source, said):
    with pytest.raises(InputError) as caught:
        resolve(source, {})
    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_kinds_of_sources():
    assert resolve("rtsp://h/x", {}).kind == "network"
    assert (resolve("2", {}).kind, resolve("2", {}).text) == ("webcam", "/dev/video2")
    assert (resolve("/dev/video7", {}).kind, resolve("/dev/video7", {}).text) == ("webcam", "/dev/video7")
    assert resolve("a.mp4", {}).kind == "file"
