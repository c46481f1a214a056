"""A crowd that walks: positions, headings, strides and glances of everybody in every frame."""

from __future__ import annotations

import numpy as np

from app.simulation.motion import Motion
from app.simulation.navigation import Ground, gradient, sample
from app.simulation.people import Floats, Ints, People
from app.simulation.plans import Plans
from app.simulation.recording import Recording
from app.simulation.steering import choose, separate
from app.simulation.world import World

WARM_UP = 15.0
"""Seconds the crowd walks before the first frame, so that queues and circles have formed."""

STEPS_A_SECOND = 20.0
"""Least steps a second."""

DECISIONS_A_SECOND = 8.0
"""How often people choose their velocity anew, at least; in each step it is others' turn."""

HELD_UP = 3.0
"""Seconds somebody is held up before they try a way around."""

RESPONSE = 0.32
"""Seconds in which people take most of a new velocity."""

ACCELERATION = 2.2
"""Metres a second squared people change their velocity by, at most."""

TURNING = 5.0
"""Natural frequency of turning the body, radians a second; critically damped."""

FASTEST_TURN = 2.4
"""Radians a second a body turns at most."""


def walk(
    world: World,
    radii: Floats,
    paces: Floats,
    frames: int,
    fps: float,
    seed: int,
    heights: Floats | None = None,
) -> tuple[Motion, ...]:
    """Lets a crowd walk through a world.

    Args:
        world: One that has passed `check_world`.
        radii: (people,) of the ground each person needs, metres, 0.15 to 0.6.
        paces: (people,) each likes to walk at, metres a second, 0.4 to 2.
        frames: How many frames are wanted.
        fps: Frames a second.
        seed: Decides everything else; the same seed walks alike.
        heights: (people,) metres, for the lengths of their strides; none: 1.7 each.

    Returns:
        A `Motion` a frame. Nobody is in two places; who is between two areas or outside is in no `Motion`.
    """
    random = np.random.default_rng([seed, 2])
    ground = Ground(world, random)
    people = People(np.asarray(radii), np.asarray(paces), random)
    steps = int(np.ceil(STEPS_A_SECOND / fps))
    step = 1 / (fps * steps)
    crowd = Crowd(ground, people, Plans(world, ground, people, random), random, step)
    for _ in range(int(WARM_UP / step)):
        crowd.step(step)
    recording = Recording(frames, len(people), fps)
    for frame in range(frames):
        recording.add(frame, people)
        for _ in range(steps):
            crowd.step(step)
    tall = np.full(len(people), 1.7) if heights is None else np.asarray(heights, np.float64)
    return recording.motions(tall, random)


