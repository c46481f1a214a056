"""The state of everybody in a walking crowd, and who belongs together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

GROUP_SIZES = (0.42, 0.34, 0.14, 0.10)
"""Shares of groups of one, two, three and four people."""

FORMATIONS = {
    1: ((0.0, 0.0),),
    2: ((0.36, 0.0), (-0.36, 0.0)),
    3: ((0.68, -0.15), (0.0, 0.3), (-0.68, -0.15)),
    4: ((0.37, 0.45), (-0.37, 0.45), (0.37, -0.45), (-0.37, -0.45)),
}
"""Places of a walking group's members around its middle: metres to the left and ahead."""


class People:
    """Where n people are and what their bodies do; people in g groups.

    Attributes:
        radius: (n,) of the ground they need, metres.
        pace: (n,) they walk at, metres a second: that of their group.
        group: (n,) number of their group.
        members: Of each group, its people's numbers.
        formation: (n, 2) place in their walking group: metres to the left and ahead of its middle.
        present: (n,) who is in an area or a passage.
        area: (n,) number of the area they are in, or come into next; −1 outside.
        position: (n, 2) metres.
        velocity: (n, 2) metres a second.
        intent: (n, 2) velocity they have chosen and are coming to.
        heading: (n,) radians.
        gaze: (n,) radians to the left of the heading.
        goal: (n,) number of the goal they walk to; −1 for none.
        spot: (n, 2) place they stand at, or go to straight; NaN for none.
        facing: (n,) direction they turn to when they stand, radians; NaN for any.
        returns: (n,) seconds at which the absent come in again.
        entry: (n,) number of the door they come in by.
    """

    def __init__(self, radii: Floats, paces: Floats, random: np.random.Generator) -> None:
        count = len(radii)
        self.radius = np.asarray(radii, np.float64)
        self.members = _groups(count, random)
        self.group = np.zeros(count, np.int64)
        self.pace = np.zeros(count)
        self.formation = np.zeros((count, 2))
        for number, members in enumerate(self.members):
            self.group[members] = number
            self.pace[members] = np.min(np.asarray(paces)[members]) * random.uniform(0.88, 1.0)
            self.formation[members] = FORMATIONS[len(members)]
        self.present = np.zeros(count, np.bool_)
        self.area = np.full(count, -1, np.int64)
        self.position = np.zeros((count, 2))
        self.velocity = np.zeros((count, 2))
        self.intent = np.zeros((count, 2))
        self.heading = np.zeros(count)
        self.gaze = np.zeros(count)
        self.goal = np.full(count, -1, np.int64)
        self.spot = np.full((count, 2), np.nan)
        self.facing = np.full(count, np.nan)
        self.returns = np.full(count, np.inf)
        self.entry = np.full(count, -1, np.int64)

    def __len__(self) -> int:
        return len(self.radius)

    @property
    def standing(self) -> Bools:
        """(n,) who has a place to stand at rather than a goal to walk to."""
        somewhere: Bools = ~np.isnan(self.spot[:, 0])
        return somewhere

    def send(self, members: Ints, goal: int) -> None:
        """Sets people walking to a goal."""
        self.goal[members] = goal
        self.spot[members] = np.nan
        self.facing[members] = np.nan

    def stand(self, members: Ints, spots: Floats, facing: Floats) -> None:
        """Lets people go straight to places (m, 2) and stand there, turned to (m,) radians."""
        self.goal[members] = -1
        self.spot[members] = spots
        self.facing[members] = facing

    def free(self, place: Floats, radius: float, area: int, but: Ints) -> bool:
        """Whether nobody in an area, other than some, is within `radius` and their own radius of a place (2,)."""
        others = self.present & (self.area == area)
        others[but] = False
        apart = np.linalg.norm(self.position[others] - place, axis=-1)
        return bool((apart > radius + self.radius[others]).all())


def _groups(count: int, random: np.random.Generator) -> list[Ints]:
    order = random.permutation(count)
    groups, done = [], 0
    while done < count:
        size = 1 + int(random.choice(len(GROUP_SIZES), p=GROUP_SIZES))
        groups.append(np.sort(order[done : done + size]))
        done += size
    return groups
