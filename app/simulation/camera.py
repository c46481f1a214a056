"""A pinhole camera, without distortion, and the look its electronics give a picture.

Image coordinates: x to the right, y down, (0, 0) the upper left corner of the upper left pixel, whose centre is
(0.5, 0.5). Camera coordinates: x right, y down, z along the view.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
    """How a camera renders what it sees.

    Attributes:
        balance: Gain of red, green and blue, around 1.
        exposure: Gain of all three in linear light, around 1.
        noise: Standard deviation of the sensor's noise at mid grey, in grey levels of 255.
        blur: Standard deviation of the lens' blur in pixels; 0 is sharp.
        quality: x264's constant rate factor of its video: lower is better and larger.
    """

    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    exposure: float = 1.0
    noise: float = 1.5
    blur: float = 0.4
    quality: int = 23


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a camera is and how it sees.

    Attributes:
        name: Unique, `[A-Za-z0-9_-]`.
        area: Name of the area it stands in.
        position: Of the pinhole in the world, metres.
        target: A point in the middle of its picture, metres. Not straight above or below `position`.
        focal: Focal length in pixels, the same in x and y.
        size: Width and height of its pictures in pixels.
        look: How it renders.
    """

    name: str
    area: str
    position: tuple[float, float, float]
    target: tuple[float, float, float]
    focal: float
    size: tuple[int, int]
    look: Look = Look()

    @property
    def intrinsics(self) -> Floats:
        """(3, 3) camera matrix; the principal point is the middle of the picture."""
        width, height = self.size
        return np.array([[self.focal, 0.0, width / 2], [0.0, self.focal, height / 2], [0.0, 0.0, 1.0]])

    @property
    def rotation(self) -> Floats:
        """(3, 3) from world to camera coordinates; the picture's x axis is level with the ground."""
        forward: Floats = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right = right / np.linalg.norm(right)
        return np.stack([right, np.cross(forward, right), forward])

    @property
    def translation(self) -> Floats:
        """(3,) so that camera coordinates are `rotation @ point + translation`."""
        at: Floats = -self.rotation @ np.asarray(self.position)
        return at

    @property
    def ground_to_image(self) -> Floats:
        """(3, 3) homography from (x, y, 1) on the ground to the picture."""
        return self.intrinsics @ np.column_stack([self.rotation[:, :2], self.translation])

    def to_camera(self, points: Floats) -> Floats:
        """World points (…, 3) in camera coordinates (…, 3)."""
        at: Floats = np.asarray(points) @ self.rotation.T + self.translation
        return at

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Where world points lie in the picture.

        Args:
            points: (…, 3) metres.

        Returns:
            (…, 2) pixels, meaningless where the depth is not positive, and (…,) depth along the view in metres.
        """
        at = self.to_camera(points)
        depth = at[..., 2]
        safe = np.where(np.abs(depth) < 1e-9, 1e-9, depth)[..., None]
        return at[..., :2] / safe * self.focal + np.asarray(self.size) / 2, depth
