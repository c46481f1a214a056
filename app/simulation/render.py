"""What a camera films: pictures of a crowd, with the truth about everyone in them."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from app.simulation.background import OVERSAMPLING, Background, draw_background
from app.simulation.camera import Camera
from app.simulation.compose import People, Scene, Shade, compose
from app.simulation.imaging import Sensor, encode, tone_curve
from app.simulation.lighting import Setting, illuminate
from app.simulation.meshes import Bodies, Bools, Bytes, Floats, Ints, Template
from app.simulation.picture import Picture
from app.simulation.projection import Doubles, project
from app.simulation.pyramid import Longs, make_pyramids
from app.simulation.raster import TILE, count_covered, draw
from app.simulation.shadows import GroundShadows, corner_map, sun_map
from app.simulation.solids import Surface
from app.simulation.surroundings import RECESS, lamp_places, surrounding_surfaces
from app.simulation.things import thing_surfaces
from app.simulation.world import Area, Ground, World

NEAR = 0.1
"""Metres before the camera; who has a part nearer than that is not in its pictures."""

GREY = 0.2
"""Mean light, highlights cut, an exposure of 1 brings a scene to."""

VIGNETTING = 0.22
"""Share of the light lost in the corners."""

SUN = (1.9, 1.75, 1.5)
SKY = (0.62, 0.72, 0.88)
EARTH = (0.30, 0.28, 0.25)
"""Light of sun, sky and ground outdoors, before exposure."""

INDOORS = (0.30, 0.30, 0.29)
PANELS = (2.6, 2.55, 2.4)
"""Light from all around and of a ceiling's lamp indoors."""

LAMP_SHADE = 0.55
"""Share of the light indoors that whoever stands on the spot takes: the rest comes from lamps farther off."""

SHADOW_EDGE = {True: 0.025, False: 0.16}
"""Standard deviation of shadows' edges outdoors and indoors, metres."""


class Crowd(Protocol):
    """Everybody there is, as `figures.Figures`: their triangles, which of them each shows, and their textures."""

    template: Template
    shown: Bools
    textures: Bytes


