"""`evaluate reid` through the command line, on a few real people."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from app import reid_evaluation
from reid_model.matching import METHODS

PEOPLE = ("0001", "0003", "0004", "0006")
SCORES = {"R1", "R5", "R10", "mAP", "mINP", "TAR@1e-2", "TAR@1e-3"}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def market(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Market-1501 of four people, six distractors and junk, about 60 images in its original folders."""
    root = tmp_path_factory.mktemp("market")
    for part, folder, few in (("query", "query", PEOPLE), ("gallery", "bounding_box_test", (*PEOPLE, "0000", "-1"))):
        (root / folder).mkdir()
        with tarfile.open(shared / "data" / "market1501" / f"{part}.tar") as tar:
            taken = dict.fromkeys(few, 0)
            for member in tar:
                name = Path(member.name).name
                person = name.split("_")[0]
                if taken.get(person, 99) < 14 and not (person in ("0000", "-1") and taken[person] >= 6):
                    taken[person] += 1
                    (root / folder / name).write_bytes(tar.extractfile(member).read())
    return root


@pytest.fixture
def run(crowdtrace: Run) -> Run:
    return partial(crowdtrace, "evaluate", "reid")


def results(path: Path) -> dict[str, dict[str, float]]:
    return {result["name"]: result for result in json.loads(path.read_text())["results"]}


def test_every_matching_and_a_peer_on_covered_and_plain_queries(
    run: Run, market: Path, shared: Path, tmp_path: Path
) -> None:
    peer = shared / "models/peers/person-reidentification-retail-0287/person-reidentification-retail-0287.xml"
    options = ("--data", f"market1501:{market}", "--peer", peer)
    code, out, err = run(*options, "--json", tmp_path / "plain.json")
    assert (code, err) == (0, "")
    plain = results(tmp_path / "plain.json")
    assert list(plain) == [*METHODS, peer.stem]
    assert json.loads((tmp_path / "plain.json").read_text())["command"] == "evaluate reid"
    for name, result in plain.items():
        assert name in out
        assert all(0 <= result[score] <= 100 for score in SCORES)
        assert result["queries"] == len(list((market / "query").iterdir()))
        assert result["embed_s"] > 0
    assert plain["gasm"]["R1"] >= 50
    assert plain[peer.stem]["R1"] >= 95

    occlusion = ("--occlude", 1, "--occluders", shared / "data" / "pennfudan")
    code, _, err = run(*options, *occlusion, "--matching", "gasm", "--matching", "dsr", "--json", tmp_path / "a.json")
    assert (code, err) == (0, "")
    covered = results(tmp_path / "a.json")
    assert list(covered) == ["gasm", "dsr", peer.stem]
    for name in covered:
        assert covered[name]["mAP"] < plain[name]["mAP"]


def test_a_seed_covers_a_query_alike_whichever_others_are_used(run: Run, market: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "bounding_box_test").symlink_to(market / "bounding_box_test")
    (alone / "query").mkdir()
    names = sorted(path.name for path in (market / "query").iterdir())
    found = []
    for folder, every in ((market, 2), (market, 2), (alone, 1)):
        if folder is alone:  # the queries that --every 2 takes, under their own numbers 0, 1, 2, …
            for name in names[::2]:
                (alone / "query" / name).write_bytes((market / "query" / name).read_bytes())
        file = tmp_path / "r.json"
        options = ("--matching", "gasm", "--occlude", 3, "--every", every, "--json", file)
        assert run("--data", f"market1501:{folder}", *options)[0] == 0
        found.append({k: v for k, v in results(file)["gasm"].items() if not k.endswith("_s")})
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[0]["queries"] == len(names[::2])


def test_a_gallery_in_parts_gives_the_same_scores(
    run: Run, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for step, held in ((256, 1 << 29), (7, 1)):
        monkeypatch.setattr(reid_evaluation, "STEP", step)
        monkeypatch.setattr(reid_evaluation, "HELD_BYTES", held)
        assert run("--data", f"market1501:{market}", "--json", tmp_path / "r.json")[0] == 0
        rows = results(tmp_path / "r.json").values()
        found.append([value for row in rows for name, value in row.items() if name in SCORES])
    assert len(found[0]) == len(METHODS) * len(SCORES)
    assert found[1] == pytest.approx(found[0], abs=0.3)  # batches of another size round differently


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--matching", "euclid"), ("--matching euclid", "global, local, gasm")),
        (("--weights", "none.safetensors"), ("none.safetensors", "no such weight file")),
        (("--peer", "none.xml"), ("none.xml", "no such file")),
        (("--occlude", "1", "--occluders", "nowhere"), ("nowhere", "Penn-Fudan")),
        (("--occlude", "-1"), ("--occlude -1", "0 or more")),
        (("--json", "no/such/folder/r.json"), ("r.json", "cannot be written")),
    ],
)
def test_bad_input_is_one_line(run: Run, market: Path, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_refused(run("--data", f"market1501:{market}", *options), *parts)


def test_data_of_another_layout_or_without_right_answers_is_one_line(run: Run, market: Path, tmp_path: Path) -> None:
    assert_refused(run("--data", f"msmt17:{market}"), str(market))
    assert_refused(run("--data", f"market1501:{tmp_path}"), str(tmp_path))
    assert_refused(run("--data", f"nothing:{market}"), "nothing")
    (tmp_path / "query").mkdir()
    (tmp_path / "bounding_box_test").mkdir()
    some = sorted((market / "query").glob("0001_*"))[0]
    (tmp_path / "query" / some.name).write_bytes(some.read_bytes())
    (tmp_path / "bounding_box_test" / some.name).write_bytes(some.read_bytes())  # the same camera: it does not count
    assert_refused(run("--data", f"market1501:{tmp_path}", "--matching", "global"), "no query has a positive")


def test_no_photographs_to_cover_with_is_one_line(
    run: Run, market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROWDTRACE_SHARED", str(tmp_path))
    assert_refused(run("--data", f"market1501:{market}", "--occlude", 1), "--occluders")


def assert_refused(outcome: tuple[int, str, str], *parts: str) -> None:
    code, _, err = outcome
    assert code == 2, err
    assert err.startswith("crowdtrace: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err
