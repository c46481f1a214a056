import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackers.mot import (
    Rows,
    SequenceError,
    read_detections,
    read_mot,
    read_sequence,
    read_visibility,
    rescaled,
    write_mot,
)

INFO = "[Sequence]\nname={name}\nimDir=img1\nframeRate=25\nseqLength=3\nimWidth=640\nimHeight=480\nimExt=.jpg\n"
TRUTH = "1,1,10,20,30,40,1,1,0.5\n2,1,11,20,30,40,0,1,0.5\n2,2,50,20,30,40,1,7,1\n3,2,51,20,30,40,1,1,1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "gt.txt").write_text(TRUTH)
    (tmp_path / "seqinfo.ini").write_text(INFO.format(name="MOT17-99-FRCNN"))
    return tmp_path


def test_reads_a_sequence(folder):
    sequence = read_sequence(folder)
    assert (sequence.name, sequence.length, sequence.fps) == ("MOT17-99-FRCNN", 3, 25.0)
    assert (sequence.width, sequence.height, sequence.images) == (640, 480, None)
    # Column 7 = 0 and other classes than pedestrian do not count.
    assert sequence.truth.frames.tolist() == [1, 3]
    np.testing.assert_allclose(sequence.truth.boxes, [[10, 20, 40, 60], [51, 20, 81, 60]])


def test_visibility_belongs_to_the_rows_that_count(folder):
    assert read_visibility(read_sequence(folder)).tolist() == [0.5, 1]
    (folder / "gt" / "gt.txt").write_text("1,1,10,20,30,40,1,1\n")
    with pytest.raises(SequenceError, match="expected 9 numbers"):
        read_visibility(read_sequence(folder))


def test_column_8_is_no_class_in_mot15(folder):
    (folder / "seqinfo.ini").write_text(INFO.format(name="ETH-Bahnhof"))
    assert read_sequence(folder).truth.frames.tolist() == [1, 2, 3]


def test_finds_video_before_images(folder):
    (folder / "img1").mkdir()
    assert read_sequence(folder).images == folder / "img1"
    (folder / "video.mp4").touch()
    assert read_sequence(folder).images == folder / "video.mp4"


def corrupt(path, text):
    path.write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "gt" / "gt.txt").unlink(), r"gt\.txt: no such file"),
        (lambda f: (f / "seqinfo.ini").unlink(), r"seqinfo\.ini: no such file"),
        (
            lambda f: corrupt(f / "seqinfo.ini", "[Sequence]\nname=a\nimWidth=3\n"),
            "missing frameRate, seqLength, imHeight",
        ),
        (lambda f: corrupt(f / "seqinfo.ini", "name=a"), "cannot be read"),
        (lambda f: corrupt(f / "seqinfo.ini", "[Other]\n"), r"expected a section \[Sequence\]"),
        (lambda f: corrupt(f / "seqinfo.ini", INFO.format(name="a").replace("25", "0")), "above 0, given 0"),
        (lambda f: corrupt(f / "seqinfo.ini", INFO.format(name="a").replace("640", "wide")), "seqinfo.ini: .*wide"),
        (lambda f: (f / "seqinfo.ini").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda f: corrupt(f / "gt" / "gt.txt", TRUTH + "3,9,1\n"), r"gt\.txt:5: expected at least 6 values"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "1,1,2,x,3,4\n"), r"gt\.txt:1: expected numbers"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "1,1,2,nan,3,4\n"), r"gt\.txt:1: expected finite numbers"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "0,1,2,3,3,4\n"), r"gt\.txt:1: expected a frame from 1"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "1,1.5,2,3,3,4\n"), "whole id, given 1 and 1.5"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "4,1,2,3,3,4,1,1\n"), "frame 4 is past the sequence's length 3"),
        (lambda f: corrupt(f / "gt" / "gt.txt", "2,7,2,3,3,4,1,1\n" * 2), "identity 7 has two boxes in frame 2"),
    ],
)
def test_damage_is_named_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(SequenceError, match=message) as caught:
        read_sequence(folder)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(SequenceError, match="nowhere: no such folder"):
        read_sequence(tmp_path / "nowhere")


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 99), st.integers(1, 99), *[st.integers(0, 9999)] * 2, *[st.integers(1, 9999)] * 2)
    )
)
def test_what_is_written_is_read(rows, tmp_path_factory):
    table = np.array(rows, float).reshape(-1, 6)
    boxes = np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1) / 100
    count = len(table)
    given = Rows(table[:, 0].astype(int), table[:, 1].astype(int), boxes, np.full(count, 0.5), np.full(count, -1.0))
    path = tmp_path_factory.mktemp("rows") / "rows.txt"
    write_mot(path, given)
    found = read_mot(path)
    assert found.frames.tolist() == given.frames.tolist()
    assert found.ids.tolist() == given.ids.tolist()
    np.testing.assert_allclose(found.boxes, given.boxes, atol=0.011)
    np.testing.assert_allclose(found.scores, given.scores)
    assert [each.name for each in path.parent.iterdir()] == ["rows.txt"]


def test_an_empty_file_has_no_rows(tmp_path):
    (tmp_path / "rows.txt").write_text("\n")
    assert len(read_mot(tmp_path / "rows.txt")) == 0


@given(st.lists(st.floats(-100, 200), max_size=50))
def test_rescaled_scores_keep_their_order_within_0_and_1(values):
    scores = np.array(values)
    found = rescaled(scores)
    assert ((found >= 0) & (found <= 1)).all()
    assert (np.diff(found[np.argsort(scores)]) >= 0).all()
    if len(scores) and scores.min() >= 0 and scores.max() <= 1:
        np.testing.assert_array_equal(found, scores)


def test_reads_every_shared_sequence(shared):
    folders = sorted((shared / "data" / "mot-boxes").iterdir())
    assert len(folders) == 8
    for path in folders:
        sequence, found = read_sequence(path), None
        found = read_detections(sequence)
        assert len(sequence.truth) > 100
        assert sequence.images is None
        assert 0 <= found.scores.min() <= found.scores.max() <= 1


def test_counts_the_people_of_mot17_as_published(shared):
    """MOT17-02 has 18,581 pedestrian boxes of 62 people, MOT17-04 has 47,557 of 83 (motchallenge.net)."""
    for name, boxes, people in (("MOT17-02", 18581, 62), ("MOT17-04", 47557, 83)):
        truth = read_sequence(shared / "data" / "mot-boxes" / name).truth
        assert (len(truth), len(np.unique(truth.ids))) == (boxes, people)


def test_mot15_scores_come_to_a_useful_scale(shared):
    found = read_detections(read_sequence(shared / "data" / "mot" / "ADL-Rundle-6-first")).scores
    assert 0 <= found.min() < 0.3
    assert 0.4 < np.median(found) < 0.7
    assert found.max() == 1