class Crowd:
    """A crowd that can be moved on step by step.

    Args:
        ground: Where people can walk.
        people: Everybody.
        plans: What they are about to do.
        random: Decides.
        seconds: Of a step, as will be given to `step`.

    Attributes:
        now: Seconds since the start.
        held: (people,) seconds each has been held up by others.
    """

    def __init__(
        self, ground: Ground, people: People, plans: Plans, random: np.random.Generator, seconds: float
    ) -> None:
        self.ground, self.people, self.plans, self.random = ground, people, plans, random
        self.now = 0.0
        self.turn = 0
        self.decide_every = max(1, int(1 / (seconds * DECISIONS_A_SECOND)))
        self.spin = np.zeros(len(people))
        self.held = np.zeros(len(people))
        self.detour = np.zeros(len(people))
        self.detour_until = np.zeros(len(people))
        self.glance = np.zeros(len(people))
        self.glance_spin = np.zeros(len(people))
        self.partner = np.full(len(people), -1)

    def step(self, seconds: float) -> None:
        """Moves everybody on by some seconds."""
        self.now += seconds
        self.plans.step(self.now)
        who = np.flatnonzero(self.people.present)
        if len(who):
            self._move(who, seconds)
            self._turn(who, seconds)
            self._look(who, seconds)

    def _move(self, who: Ints, seconds: float) -> None:
        people, ground = self.people, self.ground
        wanted = self._around(who, self._wanted(who), seconds)
        position, velocity, radius = people.position[who], people.velocity[who], people.radius[who]
        spot = people.spot[who]
        resting = np.linalg.norm(np.where(np.isnan(spot), np.inf, spot - position), axis=-1) < 0.3
        patience = np.clip(1.3 - 0.15 * self.held[who], 0.25, 1)
        self.turn += 1
        deciding = np.flatnonzero((who + self.turn) % self.decide_every == 0)
        chosen = people.intent[who]
        choose(
            deciding, position, velocity, wanted, radius, people.area[who], people.group[who], resting, patience,
            ground.clearance, ground.origin, chosen,
        )  # fmt: skip
        people.intent[who] = chosen
        change = (chosen - velocity) * (1 - np.exp(-seconds / RESPONSE))
        size = np.linalg.norm(change, axis=-1, keepdims=True)
        velocity = velocity + change * np.minimum(1, ACCELERATION * seconds / np.maximum(size, 1e-12))
        before = position.copy()
        position = position + velocity * seconds
        firm = np.where(resting, 3.0, 1.0)
        separate(position, radius, people.area[who], firm, ground.clearance, ground.origin, 0.5 * seconds)
        # What walls and bodies have stopped has lost its speed.
        velocity += 0.5 * ((position - before) / seconds - velocity)
        people.position[who], people.velocity[who] = position, velocity
        slow = np.linalg.norm(velocity, axis=-1) < 0.3 * np.linalg.norm(wanted, axis=-1)
        self.held[who] = np.where(slow, self.held[who] + seconds, np.maximum(0, self.held[who] - 2 * seconds))

    def _wanted(self, who: Ints) -> Floats:
        """(n, 2) velocities people would take if they were alone."""
        people, ground = self.people, self.ground
        wanted = np.zeros((len(who), 2))
        walking = people.goal[who] >= 0
        some = who[walking]
        if len(some):
            slope = gradient(
                ground.distance, ground.origin, people.goal[some], people.area[some], people.position[some], 0.2
            )
            direction = -slope / np.maximum(np.linalg.norm(slope, axis=-1, keepdims=True), 1e-9)
            wanted[walking] = people.pace[some, None] * direction + self._formation(some, direction)
        standing = people.standing[who]
        offset = people.spot[who[standing]] - people.position[who[standing]]
        away = np.linalg.norm(offset, axis=-1, keepdims=True)
        pace = np.minimum(people.pace[who[standing], None], 1.3 * away)
        wanted[standing] = np.where(away > 0.08, offset / np.maximum(away, 1e-9) * pace, 0)
        # Who has to turn around does so before walking off.
        ahead = np.stack([np.cos(people.heading[who]), np.sin(people.heading[who])], axis=-1)
        size = np.linalg.norm(wanted, axis=-1)
        agree = (wanted * ahead).sum(axis=-1) / np.maximum(size, 1e-9)
        scale = np.where(walking, 0.3 + 0.7 * np.clip(agree + 0.3, 0, 1), 1)
        return wanted * scale[:, None]

    def _around(self, who: Ints, wanted: Floats, seconds: float) -> Floats:
        """Lets those who have been held up for long step aside or back for a moment: so jams dissolve."""
        stuck = who[(self.held[who] > HELD_UP) & (self.random.random(len(who)) < seconds / 0.6)]
        side = self.random.choice((-1.0, 1.0), len(stuck))
        self.detour[stuck] = side * self.random.uniform(0.7, 2.6, len(stuck))
        self.detour_until[stuck] = self.now + self.random.uniform(0.7, 1.6, len(stuck))
        self.held[stuck] = 0.5 * HELD_UP
        angle = np.where(self.detour_until[who] > self.now, self.detour[who], 0)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.stack(
            [cosine * wanted[:, 0] - sine * wanted[:, 1], sine * wanted[:, 0] + cosine * wanted[:, 1]], axis=-1
        )

    def _formation(self, some: Ints, direction: Floats) -> Floats:
        """(n, 2) velocities that bring walkers to their place in their group."""
        people = self.people
        areas = len(self.ground.origin)
        key = people.group[some] * areas + people.area[some]
        size = len(people.members) * areas
        count = np.maximum(np.bincount(key, minlength=size), 1)[key]

        def mean(values: Floats) -> Floats:
            return np.stack([np.bincount(key, values[:, axis], size)[key] / count for axis in (0, 1)], axis=-1)

        ahead = mean(direction)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=-1, keepdims=True), 1e-9)
        left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
        formation = people.formation[some]
        place = mean(people.position[some]) + formation[:, :1] * left + formation[:, 1:] * ahead
        offset = place - people.position[some]
        along = np.clip(0.7 * (offset * ahead).sum(axis=-1), -0.6, 0.35) * (count > 1)
        # In narrow places and in a press they go one behind another.
        room = np.empty(len(some))
        sample(
            self.ground.clearance, self.ground.origin, people.area[some], people.area[some], people.position[some], room
        )
        abreast = np.clip(room - 0.7, 0, 0.6) * np.clip(1.5 - self.held[some], 0, 1)
        aside = np.clip(abreast * (offset * left).sum(axis=-1), -0.4, 0.4) * (count > 1)
        # Those in front wait for companions who are still to come in.
        missing = count < np.array([len(people.members[group]) for group in people.group[some]])
        along = along - 0.5 * people.pace[some] * missing * (people.goal[some] >= len(self.ground.world.doors))
        velocity: Floats = along[:, None] * ahead + aside[:, None] * left
        return velocity

    def _turn(self, who: Ints, seconds: float) -> None:
        """Turns bodies to where they walk, or to what they stand before."""
        people = self.people
        velocity = people.velocity[who]
        moving = np.linalg.norm(velocity, axis=-1) > np.where(np.isnan(people.facing[who]), 0.2, 0.5)
        course = np.arctan2(velocity[:, 1], velocity[:, 0])
        still = np.where(np.isnan(people.facing[who]), people.heading[who], people.facing[who])
        target = np.where(moving, course, still)
        error = np.angle(np.exp(1j * (target - people.heading[who])))
        spin = self.spin[who] + (TURNING**2 * error - 2 * TURNING * self.spin[who]) * seconds
        self.spin[who] = np.clip(spin, -FASTEST_TURN, FASTEST_TURN)
        people.heading[who] += self.spin[who] * seconds

    def _look(self, who: Ints, seconds: float) -> None:
        """Turns heads: to a companion for a while, or somewhere else."""
        people = self.people
        for person in who[self.random.random(len(who)) < seconds / 2.5]:
            members = people.members[people.group[person]]
            others = members[(members != person) & people.present[members]]
            standing = not np.isnan(people.spot[person, 0])
            social = len(others) and self.random.random() < (0.8 if standing else 0.45)
            self.partner[person] = int(self.random.choice(others)) if social else -1
            spread = 0.55 if standing else 0.28
            self.glance[person] = float(np.clip(self.random.normal(0, spread), -1.1, 1.1))
        partner = self.partner[who]
        to = people.position[partner] - people.position[who]
        towards = np.angle(np.exp(1j * (np.arctan2(to[:, 1], to[:, 0]) - people.heading[who])))
        near = (partner >= 0) & people.present[partner] & (np.linalg.norm(to, axis=-1) < 4) & (np.abs(towards) < 2.2)
        target = np.clip(np.where(near, towards, self.glance[who]), -1.15, 1.15)
        spin = self.glance_spin[who]
        spin = spin + (16 * (target - people.gaze[who]) - 8 * spin) * seconds
        self.glance_spin[who] = spin
        people.gaze[who] = np.clip(people.gaze[who] + spin * seconds, -1.2, 1.2)
