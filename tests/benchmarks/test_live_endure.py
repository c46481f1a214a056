"""A leak is told from what only goes up and down, and memory from what files are read into."""

import subprocess
import sys

import numpy as np
import pytest

from benchmarks.live_endure import growth, memory_of, slope

HOLDS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(sum(mapped[place] for place in range(0, len(mapped), 4096)), flush=True)
sys.stdin.readline()
held = bytearray(b"x") * (50 << 20)
print("held", flush=True)
sys.stdin.readline()
"""


def run(leak, seed, minutes=10.0):
    """Memory, MB, that goes up and down by some for minutes together, and grows by a leak a minute."""
    random = np.random.default_rng(seed)
    times = np.arange(0, minutes * 60, 0.5)
    slow = np.interp(times, times[::60], random.normal(0, 3, len(times[::60])))
    return times, 1300 + leak * times / 60 + slow + random.normal(0, 1, len(times))


@pytest.mark.parametrize("leak", [0.0, 3.0])
def test_the_slope_is_that_of_the_leak_and_not_of_the_noise(leak):
    found = np.array([growth(*run(leak, seed)) for seed in range(40)])
    assert np.abs(np.median(found[:, 0]) - leak) < 0.3
    assert (np.abs(found[:, 0] - leak) < 2.0).mean() > 0.9
    assert (found[:, 1] <= found[:, 0]).all()
    assert (found[:, 0] <= found[:, 2]).all()


def test_only_the_last_half_counts_and_a_short_rise_little():
    times, values = run(0.0, 1)
    before = slope(times, values)
    assert slope(times, np.where(times < 290, 0.0, values)) == before
    risen = values + 200 * (times > 570)
    assert abs(slope(times, risen) - before) < 1.0
    assert np.polyfit(times[600:] / 60, risen[600:], 1)[0] > 10


def test_of_a_straight_line_all_bounds_are_its_slope():
    times = np.arange(0, 600, 0.5)
    assert growth(times, times / 60 * 7) == pytest.approx((7, 7, 7))
    assert np.isnan(growth(times[:10], times[:10])).all()


def test_memory_is_what_no_file_has(tmp_path):
    file = tmp_path / "large"
    file.write_bytes(bytes(50 << 20))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        assert run.stdout.readline() == "0\n"
        before = memory_of(run.pid)
        run.stdin.write("\n")
        run.stdin.flush()
        assert run.stdout.readline() == "held\n"
        after = memory_of(run.pid)
        run.stdin.write("\n")
    assert before < 30
    assert after - before == pytest.approx(50, abs=2)
