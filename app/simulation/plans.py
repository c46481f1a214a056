"""What people do next: walk somewhere, stand and talk, queue, or leave by a door."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from app.simulation.geometry import through, unit
from app.simulation.navigation import Ground, sample
from app.simulation.people import Ints, People
from app.simulation.world import PASSAGE, World
from app.simulation.world import Ground as Kind

VANISH = PASSAGE - 0.4
"""Metres behind a door's opening at which people vanish."""

APPEAR = PASSAGE - 0.3
"""Metres behind a door's opening at which people come into being."""

DENSITY = {Kind.plaza: 0.16, Kind.hall: 0.14, Kind.corridor: 0.12}
"""People a square metre that fit into an area; more wait outside."""

OUTSIDE_SHARE = 0.05
"""Share of the people who are outside, where all fit in."""

PRESS, PRESS_RADIUS = 3.0, 2.5
"""People a metre of door's width, within so many metres of it, from which nobody else comes in."""

LONGEST_WAIT = 5.0
"""Seconds after which people come in nevertheless."""

OUTSIDE_SECONDS = (4.0, 14.0)
STAND_SECONDS = (4.0, 16.0)
SERVICE_SECONDS = (3.0, 8.0)
PATIENCE = 45.0
"""Seconds after which a group that has not come to a place tries another."""

WISHES = {
    Kind.plaza: (0.28, 0.16, 0.36, 0.20),
    Kind.hall: (0.28, 0.20, 0.40, 0.12),
    Kind.corridor: (0.08, 0.0, 0.92, 0.0),
}
"""How likely the next thing a group does is to stop somewhere, to queue, to leave, and to stroll by somewhere."""


class Activity(IntEnum):
    """What a group is at."""

    roam = 0
    approach = 1
    leave = 2
    stroll = 3
    stand = 4
    queue = 5


