import pytest

from app.errors import InputError
from app.simulation.config import SimulationConfig


def test_frames_are_whole_and_at_least_one():
    assert SimulationConfig(seconds=2, fps=25).frames == 50
    assert SimulationConfig(seconds=0.001, fps=25).frames == 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"people": 0}, "people 0"),
        ({"cameras": 0}, "cameras 0"),
        ({"cameras": 65}, "1 to 64"),
        ({"size": (1, 1)}, "width 1"),
        ({"size": (1280, 721)}, "height 721"),
        ({"seconds": 0}, "seconds 0"),
        ({"seconds": float("nan")}, "seconds nan"),
        ({"fps": 0}, "fps 0"),
        ({"fps": float("inf")}, "fps inf"),
        ({"seed": -1}, "seed -1"),
        ({"start": float("nan")}, "start nan"),
        ({"workers": 0}, "workers 0"),
    ],
)
def test_a_wrong_value_is_named_in_one_line(wrong, words):
    with pytest.raises(InputError) as caught:
        SimulationConfig(**wrong)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
