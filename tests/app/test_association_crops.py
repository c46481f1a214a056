"""Which crops of a dataset are a tracklet."""

from __future__ import annotations

import pytest

from app.association_crops import presences
from app.errors import InputError
from reid_model.datasets import ReidImages


def market_images(names: list[str]) -> ReidImages:
    return ReidImages.of([(name, b"", int(name.split("_")[0]), int(name.split("_c")[1][0])) for name in names])


def test_crops_of_a_person_in_a_recording_are_a_tracklet_until_they_are_gone() -> None:
    names = [
        "0002_c1s1_000451_03.jpg",
        "0002_c1s1_000426_00.jpg",  # one second before
        "0002_c1s1_000702_01.jpg",  # more than ten seconds later
        "0002_c1s2_000100_01.jpg",  # another recording
        "0002_c3s1_000451_01.jpg",
        "0007_c3s1_000451_02.jpg",
        "0000_c3s1_000460_01.jpg",  # two distractors, a moment apart
        "0000_c3s1_000461_01.jpg",
        "-1_c3s1_000461_02.jpg",
    ]
    made = presences(market_images(names), "market1501:here", 10)
    crops = [[made.images.names[row] for row in rows] for rows in made.rows]
    assert sorted(crops) == sorted([[names[1], names[0]], *([name] for name in names[2:8])])
    by_name = {part[0]: place for place, part in enumerate(crops)}
    assert [int(made.people[by_name[name]]) for name in names[1:8]] == [2, 2, 2, 2, 7, -1, -1]
    later = made.frames[by_name[names[3]]][0] - made.frames[by_name[names[2]]][-1]
    assert later > 25 * 600, "recordings lie further apart than anybody is remembered"
    assert made.frames[by_name[names[4]]][0] == made.frames[by_name[names[1]]][1], "cameras run side by side"


def test_names_that_do_not_say_when_are_refused() -> None:
    with pytest.raises(InputError, match="does not say when"):
        presences(ReidImages.of([("0001_c1_1.jpg", b"", 1, 1)]), "folder:here", 10)
    with pytest.raises(InputError, match="nobody in it is seen by two cameras"):
        presences(market_images(["0002_c1s1_000451_03.jpg", "0003_c2s1_000451_03.jpg"]), "market1501:here", 10)