class Plans:
    """The decisions of all groups.

    Args:
        world: The world.
        ground: Its ways.
        people: Everybody; nobody is anywhere yet. This places them.
        random: Decides.
    """

    def __init__(self, world: World, ground: Ground, people: People, random: np.random.Generator) -> None:
        self.world, self.ground, self.people, self.random = world, ground, people, random
        groups = len(people.members)
        names = [door.name for door in world.doors]
        self.leads = [names.index(door.leads_to) if door.leads_to else -1 for door in world.doors]
        self.outer = [number for number, door in enumerate(world.doors) if door.leads_to is None]
        self.doors = [np.flatnonzero(ground.door_area == area).tolist() for area in range(len(world.areas))]
        sizes = np.array([(area.right - area.left) * (area.top - area.bottom) for area in world.areas])
        self.room = np.floor(sizes * [DENSITY[area.ground] for area in world.areas])
        shares = sizes**0.75
        inside = min(1 - OUTSIDE_SHARE if self.outer else 1.0, float(self.room.sum()) / len(people))
        self.aim = np.append(np.minimum(shares / shares.sum() * inside * len(people), self.room), 0.0)
        self.aim[-1] = len(people) - self.aim.sum()
        self.activity = np.full(groups, Activity.leave, np.int64)
        self.until = np.full(groups, np.inf)
        self.since = np.zeros(groups)
        self.came_by = np.full(groups, -1, np.int64)
        self.trips: list[dict[int, int]] = [{} for _ in range(groups)]
        self.outside: list[tuple[float, int]] = [(0.0, -1)] * groups
        self.lines: dict[int, list[int]] = {goal: [] for goal in ground.slots}
        self._settle()

    def step(self, now: float) -> None:
        """Lets people vanish, come in, arrive and set out.

        Args:
            now: Seconds since the start.
        """
        self._vanish(now)
        for person in np.flatnonzero(~self.people.present & (self.people.returns <= now)):
            self._enter(int(person), now)
        self._arrive(now)
        for group in np.flatnonzero(self.until <= now):
            self._finish(int(group), now)
        for line in self.lines.values():
            if line and not np.isfinite(self.until[line[0]]):
                self._serve(line[0], now)

    def _settle(self) -> None:
        """Spreads the groups over the areas; who finds no room comes in later."""
        quota = self.aim.copy()
        for group, members in enumerate(self.people.members):
            weights = np.maximum(quota, 0)
            area = int(self.random.choice(len(weights), p=weights / weights.sum())) if weights.sum() > 0 else -1
            quota[area] -= len(members)
            if area == len(self.aim) - 1 or not self._place(group, area):
                self._stay_outside(group, members, float(self.random.uniform(0, OUTSIDE_SECONDS[1])))

    def _place(self, group: int, area: int) -> bool:
        """Puts a group somewhere in an area, on its way; whether there was room."""
        people, ground = self.people, self.ground
        members = people.members[group]
        where = self.world.areas[area]
        low, high = (where.left + 0.4, where.bottom + 0.4), (where.right - 0.4, where.top - 0.4)
        for _ in range(60):
            centre, turn = self.random.uniform(low, high), float(self.random.uniform(-np.pi, np.pi))
            left, ahead = people.formation[members].T
            spots = centre + left[:, None] * unit(turn + np.pi / 2) + ahead[:, None] * unit(turn)
            room = ground.clear(spots, area) > people.radius[members] + 0.1
            radii = people.radius[members] + 0.1
            if room.all() and all(
                people.free(spot, radius, area, members) for spot, radius in zip(spots, radii, strict=True)
            ):
                people.present[members], people.area[members] = True, area
                people.position[members], people.heading[members] = spots, turn
                self._choose(group, area, 0.0)
                return True
        return False

    def _stay_outside(self, group: int, members: Ints, back: float) -> None:
        """Lets members of a group wait outside until they come in by one of the outer doors."""
        people = self.people
        people.present[members], people.area[members], people.goal[members] = False, -1, -1
        if self.outer:
            door = self._outer_door(int(self.came_by[group]))
            self.outside[group] = (back, door)
            people.returns[members], people.entry[members] = back, door

    def _outer_door(self, but: int) -> int:
        """A door to come in by, rather another than `but`, and rather where people are few."""
        choice = [door for door in self.outer if door != but] or self.outer
        weights = np.array([self._demand(int(self.ground.door_area[door])) for door in choice])
        return int(self.random.choice(choice, p=weights / weights.sum()))

    def _demand(self, area: int) -> float:
        """How much an area (−1: outside) lacks people: 1 when it has as many as it should, never 0."""
        people = self.people
        bound = people.area.copy()
        doors = len(self.world.doors)
        leaving = people.present & (people.goal >= 0) & (people.goal < doors)
        leads = np.array([self.ground.door_area[door] if door >= 0 else -1 for door in self.leads], np.int64)
        bound[leaving] = leads[people.goal[leaving]] if doors else -1
        if area >= 0 and (bound == area).sum() >= self.room[area]:
            return 0.02
        aim = max(float(self.aim[area]), 1.0)
        return float(np.clip(1 + 2.5 * (aim - (bound == area).sum()) / aim, 0.1, 3.0))

    def _choose(self, group: int, area: int, now: float, queueing: bool = True) -> None:
        """Decides what a group does next and sends those of its members who are in the area there."""
        ground, people = self.ground, self.people
        members = people.members[group]
        stop, queue, leave, stroll = WISHES[self.world.areas[area].ground]
        lines = [goal for goal in ground.queues[area] if len(self.lines[goal]) < len(ground.slots[goal]) - 1]
        lines = lines if queueing and len(members) <= 2 else []
        doors = [door for door in self.doors[area] if door != self.came_by[group]] or self.doors[area]
        places = bool(ground.places[area])
        weights = np.array([stop * places, queue * bool(lines), leave * bool(doors), stroll * places])
        if not weights.sum():
            self._stand(group, now)
            return
        activity = Activity(int(self.random.choice(len(weights), p=weights / weights.sum())))
        if activity is Activity.leave:
            pull = np.array([self._demand(self._beyond(door)) * (0.5 if self.leads[door] < 0 else 1) for door in doors])
            goal = int(self.random.choice(doors, p=pull / pull.sum()))
        else:
            goal = int(self.random.choice(lines if activity is Activity.approach else ground.places[area]))
        self.activity[group], self.since[group], self.until[group] = activity, now, np.inf
        self.trips[group][area] = goal
        people.send(members[people.present[members] & (people.area[members] == area)], goal)

    def _beyond(self, door: int) -> int:
        """The area a door leads to; −1 for the world outside."""
        return int(self.ground.door_area[self.leads[door]]) if self.leads[door] >= 0 else -1

    def _vanish(self, now: float) -> None:
        people = self.people
        leaving = np.flatnonzero(people.present & (people.goal >= 0) & (people.goal < len(self.leads)))
        for person in leaving.tolist():
            number = int(people.goal[person])
            door = self.world.doors[number]
            ahead, aside = through(people.position[person], door)
            if ahead > -VANISH or abs(float(aside)) > door.width / 2:
                continue
            group = int(people.group[person])
            alone = np.array([person])
            if self.leads[number] < 0:
                if people.present[people.members[group]].all():
                    self.came_by[group] = number
                    back = now + float(self.random.uniform(*OUTSIDE_SECONDS))
                    self._stay_outside(group, alone, back)
                else:
                    back, entry = self.outside[group]
                    self._absent(person, -1, entry, back)
            else:
                there = self.leads[number]
                self._absent(person, int(self.ground.door_area[there]), there, now + door.seconds)

    def _absent(self, person: int, area: int, entry: int, back: float) -> None:
        people = self.people
        people.present[person], people.area[person], people.goal[person] = False, area, -1
        people.entry[person], people.returns[person] = entry, back

    def _enter(self, person: int, now: float) -> None:
        """Lets somebody come in, if there is room."""
        people, number = self.people, int(self.people.entry[person])
        door, area = self.world.doors[number], int(self.ground.door_area[number])
        group = int(people.group[person])
        others = people.members[group]
        fresh = not (people.present[others] & (people.area[others] == area)).any()
        if fresh and people.area[person] < 0 and (people.area == area).sum() + len(others) > self.room[area]:
            people.returns[others] = now + float(self.random.uniform(2, 6))
            return
        radius = people.radius[person]
        aside = min(0.25 * door.width, max(0.0, door.width / 2 - radius - 0.05))
        at = np.asarray(door.position) - APPEAR * unit(door.inwards) + aside * unit(door.inwards - np.pi / 2)
        before = people.present & (people.area == area)
        before[before] = np.linalg.norm(people.position[before] - door.position, axis=-1) < PRESS_RADIUS
        crowded = before.sum() >= PRESS * door.width and now < people.returns[person] + LONGEST_WAIT
        if crowded or not people.free(at, radius + 0.05, area, np.array([person])):
            return
        people.present[person], people.area[person], people.position[person] = True, area, at
        people.velocity[person] = 0.9 * people.pace[person] * unit(door.inwards)
        people.intent[person] = people.velocity[person]
        people.heading[person], people.gaze[person], people.returns[person] = door.inwards, 0.0, np.inf
        if fresh:
            self.came_by[group] = number
            self._choose(group, area, now)
        else:
            people.send(np.array([person]), self.trips[group][area])

    def _arrive(self, now: float) -> None:
        """Lets groups that have come to their place stand or queue, and ones that cannot get there give up."""
        people, ground = self.people, self.ground
        walking = np.flatnonzero(people.present & (people.goal >= len(self.leads)))
        left = np.full(len(people), np.inf)
        values = np.empty(len(walking))
        goals, areas = people.goal[walking], people.area[walking]
        sample(ground.distance, ground.origin, goals, areas, people.position[walking], values)
        left[walking] = values
        for group in np.unique(people.group[walking[values < 1.6]]):
            members = people.members[group]
            if (left[members] < 3.5).all():
                if self.activity[group] == Activity.approach:
                    self._join(int(group), now)
                elif self.activity[group] == Activity.stroll:
                    self._choose(int(group), int(people.area[members[0]]), now)
                else:
                    self._stand(int(group), now)
        late = (now - self.since > PATIENCE) & (self.activity <= Activity.stroll) & (self.activity != Activity.leave)
        for group in np.flatnonzero(late):
            members = people.members[group]
            if people.present[members].all():
                self._choose(int(group), int(people.area[members[0]]), now)

    def _stand(self, group: int, now: float) -> None:
        """Lets a group stop: a circle that talks, or somebody alone who looks around."""
        people = self.people
        members = people.members[group]
        area, count = int(people.area[members[0]]), len(members)
        centre = people.position[members].mean(axis=0) + 0.5 * people.velocity[members].mean(axis=0)
        if count == 1:
            spots, facing = centre[None], people.heading[members] + self.random.uniform(-1, 1, 1)
        else:
            widest = float(np.sort(people.radius[members])[-2:].sum()) + 0.12
            round_ = max(0.42, widest / (2 * np.sin(np.pi / count)))
            offset = people.position[members] - people.position[members].mean(axis=0)
            angles = np.arctan2(offset[:, 1], offset[:, 0])
            places = angles.min() + 2 * np.pi * np.argsort(np.argsort(angles)) / count
            spots = centre + round_ * np.stack([np.cos(places), np.sin(places)], axis=-1)
            facing = places + np.pi
        room = (self.ground.clear(spots, area) > people.radius[members] + 0.05).all()
        busy = not all(people.free(spot, people.radius[members].max() + 0.2, area, members) for spot in spots)
        if (not room or busy) and (self.doors[area] or self.ground.places[area]):
            self._choose(group, area, now)
            return
        people.stand(members, spots, facing)
        self.activity[group], self.until[group] = Activity.stand, now + float(self.random.uniform(*STAND_SECONDS))

    def _join(self, group: int, now: float) -> None:
        goal = int(self.people.goal[self.people.members[group][0]])
        line = self.lines[goal]
        if len(line) >= len(self.ground.slots[goal]):
            self._choose(group, int(self.ground.area[goal]), now, queueing=False)
            return
        line.append(group)
        self.activity[group], self.until[group] = Activity.queue, np.inf
        self._line_up(goal)

    def _line_up(self, goal: int) -> None:
        """Gives everybody in a queue their place: pairs side by side."""
        people, facing = self.people, self.ground.facing[goal]
        for group, slot in zip(self.lines[goal], self.ground.slots[goal], strict=False):
            members = people.members[group]
            aside = (np.arange(len(members)) - (len(members) - 1) / 2) * 0.66
            people.stand(members, slot + aside[:, None] * unit(facing + np.pi / 2), np.full(len(members), facing))

    def _serve(self, group: int, now: float) -> None:
        """Starts to serve the head of a queue once they are at the counter."""
        members = self.people.members[group]
        if np.linalg.norm(self.people.position[members] - self.people.spot[members], axis=-1).max() < 0.45:
            self.until[group] = now + float(self.random.uniform(*SERVICE_SECONDS))

    def _finish(self, group: int, now: float) -> None:
        """Ends standing, or being served."""
        self.until[group] = np.inf
        queued = self.activity[group] == Activity.queue
        area = int(self.people.area[self.people.members[group][0]])
        self._choose(group, area, now, queueing=not queued)
        for goal, line in self.lines.items():
            if queued and group in line:
                line.remove(group)
                self._line_up(goal)
