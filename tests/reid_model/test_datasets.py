from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reid_model.datasets import (
    KINDS,
    DatasetError,
    Part,
    held_out,
    kinds_table,
    read_dataset,
    read_datasets,
    read_market1501,
)
from reid_model.datasets.mot import GALLERY_VISIBILITY, QUERY_VISIBILITY, apart, choose, read_truth
from reid_model.datasets.visibility import visible_shares

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reid.md"


def picture(path: Path, grey: int = 100, size: tuple[int, int] = (64, 32)) -> None:
    """An encoded image of one shade, so that reading tells which file it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), grey, np.uint8))


def refusal(spec: str, part: Part) -> str:
    with pytest.raises(DatasetError) as caught:
        read_dataset(spec, part)
    message = str(caught.value)
    assert "\n" not in message
    return message


# The registry


def test_the_documented_table_is_that_of_the_registry() -> None:
    assert kinds_table() in DOCS.read_text(encoding="utf-8")
    assert list(KINDS) == ["market1501", "msmt17", "occluded-reid", "partial-reid", "pku", "folder", "mot"]


@pytest.mark.parametrize("spec", ["market1501", "market1501:", ":x", "duke:x", "x", ""])
def test_what_is_not_kind_and_folder_is_refused(spec: str) -> None:
    assert "expected KIND:DIR with a kind of market1501, msmt17" in refusal(spec, "query")


@pytest.mark.parametrize("kind", list(KINDS))
def test_a_missing_folder_and_an_empty_one_are_named(kind: str, tmp_path: Path) -> None:
    assert f"{tmp_path / 'gone'}: no such folder" in refusal(f"{kind}:{tmp_path / 'gone'}", "query")
    assert str(tmp_path) in refusal(f"{kind}:{tmp_path}", "query")


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if "train" not in kind.parts])
def test_a_test_set_has_no_train_part(kind: str, tmp_path: Path) -> None:
    assert f"{kind} has no train part; take another kind" in refusal(f"{kind}:{tmp_path}", "train")


def test_a_person_with_one_image_cannot_be_trained_on(tmp_path: Path) -> None:
    for name in ("0001_c1s1_000001_00", "0001_c2s1_000001_00", "0002_c1s1_000001_00", "0003_c1s1_000001_00"):
        picture(tmp_path / "bounding_box_train" / f"{name}.jpg")
    message = refusal(f"market1501:{tmp_path}", "train")
    assert "0002_c1s1_000001_00.jpg is the only image of its person, like 1 more" in message
    picture(tmp_path / "bounding_box_train" / "0002_c3s1_000001_00.jpg")
    picture(tmp_path / "bounding_box_train" / "0003_c3s1_000001_00.jpg")
    assert len(read_dataset(f"market1501:{tmp_path}", "train")) == 6


def test_one_person_alone_cannot_be_trained_on(tmp_path: Path) -> None:
    for number in (1, 2):
        picture(tmp_path / "train" / "anna" / f"{number}.png")
    assert "shows 1 people; training needs two or more" in refusal(f"folder:{tmp_path}", "train")


# Images


def test_crops_decoding_and_subsets_agree(tmp_path: Path) -> None:
    for number, size in enumerate([(64, 32), (10, 90), (200, 100)], 1):
        picture(tmp_path / "query" / f"{number:04d}_c1s1_000001_00.png", 50 * number, size)
    images = read_dataset(f"folder:{tmp_path}", "query")
    assert [crop.shape for crop in images.crops()] == [(64, 32, 3), (10, 90, 3), (200, 100, 3)]
    np.testing.assert_array_equal(images.decode(48, 24).mean(axis=(1, 2, 3)), [50, 100, 150])
    for rows in ([2, 0], np.array([2, 0]), np.array([True, False, True]), slice(1, None)):
        some, index = images.subset(rows), np.arange(3)[rows]
        assert some.names == [images.names[row] for row in index]
        np.testing.assert_array_equal(some.identities, images.identities[index])
        np.testing.assert_array_equal([crop.mean() for crop in some.crops()], 50 * (index + 1))
    assert len(images.subset([])) == 0
    assert images.subset([]).decode(8, 4).shape == (0, 8, 4, 3)


def test_colours_are_rgb_when_decoded_and_bgr_as_crops(tmp_path: Path) -> None:
    (tmp_path / "query").mkdir()
    cv2.imwrite(str(tmp_path / "query" / "0001_c1_0.png"), np.full((8, 4, 3), (255, 0, 0), np.uint8))
    images = read_dataset(f"folder:{tmp_path}", "query")
    np.testing.assert_array_equal(images.decode(8, 4)[0, 0, 0], [0, 0, 255])
    np.testing.assert_array_equal(next(images.crops())[0, 0], [255, 0, 0])


@pytest.mark.parametrize("data", [b"no jpeg", b""])
def test_an_image_that_does_not_decode_is_named(data: bytes, tmp_path: Path) -> None:
    picture(tmp_path / "query" / "0001_c1s1_000001_00.jpg")
    (tmp_path / "query" / "0002_c1s1_000001_00.jpg").write_bytes(data)
    images = read_dataset(f"market1501:{tmp_path}", "query")
    with pytest.raises(DatasetError, match=r"0002_c1s1_000001_00\.jpg: this image does not decode"):
        images.decode(8, 4)
    with pytest.raises(DatasetError, match=r"0002_c1s1_000001_00\.jpg: this image does not decode"):
        list(images.crops())


# Market-1501


def test_market1501_is_read_from_archives_and_folders_alike(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "market1501"
    train, query = (read_dataset(f"market1501:{folder}", part) for part in ("train", "query"))  # type: ignore[arg-type]
    gallery = read_market1501(folder, "gallery")
    assert (len(train), len(np.unique(train.identities))) == (12936, 751)
    assert (len(query), len(np.unique(query.identities))) == (3368, 750)
    assert len(gallery) == 15913
    assert (gallery.identities == 0).sum() == 2798
    for images in (train, query, gallery):
        np.testing.assert_array_equal(np.unique(images.cameras), np.arange(1, 7))
    assert len(np.unique(train.identities[held_out(train.identities)])) == 50
    (tmp_path / "query").mkdir()
    for name, data in list(zip(query.names, query.encoded, strict=True))[:20]:
        (tmp_path / "query" / name).write_bytes(data)
    (tmp_path / "query" / "Thumbs.db").write_bytes(b"not an image")
    few = read_market1501(tmp_path, "query")
    assert few.names == query.names[:20]
    np.testing.assert_array_equal(few.cameras, query.cameras[:20])


def test_market1501_keeps_junk_distractors_and_doubled_endings(tmp_path: Path) -> None:
    for name in ("-1_c3s1_000551_05", "0000_c6s2_000001_01", "0007_c2s3_070952_01.jpg"):
        picture(tmp_path / "bounding_box_test" / f"{name}.jpg")
    images = read_market1501(tmp_path, "gallery")
    assert list(zip(images.identities, images.cameras, strict=True)) == [(-1, 3), (0, 6), (7, 2)]


def test_market1501_of_another_layout_is_refused(tmp_path: Path) -> None:
    assert "no query/ and no query.tar" in refusal(f"market1501:{tmp_path}", "query")
    (tmp_path / "gallery.tar").write_bytes(b"no archive")
    assert "gallery.tar: not a whole archive" in refusal(f"market1501:{tmp_path}", "gallery")
    with tarfile.open(tmp_path / "query.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("query/readme.txt"), io.BytesIO())
    assert "no image of the query part is named like" in refusal(f"market1501:{tmp_path}", "query")


# MSMT17


@pytest.mark.parametrize("folders", [("train", "test"), ("mask_train_v2", "mask_test_v2")])
def test_msmt17_is_read_by_its_lists_in_both_releases(folders: tuple[str, str], tmp_path: Path) -> None:
    train, test = folders
    lists = {"train": (train, "01", "02"), "val": (train, "01", "14"), "query": (test, "03"), "gallery": (test, "15")}
    for name, (place, *cameras) in lists.items():
        rows = []
        for person in (0, 1):
            for number, camera in enumerate(cameras):
                path = f"{person:04d}/{person:04d}_{name}{number}_{camera}_0303morning_0008_0.jpg"
                picture(tmp_path / place / path)
                rows.append(f"{path} {person}")
        (tmp_path / f"list_{name}.txt").write_text("\n".join(rows) + "\n")
    picture(tmp_path / train / "0009" / "0009_000_01_0303morning_0008_0.jpg")
    images = read_dataset(f"msmt17:{tmp_path}", "train")
    assert list(images.identities) == [1, 1, 2, 2, 1, 1, 2, 2]
    assert sorted(set(images.cameras.tolist())) == [1, 2, 14]
    query, gallery = read_dataset(f"msmt17:{tmp_path}", "query"), read_dataset(f"msmt17:{tmp_path}", "gallery")
    assert list(zip(query.identities, query.cameras, strict=True)) == [(1, 3), (2, 3)]
    assert list(zip(gallery.identities, gallery.cameras, strict=True)) == [(1, 15), (2, 15)]


def test_msmt17_names_what_is_missing_or_malformed(tmp_path: Path) -> None:
    assert "no test/ and no mask_test_v2/" in refusal(f"msmt17:{tmp_path}", "query")
    (tmp_path / "test").mkdir()
    assert "list_query.txt: no such file" in refusal(f"msmt17:{tmp_path}", "query")
    (tmp_path / "list_query.txt").write_text("0000/0000_000_01_x.jpg 0\n")
    assert "0000_000_01_x.jpg: no such file" in refusal(f"msmt17:{tmp_path}", "query")
    for row in ("0000/0000_000_01_x.jpg", "0000/image.jpg 0", "0000/0000_000_01_x.jpg zero"):
        (tmp_path / "list_query.txt").write_text(f"{row}\n")
        assert "list_query.txt:1: expected a row like" in refusal(f"msmt17:{tmp_path}", "query")
    (tmp_path / "list_query.txt").write_text("\n")
    assert "names no image" in refusal(f"msmt17:{tmp_path}", "query")


# Sets of occluded people


@pytest.mark.parametrize("ending", ["tif", "jpg"])
def test_occluded_reid_is_read_from_folders_of_people(ending: str, tmp_path: Path) -> None:
    for person in (1, 200):
        for number in (1, 2):
            for place in ("occluded_body_images", "whole_body_images"):
                picture(tmp_path / place / f"{person:03d}" / f"{person:03d}_{number:02d}.{ending}", person)
    query, gallery = (read_dataset(f"occluded-reid:{tmp_path}", part) for part in ("query", "gallery"))  # type: ignore[arg-type]
    for images, camera in ((query, 1), (gallery, 2)):
        assert list(images.identities) == [1, 1, 200, 200]
        assert set(images.cameras.tolist()) == {camera}
        np.testing.assert_allclose(images.decode(8, 4).mean(axis=(1, 2, 3)), [1, 1, 200, 200], atol=1)


def test_partial_reid_asks_with_the_cut_images(tmp_path: Path) -> None:
    for place, grey in (("partial_body_images", 10), ("occluded_body_images", 20), ("whole_body_images", 30)):
        for name in ("001_001", "001_002", "060_001"):
            picture(tmp_path / place / f"{name}.jpg", grey)
    for part, grey in (("query", 10), ("gallery", 30)):
        images = read_dataset(f"partial-reid:{tmp_path}", part)  # type: ignore[arg-type]
        assert list(images.identities) == [1, 1, 60]
        np.testing.assert_allclose(images.decode(8, 4), grey, atol=2)


def test_body_folders_without_numbered_images_are_refused(tmp_path: Path) -> None:
    assert "no occluded_body_images/ here" in refusal(f"occluded-reid:{tmp_path}", "query")
    picture(tmp_path / "occluded_body_images" / "somebody.jpg")
    assert "no image is named like" in refusal(f"occluded-reid:{tmp_path}", "query")


def test_pku_cameras_are_query_and_gallery(tmp_path: Path) -> None:
    for person in (1, 114):
        for camera in (1, 2):
            for side in range(1, 9):
                picture(tmp_path / f"{person:03d}_{camera:02d}_{side}.png", 10 * camera)
    for part, camera in (("query", 1), ("gallery", 2)):
        images = read_dataset(f"pku:{tmp_path}", part)  # type: ignore[arg-type]
        assert list(images.identities) == [1] * 8 + [114] * 8
        assert set(images.cameras.tolist()) == {camera}
        np.testing.assert_array_equal(images.decode(8, 4), 10 * camera)
    assert f"{tmp_path}/query: no such folder" in refusal(f"pku:{tmp_path / 'query'}", "query")


# Folders


def test_a_folder_of_people_is_numbered_alike_in_all_parts(tmp_path: Path) -> None:
    for person in ("anna", "bert"):
        picture(tmp_path / "query" / person / "a-cam3.png")
        picture(tmp_path / "query" / person / "plain.bmp")
    for person in ("bert", "aaron"):
        picture(tmp_path / "gallery" / person / "x_C12_y.webp")
        picture(tmp_path / "gallery" / person / "abc3.jpg")
        (tmp_path / "gallery" / person / "notes.txt").write_text("no image")
    query, gallery = read_dataset(f"folder:{tmp_path}", "query"), read_dataset(f"folder:{tmp_path}", "gallery")
    assert query.names == ["anna/a-cam3.png", "anna/plain.bmp", "bert/a-cam3.png", "bert/plain.bmp"]
    assert list(query.identities) == [2, 2, 3, 3]
    assert list(gallery.identities) == [1, 1, 3, 3]
    assert list(gallery.cameras)[1::2] == [12, 12]
    assert list(query.cameras)[::2] == [3, 3]
    assert set(query.cameras[1::2]) & set(gallery.cameras[::2]) == set()


def test_several_datasets_are_one_without_anybody_in_common(tmp_path: Path) -> None:
    for person, camera in ((-1, 1), (0, 2), (5, 2), (6, 1)):
        picture(tmp_path / "one" / "gallery" / f"{person:04d}_c{camera}s1_000401_03.jpg")
        picture(tmp_path / "two" / "gallery" / f"{person:04d}_c{camera}s1_000401_03.jpg", grey=200)
    specs = [f"folder:{tmp_path / name}" for name in ("one", "two")]
    one, both = read_dataset(specs[0], "gallery"), read_datasets(specs, "gallery")
    assert both.names[:4] == [f"0/{name}" for name in one.names]
    assert both.names[4:] == [f"1/{name}" for name in one.names]
    assert sorted(both.identities.tolist()) == [-1, -1, 0, 0, 5, 6, 11, 12]
    assert set(both.cameras[:4]) == {1, 2}
    assert not set(both.cameras[:4]) & set(both.cameras[4:])
    pixels = both.decode(8, 4)
    assert pixels[:4].max() < 150 < pixels[4:].min(), "pictures stay with their labels"
    assert read_datasets(specs[:1], "gallery").names == one.names


def test_market_names_are_read_without_folders_of_people(tmp_path: Path) -> None:
    for name in ("-1_c1s1_000401_03.jpg", "0005_c2_f0046985.jpg", "0006_c1s1_000401_03.jpg"):
        picture(tmp_path / "bounding_box_test" / name)
    images = read_dataset(f"folder:{tmp_path}", "gallery")
    assert list(zip(images.identities, images.cameras, strict=True)) == [(-1, 1), (5, 2), (6, 1)]


def test_folders_in_neither_layout_are_refused(tmp_path: Path) -> None:
    assert "no query/ here; make it" in refusal(f"folder:{tmp_path}", "query")
    (tmp_path / "query").mkdir()
    assert "no images here" in refusal(f"folder:{tmp_path}", "query")
    picture(tmp_path / "query" / "somebody.jpg")
    assert "expected a name like" in refusal(f"folder:{tmp_path}", "query")
    picture(tmp_path / "query" / "anna" / "1.jpg")
    assert "folders of people beside images such as somebody.jpg" in refusal(f"folder:{tmp_path}", "query")


# Sequences with truth


def test_a_real_sequence_gives_covered_queries_and_clear_gallery_apart_in_time(shared: Path) -> None:
    folder = shared / "data" / "mot" / "ADL-Rundle-6-first"
    truth = read_truth(folder)
    asked, shown = choose(truth, "query"), choose(truth, "gallery")
    assert len(asked) > 20
    assert len(np.unique(truth.ids[asked])) > 5
    assert truth.most[asked].max() <= QUERY_VISIBILITY[1]
    assert truth.least[shown].min() >= GALLERY_VISIBILITY
    same = truth.ids[asked][:, None] == truth.ids[shown]
    away = np.abs(truth.frames[asked][:, None] - truth.frames[shown])
    assert same.any(axis=1).all()
    assert away[same].min() >= 2 * 30

    query = read_dataset(f"mot:{folder}", "query")
    assert len(query) == len(asked)
    for name, crop in zip(query.names, query.crops(), strict=True):
        person, frame = (int(number) for number in re.findall(r"_(\d{4})_(\d{6})_", name)[0])
        left, top, right, bottom = truth.boxes[(truth.ids == person) & (truth.frames == frame)][0]
        assert crop.shape == (bottom - top, right - left, 3)
    np.testing.assert_array_equal(
        np.sort(query.identities), np.sort(np.unique(truth.ids, return_inverse=True)[1][asked] + 1)
    )
    assert set(query.cameras.tolist()) == {1}


def test_training_crops_of_a_sequence_come_in_pairs(shared: Path) -> None:
    images = read_dataset(f"mot:{shared / 'data' / 'mot' / 'MOT17-mini'}", "train")
    counts = np.unique(images.identities, return_counts=True)[1]
    assert len(counts) > 30
    assert counts.min() >= 2
    assert min(crop.shape[0] for crop in images.crops()) >= 32
    assert len({name.rsplit("_", 3)[0] for name in images.names}) == 2


def test_a_sequence_too_short_for_queries_says_so_and_still_gives_strangers(shared: Path) -> None:
    spec = f"mot:{shared / 'data' / 'mot' / 'MOT17-mini'}"
    assert "nobody is seen covered and, 2 s or more away, clearly; give a longer sequence" in refusal(spec, "query")
    gallery = read_dataset(spec, "gallery")
    assert len(gallery) > 10
    assert set(gallery.cameras.tolist()) == {2}


def sequence(folder: Path, rows: list[tuple[float, ...]], name: str = "MOT15-x", frames: int = 90) -> Path:
    """A sequence of numbered grey pictures with the given truth."""
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows))
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nframeRate=30\nseqLength={frames}\nimWidth=200\nimHeight=100\n"
    )
    for frame in range(1, frames + 1):
        picture(folder / "img1" / f"{frame:06d}.png", frame, (100, 200))
    return folder


def test_the_frames_of_crops_are_those_of_the_truth(tmp_path: Path) -> None:
    clear = [(frame, 1, 10, 10, 20, 40, 1, -1, -1, -1) for frame in (1, 2)]
    covered = [(90, 1, 10, 10, 20, 40, 1, -1, -1, -1), (90, 2, 10, 10, 10, 60, 1, -1, -1, -1)]
    folder = sequence(tmp_path / "s", [*clear, *covered])
    query, gallery = read_dataset(f"mot:{folder}", "query"), read_dataset(f"mot:{folder}", "gallery")
    assert query.names == ["MOT15-x_0001_000090_v050.png"]
    np.testing.assert_array_equal(next(query.crops()), np.full((40, 20, 3), 90, np.uint8))
    assert list(gallery.identities) == [1]
    np.testing.assert_array_equal(next(gallery.crops()), np.full((40, 20, 3), 1, np.uint8))


def test_rows_that_do_not_count_are_dropped_by_the_format(tmp_path: Path) -> None:
    rows = [
        (1, 1, 10, 10, 20, 40, 1, 1, 0.3),
        (1, 2, 50, 10, 20, 40, 0, 1, 1),
        (1, 3, 90, 10, 20, 40, 1, 7, 1),
        (1, 4, 130, 10, 5, 40, 1, 1, 1),
        (1, 5, 190, 10, 40, 40, 1, 1, 1),
    ]
    truth = read_truth(sequence(tmp_path / "a", rows, "MOT17-x", 1))
    assert (list(truth.ids), list(truth.most)) == ([1], [0.3])
    truth = read_truth(sequence(tmp_path / "b", rows, "TUD-x", 1))
    assert (list(truth.ids), list(truth.most)) == ([1, 3], [1.0, 1.0])


@pytest.mark.parametrize("part", ["train", "query", "gallery"])
def test_a_sequence_in_which_nobody_counts_is_refused(part: Part, tmp_path: Path) -> None:
    folder = sequence(tmp_path / "s", [(1, 1, 10, 10, 20, 40, 0, -1, -1, -1)], frames=1)
    assert "nobody is seen" in refusal(f"mot:{folder}", part)


def test_faulty_sequences_are_refused_in_one_line(tmp_path: Path) -> None:
    assert "no seqinfo.ini here or one folder down" in refusal(f"mot:{tmp_path}", "gallery")
    folder = sequence(tmp_path / "s", [(1, 1, 10, 10, 20, 40, 1, -1, -1, -1)], frames=1)
    (folder / "img1" / "000001.png").write_bytes(b"no image")
    assert "000001.png: this image does not decode" in refusal(f"mot:{folder}", "gallery")
    (folder / "img1" / "000001.png").unlink()
    assert "no video.mp4 and no img1/000001.jpg here" in refusal(f"mot:{folder}", "gallery")
    (folder / "video.mp4").write_bytes(b"no video")
    assert "video.mp4: does not decode after 0 frames" in refusal(f"mot:{folder}", "gallery")
    for text in ("", "1,2,3\n", "1,1,a,b,c,d\n", "1,1,1,1,1,1\n1,1,1\n", "0,1,1,1,1,1\n"):
        (folder / "gt" / "gt.txt").write_text(text)
        assert "gt.txt: expected rows" in refusal(f"mot:{folder}", "gallery")
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=x\n")
    assert "seqinfo.ini: not a sequence's description" in refusal(f"mot:{folder}", "gallery")


def test_a_video_shorter_than_its_truth_is_refused(clip: Callable[[str, int], Path], tmp_path: Path) -> None:
    folder = sequence(tmp_path / "s", [(frame, 1, 10, 10, 20, 40, 1, -1, -1, -1) for frame in (5, 99)], frames=1)
    (folder / "video.mp4").write_bytes(clip("one-by-one.mp4", 20).read_bytes())
    assert re.search(r"ends after \d\d frames, the truth at 99", refusal(f"mot:{folder}", "gallery"))


frames_of_one = st.lists(st.integers(1, 400), max_size=12, unique=True).map(lambda a: np.array(sorted(a), np.int64))


@given(frames_of_one, frames_of_one, st.integers(1, 90))
def test_kept_pairs_are_apart_and_as_many_as_a_cut_in_time_would_keep(
    covered: np.ndarray, clear: np.ndarray, gap: int
) -> None:
    queries, gallery = apart(covered, clear, gap)
    if queries.any():
        assert gallery.any()
        assert np.abs(covered[queries][:, None] - clear[gallery]).min() >= gap
    else:
        assert gallery.all()
    cuts = [(covered >= cut).sum() for cut in covered if (clear <= cut - gap).any()]
    cuts += [(covered <= cut).sum() for cut in covered if (clear >= cut + gap).any()]
    assert queries.sum() >= max(cuts, default=0)


boxes_of_a_frame = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(4, 40), st.integers(4, 40)), min_size=1, max_size=6
)


@given(boxes_of_a_frame)
def test_visible_shares_are_those_of_the_painted_picture(corners: list[tuple[int, int, int, int]]) -> None:
    """Painting boxes from far to near leaves of each what is visible."""
    boxes = np.array([(x, y, x + w, y + h) for x, y, w, h in corners], np.float64)
    boxes = boxes[np.unique(boxes[:, 3], return_index=True)[1]]
    scale, size = 6, 80
    canvas = np.full((size * scale, size * scale), -1)
    for number in np.argsort(boxes[:, 3]):
        left, top, right, bottom = (boxes[number] * scale).astype(int)
        canvas[top:bottom, left:right] = number
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) * scale**2
    painted = np.array([(canvas == number).sum() for number in range(len(boxes))]) / areas
    shares = visible_shares(np.ones(len(boxes), np.int64), boxes, size, size)
    np.testing.assert_allclose(shares, painted, atol=0.1)
    sure, unsure = (visible_shares(np.ones(len(boxes), np.int64), boxes, size, size, lead) for lead in (0.04, -0.04))
    assert (unsure <= shares).all()
    assert (shares <= sure).all()
