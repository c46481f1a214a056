import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation.pyramid import LINEAR, look_up, make_pyramids, to_srgb


def test_values_survive_the_way_to_light_and_back():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_srgb(LINEAR[values]), values)


def pyramids():
    random = np.random.default_rng(1)
    return make_pyramids([random.integers(0, 256, shape, np.uint8) for shape in ((8, 8, 3), (5, 12, 3))])


@given(st.integers(0, 1), st.integers(0, 11), st.integers(0, 7))
@settings(deadline=None)
def test_the_middle_of_a_texel_is_the_texel(which, column, row):
    found = pyramids()
    start, height, width = found.sizes[which, 0]
    row, column = row % height, column % width
    texel = found.texels[start + (row * width + column) * 3 :][:3]
    u, v = (column + 0.5) / width, (row + 0.5) / height
    for repeats in (True, False):
        np.testing.assert_allclose(look_up(*found, which, 0, u, v, repeats), LINEAR[texel], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(look_up(*found, which, 0, u - 2, v + 3, True), LINEAR[texel], rtol=1e-3, atol=1e-4)


def test_beyond_its_edges_a_texture_repeats_or_goes_on():
    found = make_pyramids(np.array([[[[0] * 3, [255] * 3]]], np.uint8))
    assert look_up(*found, 0, 0, 1.0, 0.5, False)[0] == 1
    assert abs(look_up(*found, 0, 0, 1.0, 0.5, True)[0] - 0.5) < 1e-6
    assert abs(look_up(*found, 0, 0, 0.5, 0.5, False)[0] - 0.5) < 1e-6


def test_smaller_sizes_are_means_in_linear_light():
    random = np.random.default_rng(2)
    texture = random.integers(0, 256, (16, 16, 3), np.uint8)
    found = make_pyramids([texture])
    mean = LINEAR[texture].mean(axis=(0, 1))
    for level in (1, 2, 4, 8):
        start, height, width = found.sizes[0, level]
        part = LINEAR[found.texels[start : start + height * width * 3].reshape(-1, 3)]
        assert height == max(1, 16 >> level)
        np.testing.assert_allclose(part.mean(axis=0), mean, atol=0.01)
