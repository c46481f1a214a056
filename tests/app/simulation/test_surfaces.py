import numpy as np
import pytest

from app.simulation.solids import box, cylinder, rectangle
from app.simulation.surroundings import DOOR_HEIGHT, lamp_places, surrounding_surfaces
from app.simulation.things import thing_surfaces
from app.simulation.world import Area, Door, Ground, Kind, Thing

TEXTURE = np.full((4, 4, 3), 128, np.uint8)
SIZES = {
    Kind.wall: (4.0, 0.3, 2.5),
    Kind.pillar: (0.7, 0.7, 3.0),
    Kind.bench: (1.8, 0.5, 0.45),
    Kind.kiosk: (2.6, 2.0, 2.5),
    Kind.planter: (1.6, 1.0, 1.2),
    Kind.lamp: (0.2, 0.2, 4.0),
}


def facing(mesh):
    """Cosine between each triangle's own normal and those of its corners."""
    a, b, c = np.moveaxis(mesh.vertices[mesh.triangles].astype(float), 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.einsum("tk,tck->tc", normal, mesh.normals[mesh.triangles])


@pytest.mark.parametrize(
    "mesh",
    [
        rectangle((1, 2, 3), (2, 0, 0), (0, 0, 1), TEXTURE, (1, 1)),
        box((1, 2, 0), (1, 2, 3), 0.7, TEXTURE, (1, 1)),
        cylinder((1, 2, 0), (0.5, 0.3), 2.0, TEXTURE, (1, 1)),
    ],
)
def test_triangles_are_counter_clockwise_seen_from_outside(mesh):
    assert (facing(mesh) > 0.9).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)


def test_solids_look_outwards_and_are_closed():
    for mesh in (box((1, 2, 0), (1, 2, 3), 0.7, TEXTURE, (1, 1)),):
        corners = mesh.vertices[mesh.triangles].astype(float)
        # The divergence theorem: the volume a closed surface holds, positive when it looks outwards.
        assert np.linalg.det(corners).sum() / 6 == pytest.approx(6.0)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_thing_stands_on_its_footprint_and_is_as_high_as_it_says(kind):
    length, width, height = SIZES[kind]
    thing = Thing(kind, "a", (10.0, 20.0), length, width, height, 0.0 if kind in (Kind.pillar, Kind.lamp) else 0.8)
    surfaces = thing_surfaces([thing], 3)
    points = np.concatenate([each.mesh.vertices for each in surfaces]).astype(float)
    assert points[:, 2].min() >= 0
    assert height - 0.2 <= points[:, 2].max() <= height + 0.2
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    local = (points[:, :2] - thing.centre) @ np.array([[cos, -sin], [sin, cos]])
    # Where people walk nothing sticks out by more than a skirting board or a counter.
    low = np.abs(local[points[:, 2] < 1.9])
    assert low[:, 0].max() <= length / 2 + 0.16
    assert low[:, 1].max() <= width / 2 + 0.16
    again = thing_surfaces([thing], 3)
    assert all((a.mesh.texture == b.mesh.texture).all() for a, b in zip(surfaces, again, strict=True))


def hit(surfaces, start, way):
    """Distance to the first front face along a ray; infinite without one."""
    best = np.inf
    for surface in surfaces:
        a, b, c = np.moveaxis(surface.mesh.vertices[surface.mesh.triangles].astype(float), 1, 0)
        for corner, first, second in zip(a, b - a, c - a, strict=True):
            matrix = np.column_stack([first, second, -np.asarray(way)])
            facing = np.cross(first, second) @ way
            if facing < -1e-9:
                u, v, t = np.linalg.solve(matrix, np.asarray(start) - corner)
                if u >= 0 and v >= 0 and u + v <= 1 and t > 0:
                    best = min(best, t)
    return best


@pytest.mark.parametrize("ground", list(Ground))
def test_walls_stand_on_the_edges_and_are_open_at_doors(ground):
    area = Area("a", ground, 0.0, 0.0, 12.0, 8.0, 4.0)
    doors = [Door("d", "a", (12.0, 3.0), np.pi, 1.6), Door("e", "a", (5.0, 8.0), -np.pi / 2, 1.4)]
    surfaces = surrounding_surfaces(area, doors, 1)
    middle = (6.0, 4.0, 1.5)
    assert hit(surfaces, middle, (-1, 0, 0)) == pytest.approx(6.0)
    assert hit(surfaces, middle, (0, -1, 0)) == pytest.approx(4.0)
    assert hit(surfaces, middle, (1, 0, 0)) == pytest.approx(6.0)  # beside the door
    assert hit(surfaces, (6.0, 3.0, 1.5), (1, 0, 0)) > 8.0
    assert hit(surfaces, (5.0, 4.0, 1.5), (0, 1, 0)) > 6.0
    assert hit(surfaces, (5.0, 4.0, DOOR_HEIGHT + 0.3), (0, 1, 0)) == pytest.approx(4.0)
    assert hit(surfaces, middle, (0, 0, -1)) == pytest.approx(1.5)
    overhead = hit(surfaces, middle, (0, 0, 1))
    assert np.isinf(overhead) if ground is Ground.plaza else overhead == pytest.approx(2.5, abs=0.02)
    assert len(lamp_places(area)) == (0 if ground is Ground.plaza else 6)