class Renderer:
    """Renders one camera's pictures.

    Args:
        world: Where people are.
        camera: What films them.
        figures: Everybody who can appear, by the numbers of `Bodies.person`.
        seed: What textures and noise are made from.
    """

    def __init__(self, world: World, camera: Camera, figures: Crowd, seed: int) -> None:
        number = [each.name for each in world.cameras].index(camera.name)
        self._camera, self._area = camera, next(each for each in world.areas if each.name == camera.area)
        self._sensor = Sensor(camera.look, camera.size, [seed, number])
        surfaces = scene_surfaces(world, self._area)
        setting = setting_of(world, self._area, surfaces)
        background = draw_background(surfaces, setting, camera, world.seed)
        self._gain = _gain(background, camera)
        self._setting = setting._replace(
            sun_colour=setting.sun_colour * self._gain,
            sky=setting.sky * self._gain,
            bounce=setting.bounce * self._gain,
            lamp_colour=setting.lamp_colour * self._gain,
        )
        outdoors = self._area.ground is Ground.plaza
        self._scene, self._empty = _scene(background, setting, camera, self._gain)
        direction = np.asarray(world.sun if outdoors else (0.0, 0.0, 1.0), np.float32)
        self._shadows = GroundShadows(self._area, direction, SHADOW_EDGE[outdoors])
        pose = np.column_stack([camera.rotation, camera.translation])
        self._matrix = np.ascontiguousarray(camera.intrinsics @ pose)
        self._take(figures)
        self._nearness = self._scene.nearness.copy()
        self._drawn = np.full(self._nearness.shape, -1, np.int32)
        self._tiles = np.zeros([-(-side // TILE) for side in self._nearness.shape], np.uint8)
        self._floor = _floor_of_tiles(self._scene, self._tiles)

    def _take(self, figures: Crowd) -> None:
        """Keeps of the figures what every frame needs."""
        template = figures.template
        self._template, self._shown = template, np.ascontiguousarray(figures.shown)
        self._textures = make_pyramids(figures.textures)
        corners = template.uv[template.triangles].astype(np.float64)
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        self._texels = (np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])).astype(np.float32)
        shape = len(self._shown), len(template.uv)
        self._used, self._own = (np.zeros(shape, np.bool_) for _ in range(2))
        for corner in template.triangles.T:
            for mask, which in ((self._used, self._shown), (self._own, self._shown & template.own)):
                person, triangle = np.nonzero(which)
                mask[person, corner[triangle]] = True

    def render(self, bodies: Bodies, frame: int) -> Picture:
        """Renders a picture.

        In it is whoever is in the camera's area or in one of its doorways, is wholly in front of the camera, and whose
        full box meets the picture. Visibility is exact to the samples, of which there are 2 × 2 a pixel: a pixel shows
        who has two of them (of two such people the nearer), and would show whoever had two if nothing hid them.

        Args:
            bodies: Everybody who is in the world.
            frame: Number of the frame, which seeds the noise.
        """
        place = bodies.joints.mean(axis=1)
        area = self._area
        here = (
            (place[:, 0] > area.left - RECESS)
            & (place[:, 0] < area.right + RECESS)
            & (place[:, 1] > area.bottom - RECESS)
            & (place[:, 1] < area.top + RECESS)
        )
        bodies = _some(bodies, here)
        shade = self._shade(bodies)
        points, boxes, kept = self._project(bodies)
        bodies, points, boxes = _some(bodies, kept), points[kept], boxes[kept]
        count = len(points)
        full, silhouettes = self._draw(bodies.person, points, boxes)
        people = self._people(bodies, points)
        image = self._empty.copy()
        visible = np.full(image.shape[:2], -1, np.int16)
        seen = np.zeros((count, 5), np.int64)
        compose(
            self._scene, people, self._textures, shade, self._nearness, self._drawn, self._tiles, image, visible, seen
        )
        covered = count_covered(full, silhouettes)
        joints, _ = self._camera.project(bodies.joints.astype(np.float64))
        return Picture(
            image=self._sensor.expose(image, frame),
            visible=visible,
            person=bodies.person.astype(np.int32),
            full_box=boxes,
            visible_box=np.where(seen[:, :1] > 0, seen[:, 1:], np.nan).astype(np.float64),
            visibility=seen[:, 0] / np.maximum(covered, 1),
            joints=joints,
        )

    def _shade(self, bodies: Bodies) -> Shade:
        """Shadows of everybody in the area, where they can be seen; marks those tiles."""
        used = self._used[bodies.person]
        reach = self._shadows.reach(bodies.vertices, used)[:, None, None]
        overlap = (self._floor[..., 2:] > reach[..., :2]) & (self._floor[..., :2] < reach[..., 2:])
        touched = np.logical_and.reduce(overlap, axis=3)
        self._tiles |= np.logical_or.reduce(touched, axis=0)
        seen = np.logical_or.reduce(touched, axis=(1, 2))
        bodies, used = _some(bodies, seen), used[seen]
        cast, contact = self._shadows.draw(bodies.vertices, used, self._template, self._shown[bodies.person])
        return Shade(cast, contact, self._shadows.at)

    def _project(self, bodies: Bodies) -> tuple[Floats, Doubles, Bools]:
        """Everybody's vertices in samples with nearness, (n, v, 3); full boxes, (n, 4); who is in the picture, (n,)."""
        used, own = self._used[bodies.person], self._own[bodies.person]
        points, boxes, depth = project(bodies.vertices, used, own, self._matrix, OVERSAMPLING, NEAR)
        inside = (boxes[:, :2] < self._camera.size).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
        return points, boxes, (depth >= NEAR) & inside

    def _draw(self, person: Ints, points: Floats, boxes: Doubles) -> tuple[Longs, Bytes]:
        """Draws people; returns their silhouettes' windows and the silhouettes, as `raster.draw`."""
        low = np.floor(boxes[:, :2]).astype(np.int64) * OVERSAMPLING
        size = np.ceil(boxes[:, 2:]).astype(np.int64) * OVERSAMPLING - low
        areas = size.prod(axis=1)
        windows = np.column_stack([low, size, np.cumsum(areas) - areas])
        silhouettes = np.zeros(int(areas.sum()), np.uint8)
        template = self._template
        draw(
            points,
            template.triangles,
            self._shown[person],
            template.two_sided,
            template.own,
            self._nearness,
            self._drawn,
            self._tiles,
            windows,
            silhouettes,
        )
        return windows, silhouettes

    def _people(self, bodies: Bodies, points: Floats) -> People:
        count = len(points)
        lit = np.zeros((count * points.shape[1], 5), np.float32)
        eye = np.asarray(self._camera.position, np.float32)
        vertices = np.ascontiguousarray(bodies.vertices, np.float32).reshape(-1, 3)
        normals = np.ascontiguousarray(bodies.normals, np.float32).reshape(-1, 3)
        illuminate(self._setting, vertices, normals, self._used[bodies.person].reshape(-1), eye, lit)
        lit[:, 3] *= self._gain.mean()
        light = np.ascontiguousarray(lit[:, :4]).reshape(count, points.shape[1], 4)
        template = self._template
        texture = bodies.person.astype(np.int64)
        return People(
            points, light, texture, template.triangles, template.uv, self._texels, template.own, template.gloss
        )


def scene_surfaces(world: World, area: Area) -> list[Surface]:
    """All that stands still in an area."""
    row = world.areas.index(area)
    doors = [each for each in world.doors if each.area == area.name]
    things = [each for each in world.things if each.area == area.name]
    return surrounding_surfaces(area, doors, world.seed + row) + thing_surfaces(things, world.seed + row)


def _some(bodies: Bodies, which: Bools) -> Bodies:
    if which.all():
        return bodies
    return Bodies(bodies.person[which], bodies.vertices[which], bodies.normals[which], bodies.joints[which])


def setting_of(world: World, area: Area, surfaces: list[Surface]) -> Setting:
    """The light in an area, before exposure."""
    outdoors = area.ground is Ground.plaza
    sun = np.asarray(world.sun, np.float32)
    things = [each for each in world.things if each.area == area.name]
    seen, to_map = sun_map(surfaces, sun) if outdoors else (np.zeros((1, 1), np.float32), np.zeros((3, 4), np.float32))
    corners, corners_at = corner_map(area, things)
    cells_a_metre = float(np.linalg.norm(to_map[0, :3]))
    return Setting(
        sun=sun,
        sun_colour=np.array(SUN if outdoors else (0, 0, 0), np.float32),
        sun_map=seen,
        to_map=to_map,
        softness=0.02 * cells_a_metre,
        sky=np.array(SKY if outdoors else INDOORS, np.float32),
        bounce=np.array(EARTH if outdoors else INDOORS, np.float32) * (1.0 if outdoors else 0.8),
        lamps=lamp_places(area),
        lamp_colour=np.array(PANELS, np.float32) * (area.height / 3.0) ** 2,
        edges=np.array([area.left, area.bottom, area.right, area.top], np.float32),
        ceiling=1e6 if outdoors else area.height,
        corners=corners,
        corners_at=corners_at,
    )


def _gain(background: Background, camera: Camera) -> Floats:
    """(3,) what red, green and blue are multiplied with: automatic exposure, times the camera's own settings."""
    brightness = background.light[::4, ::4].mean(axis=2)
    gain = 1.0
    # Cutting highlights depends on the gain, so a few rounds.
    for _ in range(8):
        gain *= GREY / max(float(np.minimum(brightness * gain, 1.0).mean()), 1e-6)
    look = camera.look
    return np.asarray(np.asarray(look.balance) * look.exposure * gain, np.float32)


def _scene(background: Background, setting: Setting, camera: Camera, gain: Floats) -> tuple[Scene, Bytes]:
    """The background as the camera sees it, and its picture without blur and noise, (h, w, 3) BGR."""
    width, height = camera.size
    outdoors = bool(setting.sun_colour.any())
    curve, back = tone_curve()
    x = (np.arange(2 * width) + 0.5) / 2 - width / 2
    y = (np.arange(2 * height) + 0.5) / 2 - height / 2
    square = (y[:, None] ** 2 + x[None] ** 2) / ((width**2 + height**2) / 4)
    away = (1 - VIGNETTING * square[..., None]).astype(np.float32)
    light = np.asarray(background.light[..., ::-1] * gain[::-1] * away, np.float32)
    floor = background.floor.astype(np.float32)
    cast = np.asarray(floor * (background.sunny if outdoors else LAMP_SHADE), np.float32)
    scene = Scene(
        samples=encode(light, curve),
        nearness=background.nearness,
        cast=_pixels(cast),
        floor=_pixels(floor),
        tint=_tint(setting),
        ground=np.asarray(np.linalg.inv(camera.ground_to_image), np.float64),
        vignetting=VIGNETTING,
        curve=curve,
        back=back,
    )
    return scene, encode(_pixels(light), curve)


def _pixels(samples: Floats) -> Floats:
    """Means of 2 × 2 samples."""
    height, width = samples.shape[0] // OVERSAMPLING, samples.shape[1] // OVERSAMPLING
    shrunk = cv2.resize(samples, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32).reshape(height, width, *samples.shape[2:])


def _floor_of_tiles(scene: Scene, tiles: Bytes) -> Floats:
    """(rows, columns, 4) least x and y and greatest x and y of the floor that each tile shows; empty without any."""
    rows, columns = tiles.shape
    side = TILE // OVERSAMPLING
    height, width = scene.floor.shape
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    image = np.stack([*np.meshgrid(x, y), np.ones((height, width))])
    ground = np.einsum("ij,jyx->iyx", scene.ground, image)
    seen = scene.floor > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        places = ground[:2] / ground[2]
    reach = np.full((4, rows * side, columns * side), np.inf)
    for part, sign in ((slice(0, 2), 1), (slice(2, 4), -1)):
        reach[part, :height, :width] = np.where(seen, sign * places, np.inf)
    least = reach.reshape(4, rows, side, columns, side).min(axis=(2, 4))
    return np.asarray(np.stack([least[0], least[1], -least[2], -least[3]], axis=-1), np.float32)


def _tint(setting: Setting) -> Floats:
    """(3,) blue, green, red: what a cast shadow takes of each, compared with all: the sun is warm, the sky blue."""
    sun = setting.sun_colour * setting.sun[2]
    if not sun.any():
        return np.ones(3, np.float32)
    share = sun / (sun + setting.sky)
    return np.asarray((share / (sun.sum() / (sun + setting.sky).sum()))[::-1], np.float32)
