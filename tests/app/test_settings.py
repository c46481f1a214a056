from __future__ import annotations

from pathlib import Path

import pytest

from app.config import Config
from app.config_live import LiveConfig
from app.default_config import default_yaml
from app.errors import InputError
from app.settings import load_config
from trackers import TrackerConfig

CONFIGS = Path(__file__).parent.parent.parent / "configs"


def test_default_file_is_the_schema_written_out() -> None:
    written = (CONFIGS / "default.yaml").read_text()
    assert written == default_yaml(), "write it anew: python -m app.default_config > configs/default.yaml"
    assert load_config(CONFIGS / "default.yaml") == Config()


def test_every_field_is_described() -> None:
    for section in Config.model_fields.values():
        assert section.description
    for name in ("detector", "embedder", "tracker", "association", "gallery"):
        for key, field in type(getattr(Config(), name)).__pydantic_fields__.items():
            assert field.description, f"{name}.{key}"


def test_example_is_valid_and_its_values_arrive() -> None:
    config = load_config(CONFIGS / "cameras.example.yaml", ["cameras.1.name=lobby", "tracker.high_score=0.6"])
    assert [camera.name for camera in config.cameras] == ["entrance", "lobby"]
    assert config.cameras[0].start == 1772353800.0
    assert config.tracker.high_score == 0.6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("detector: {confidnce: 0.2}", ["detector.confidnce", "unknown key", "0.2", "did you mean 'confidence'?"]),
        ("tracker: {high_scor: 0.2}", ["tracker.high_scor", "unknown key", "did you mean 'high_score'?"]),
        ("detectr: {}", ["detectr", "unknown key", "did you mean 'detector'?"]),
        ("detector: {confidence: 3}", ["detector.confidence", "given 3", "less than or equal to 0.99"]),
        ("detector: {confidence: much}", ["detector.confidence", "'much'", "number"]),
        ("detector: {image_size: 100}", ["detector.image_size", "100", "multiple of 32"]),
        ("association: {matching: best}", ["association.matching", "'best'", "'gasm'"]),
        ("cameras: [{name: a, source: x}, {name: b}]", ["cameras.1.source", "required"]),
        ("cameras: [{name: a/b, source: x}]", ["cameras.0.name", "'a/b'", "letters, digits, - and _"]),
        ("cameras: [{name: a, source: x}, {name: a, source: y}]", ["unique", "twice: a"]),
        ("cameras: [{name: a, source: x, ignore: [[[1, 2], [3, 4]]]}]", ["cameras.0.ignore.0", "at least 3"]),
        ("cameras: [{name: a, source: x, start: soon}]", ["cameras.0.start", "'soon'", "ISO 8601"]),
        ("detector: {confidence: 0.2, confidence: 0.3}", ["line 1", "'confidence' is given twice"]),
        ("detector: [", ["line", "not valid YAML"]),
        ("- a\n- b", ["expected sections", "list"]),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(path)
    message = str(caught.value)
    for part in [str(path), *parts]:
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("detector.confidence", ["expected KEY=VALUE"]),
        ("detector..confidence=1", ["expected KEY=VALUE"]),
        ("detector.confidence=[", ["not valid YAML"]),
        ("detector.confidence=9", ["--set", "detector.confidence", "given 9"]),
        ("cameras.3.name=a", ["'3' is no entry of cameras", "there are 2"]),
        ("cameras.0.name.x=a", ["cameras.0.name has no parts"]),
    ],
)
def test_overrides_are_checked_too(override: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load_config(CONFIGS / "cameras.example.yaml", [override])
    for part in parts:
        assert part in str(caught.value)


def test_missing_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="cannot be read as text"):
        load_config(tmp_path / "binary.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        load_config(tmp_path)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_config(tmp_path / "empty.yaml") == Config()


def test_recordings_raise_the_budget_and_never_lower_it() -> None:
    plain = Config()
    raised = plain.for_recordings()
    assert (raised.tracker.exemplars, raised.tracker.crops_per_frame) == (20, 24)
    assert (raised.tracker.exemplar_seconds, raised.association.pairs) == (0.3, 6)
    assert (plain.tracker.part_seconds, raised.tracker.part_seconds) == (None, 2.0)
    assert raised.tracker.gate == plain.tracker.gate
    assert raised.for_recordings() == raised
    assert Config(tracker=TrackerConfig(crops_per_second=5.0)).for_recordings().tracker == raised.tracker
    tracker = TrackerConfig(exemplars=30, exemplar_seconds=0.1, crops_per_frame=50, part_seconds=1.0)
    assert Config(tracker=tracker).for_recordings().tracker == tracker
    boxes_only = Config(tracker=TrackerConfig(crops_per_frame=0))
    assert boxes_only.for_recordings() == boxes_only


def test_live_cameras_have_an_arithmetic_of_their_own() -> None:
    plain = Config()
    live = plain.for_live()
    assert (plain.embedder.precision, live.embedder.precision) == ("f32", "auto")
    assert live.for_live() == live
    assert (live.tracker, live.association) == (plain.tracker, plain.association)
    exact = Config(live=LiveConfig(precision="f32"))
    assert exact.for_live() == exact
