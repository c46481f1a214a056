"""People for tests of the renderer: upright boxes, some under a board that is not theirs."""

import numpy as np

from app.simulation.meshes import Bodies, Template
from app.simulation.solids import box, joined

SIZE = (0.4, 0.3, 1.7)


class BoxPeople:
    """Boxes of 0.4 × 0.3 × 1.7 m that face along y; the last of them has a board of 1.2 m over the head."""

    def __init__(self, people=6):
        texture = np.zeros((8, 8, 3), np.uint8)
        body = box((0, 0, 0), SIZE, 0.0, texture, (4.0, 4.0))
        board = box((0, 0, 1.9), (1.2, 1.2, 0.03), 0.0, texture, (4.0, 4.0))
        self.mesh = joined([body, board])
        count = len(self.mesh.triangles)
        own = np.arange(count) < len(body.triangles)
        self.template = Template(
            self.mesh.triangles,
            np.clip(np.abs(self.mesh.uv) / 4, 0, 1),
            own,
            np.zeros(count, bool),
            np.full(count, 0.1, np.float32),
        )
        self.shown = np.repeat(own[None], people, axis=0)
        self.shown[-1] = True
        random = np.random.default_rng(0)
        self.textures = np.repeat(random.integers(30, 220, (people, 1, 1, 3)), 16, 1).repeat(16, 2).astype(np.uint8)

    def at(self, places):
        """Bodies at places {person: (x, y)} on the ground."""
        person = np.array(sorted(places), np.int32)
        spot = np.array([(*places[p], 0.0) for p in sorted(places)], np.float32).reshape(-1, 1, 3)
        joints = np.stack([np.zeros(13), np.zeros(13), np.linspace(1.6, 0.1, 13)], axis=1).astype(np.float32)
        normals = np.repeat(self.mesh.normals[None], len(person), axis=0)
        return Bodies(person, self.mesh.vertices + spot, normals, joints + spot)
