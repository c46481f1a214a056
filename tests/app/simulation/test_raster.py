import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulation.raster import CELL, TRIANGLE_BITS, clip_near, count_covered, draw

WIDTH, HEIGHT = 12, 9

# Corners in quarters of a cell, so that many lie on samples and edges run through samples.
quarter = st.integers(-12, 4 * WIDTH + 12).map(lambda v: v / 4)
corner = st.tuples(quarter, quarter)
triangle = st.tuples(corner, corner, corner)
soup = st.lists(st.tuples(triangle, st.integers(1, 3)), min_size=1, max_size=8)


def run(points, triangles, nearness=None, two_sided=True, own=False, windows=None, shape=(HEIGHT, WIDTH)):
    """Draws copies (n, v, 3) of some triangles; returns nearness, what is drawn, silhouettes and tiles."""
    points = np.asarray(points, np.float32)
    triangles = np.asarray(triangles, np.int32)
    near = np.zeros(shape, np.float32) if nearness is None else nearness
    drawn = np.full(shape, -1, np.int32)
    tiles = np.zeros([-(-side // 32) for side in shape], np.uint8)
    if windows is None:
        windows = np.zeros((len(points), 5), np.int64)
    silhouettes = np.zeros(int((windows[:, 4] + windows[:, 2] * windows[:, 3]).max()), np.uint8)
    shown = np.ones((len(points), len(triangles)), bool)
    every = np.ones(len(triangles), bool)
    draw(points, triangles, shown, every & two_sided, every & own, near, drawn, tiles, windows, silhouettes)
    return near, drawn, silhouettes, tiles


def covers(corners, x, y):
    """Whether a triangle owns a sample: whether it holds the place a hair to the right and half a hair's hair below.

    That is the top-left rule, told another way and in whole numbers.
    """
    corners = [(round(2 * CELL * cx), round(2 * CELL * cy)) for cx, cy in corners]
    px, py = (2 * x + 1) * CELL, (2 * y + 1) * CELL
    (ax, ay), (bx, by), (cx, cy) = corners
    if (bx - ax) * (cy - ay) - (cx - ax) * (by - ay) < 0:
        corners = [corners[0], corners[2], corners[1]]
    inside = []
    for (fx, fy), (tx, ty) in zip(corners, corners[1:] + corners[:1], strict=True):
        value = (tx - fx) * (py - fy) - (ty - fy) * (px - fx)
        inside.append((value, -(ty - fy), tx - fx) > (0, 0, 0))
    return all(inside)


def reference(triangles):
    """What each sample shows, sample by sample."""
    drawn = np.full((HEIGHT, WIDTH), -1)
    for y in range(HEIGHT):
        for x in range(WIDTH):
            nearest = 0
            for label, (corners, near) in enumerate(triangles):
                if near > nearest and covers(corners, x, y):
                    nearest, drawn[y, x] = near, label
    return drawn


@given(soup)
@settings(max_examples=60, deadline=None)
def test_every_sample_shows_the_nearest_triangle_that_owns_it(triangles):
    points = [(x, y, near) for corners, near in triangles for x, y in corners]
    _, drawn, _, tiles = run([points], np.arange(len(points)).reshape(-1, 3))
    np.testing.assert_array_equal(drawn, reference(triangles))
    assert tiles.all() or (drawn == -1).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_triangles_with_common_edges_share_out_the_samples(seed):
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:5, 0:5]
    # A net that is pulled about but not torn; its rim is straight and lies on samples.
    places = np.stack([x, y], axis=-1) * 2.5 + 0.5
    places[1:-1, 1:-1] += np.round(random.uniform(-0.7, 0.7, (3, 3, 2)) * 4) / 4
    points = np.concatenate([places.reshape(-1, 2), np.ones((25, 1))], axis=1)
    corner = (np.arange(4)[:, None] * 5 + np.arange(4)).ravel()
    triangles = np.concatenate(
        [np.stack([corner, corner + 1, corner + 5], 1), np.stack([corner + 1, corner + 6, corner + 5], 1)]
    )
    count = np.zeros((16, 16), int)
    for one in triangles:
        count += run([points], [one], shape=(16, 16))[1] >= 0
    # From 0.5 to 10.5: the samples on the left and upper rim belong to it, those on the right and lower rim do not.
    expected = np.zeros((16, 16), int)
    expected[0:10, 0:10] = 1
    np.testing.assert_array_equal(count, expected)


def test_nearness_is_linear_between_the_corners():
    near, drawn, _, _ = run([[(-3, -2, 1), (30, 1, 5), (2, 40, 3)]], [[0, 1, 2]])
    assert (drawn >= 0).sum() > 50
    plane = np.linalg.solve([[-3, -2, 1], [30, 1, 1], [2, 40, 1]], [1, 5, 3])
    y, x = np.nonzero(drawn >= 0)
    np.testing.assert_allclose(near[y, x], (x + 0.5) * plane[0] + (y + 0.5) * plane[1] + plane[2], rtol=1e-5)


@pytest.mark.parametrize(("order", "front"), [((0, 1, 2), False), ((0, 2, 1), True)])
def test_back_faces_are_drawn_only_of_two_sided_triangles(order, front):
    # Clockwise to the eye, y downwards, is a back face.
    points = [[(1, 1, 1), (9, 1, 1), (1, 8, 1)]]
    assert (run(points, [order], two_sided=False)[1] >= 0).any() == front
    assert (run(points, [order], two_sided=True)[1] >= 0).any()


def test_of_equally_near_triangles_the_first_stays():
    both = [(0, 0, 2), (12, 0, 2), (0, 9, 2)]
    _, drawn, _, _ = run([both, both], [[0, 1, 2]])
    assert set(np.unique(drawn)) == {-1, 0}
    _, drawn, _, _ = run([both, [(x, y, 2.5) for x, y, _ in both]], [[0, 1, 2]])
    assert set(np.unique(drawn)) == {-1, 1 << TRIANGLE_BITS}


def test_silhouettes_ignore_what_is_in_front_and_go_on_beyond_the_grid():
    square = [(-6, -4, 1), (8, -4, 1), (8, 4, 1), (-6, 4, 1)]
    windows = np.array([[-6, -4, 14, 8, 0]])
    hidden = np.full((HEIGHT, WIDTH), 9, np.float32)
    _, drawn, silhouettes, _ = run([square], [[0, 1, 2], [0, 2, 3]], hidden, own=True, windows=windows)
    assert (drawn == -1).all()
    assert (silhouettes == 255).all()
    assert len(silhouettes) == 14 * 8
    assert count_covered(windows, silhouettes)[0] == 7 * 4


def test_a_pixel_is_covered_from_two_samples_on():
    window = np.array([[0, 0, 8, 2, 0]])
    samples = np.array([[1, 0, 1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 0, 0]], np.uint8) * 255
    assert count_covered(window, samples.ravel())[0] == 2


def clipped_area(corners, near):
    """Area of the part of a triangle in the plane that lies at x ≥ near, corner after corner along its outline."""
    outline = []
    for first, second in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if first[0] >= near:
            outline.append(first)
        if (first[0] >= near) != (second[0] >= near):
            outline.append(first + (near - first[0]) / (second[0] - first[0]) * (second - first))
    return area(np.array(outline).reshape(-1, 2))


def area(outline):
    x, y = outline.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


@given(st.lists(st.tuples(*[st.floats(-3, 3)] * 6), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_clipping_keeps_what_is_beyond_the_plane_and_the_way_it_faces(values):
    corners = np.array(values).reshape(-1, 3, 2)
    kept = clip_near(corners, corners[..., 0], 0.5)
    assert (kept[..., 0] >= 0.5 - 1e-9).all()
    # Parts of a triangle have its orientation, so that signed areas add up.
    np.testing.assert_allclose(
        sum(area(each) for each in kept), sum(clipped_area(each, 0.5) for each in corners), atol=1e-9
    )
