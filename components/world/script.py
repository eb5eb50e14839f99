"""What happens in the miniature kitchen: scripted takes, and the state of the scene at every second.

Kitchen coordinates: `u` runs along the worktop, one unit per region (sink 0-1, stove 1-2, counter 2-3, drawer 3-4);
`v` is the depth seen from the person, 0 at the near edge and 1 at the far one; `z` is the height above the worktop.
Everything is a function of (seed, index), so the truth of any second can be recomputed anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np

from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, REGIONS, VERBS, Facts

HANDLED_IN_AIR = ("pours", "shakes")
ITEMS_PER_TAKE = 4
PLACES_PER_REGION = 2


@dataclass(frozen=True)
class Item:
    """One object; `place` is where it stands at the start (region * 2 + side)."""

    colour: str
    kind: str
    place: int


@dataclass(frozen=True)
class Event:
    """One action on one item; `place` is where it happens (for "puts down": where the item ends)."""

    start_s: float
    end_s: float
    verb: str
    item: int
    hand: str
    place: int

    @property
    def region(self) -> str:
        """The region's name."""
        return REGIONS[self.place // PLACES_PER_REGION]


@dataclass(frozen=True)
class Take:
    """A scripted take: items, events on whole seconds in time order, and the light of the room."""

    index: int
    take_s: float
    items: tuple[Item, ...]
    events: tuple[Event, ...]
    light: float

    def facts(self, event: Event) -> Facts:
        """Return the slots of an event, as a narration says them."""
        item = self.items[event.item]
        return Facts(event.verb, item.colour, item.kind, event.hand)


class Pose(NamedTuple):
    """Where something is: kitchen coordinates and an angle in radians; `held_by` names a hand."""

    u: float
    v: float
    z: float
    angle: float = 0.0
    held_by: str | None = None


@dataclass(frozen=True)
class Scene:
    """The state of a take at one time. `acting` is the event under way and `phase` how far it is, 0 to 1."""

    items: tuple[Pose, ...]
    hands: dict[str, Pose]
    gaze_u: float
    acting: Event | None
    phase: float
    cut: frozenset[int]
    opened: frozenset[int]


@cache
def script_take(seed: int, index: int, *, take_s: float = 16.0) -> Take:
    """Write one take: 4 items, then events of 2-3 s with idle gaps of 0-2 s until the time is over.

    The state machine keeps it possible: only what stands can be picked up, only what is held can be put down, a hand
    that holds something works with nothing else. Each (verb, item) happens at most once, so that a question about it
    has one answer.

    Args:
        seed: of the world.
        index: of the take.
        take_s: its length in seconds.
    """
    rng = np.random.default_rng((seed, index))
    looks = rng.choice(len(COLOURS) * len(KINDS), size=ITEMS_PER_TAKE, replace=False)
    places = rng.choice(len(REGIONS) * PLACES_PER_REGION, size=ITEMS_PER_TAKE, replace=False)
    items = tuple(
        Item(COLOURS[look // len(KINDS)], KINDS[look % len(KINDS)], int(place))
        for look, place in zip(looks, places, strict=True)
    )
    standing = {number: item.place for number, item in enumerate(items)}
    held: dict[str, int] = {}
    done: set[tuple[str, int]] = set()
    events: list[Event] = []
    time_s = float(rng.integers(0, 2))
    while True:
        length_s = float(rng.integers(2, 4))
        if time_s + length_s > take_s:
            break
        options = [option for option in _possible(standing, held, len(items)) if option[:2] not in done]
        verbs = sorted({verb for verb, _, _ in options}, key=VERBS.index)
        # "puts down" is rarely possible: weigh it up, so that all verbs come about equally often
        weights = np.array([3.0 if verb == "puts down" else 1.3 if verb == "picks up" else 1.0 for verb in verbs])
        verb = verbs[rng.choice(len(verbs), p=weights / weights.sum())]
        fitting = [option for option in options if option[0] == verb]
        _, item, hand = fitting[rng.integers(len(fitting))]
        place = standing.get(item)
        if verb == "puts down":
            free = sorted(set(range(len(REGIONS) * PLACES_PER_REGION)) - set(standing.values()))
            place = int(free[rng.integers(len(free))])
            del held[hand]
            standing[item] = place
        elif verb == "picks up":
            held[hand] = item
            del standing[item]
        if place is None:  # worked on in the air: stay where the last event was
            place = events[-1].place
        events.append(Event(time_s, time_s + length_s, verb, item, hand, place))
        done.add((verb, item))
        time_s += length_s + float(rng.choice([0, 1, 1, 2]))
    return Take(index, take_s, items, tuple(events), float(rng.uniform(0.85, 1.05)))


def _possible(standing: dict[int, int], held: dict[str, int], n_items: int) -> list[tuple[str, int, str]]:
    """All (verb, item, hand) that the state allows."""
    free = [hand for hand in HANDS if hand not in held]
    options = [(verb, item, hand) for item in standing for hand in free for verb in VERBS if verb != "puts down"]
    options += [(verb, item, hand) for hand, item in held.items() for verb in ("puts down", *HANDLED_IN_AIR)]
    return options


def scene_at(take: Take, time_s: float) -> Scene:
    """Return the state of the take at a time, in seconds from its start."""
    poses = [_standing(item.place) for item in take.items]
    gaze_u = _standing(take.events[0].place).u if take.events else 2.0
    cut: set[int] = set()
    opened: set[int] = set()
    acting, phase = None, 0.0
    for event in take.events:
        target_u = _standing(event.place).u
        pan = min(1.0, max(0.0, (time_s - (event.start_s - 0.5)) / 0.6))
        gaze_u += (target_u - gaze_u) * _smooth(pan)
        if time_s < event.start_s:
            break
        if time_s < event.end_s:
            acting, phase = event, (time_s - event.start_s) / (event.end_s - event.start_s)
            break
        if event.verb == "picks up":
            poses[event.item] = Pose(0, 0, 0, held_by=event.hand)
        elif event.verb == "puts down":
            poses[event.item] = _standing(event.place)
        elif event.verb == "cuts":
            cut.add(event.item)
        elif event.verb == "opens":
            opened.add(event.item)
    hands = {hand: _rest(hand, gaze_u) for hand in HANDS}
    for number, pose in enumerate(poses):
        if pose.held_by:
            hands[pose.held_by] = _carry(pose.held_by, gaze_u)
            poses[number] = hands[pose.held_by]
    if acting is not None:
        hands[acting.hand], poses[acting.item] = _act(acting, phase, poses[acting.item], gaze_u)
    return Scene(tuple(poses), hands, gaze_u, acting, phase, frozenset(cut), frozenset(opened))


@cache
def _standing(place: int) -> Pose:
    region, side = divmod(place, PLACES_PER_REGION)
    return Pose(region + (0.27, 0.73)[side], (0.6, 0.52)[side], 0.0)


def _rest(hand: str, gaze_u: float) -> Pose:
    return Pose(gaze_u + (-0.4 if hand == "left" else 0.4), -0.04, 0.0)


def _carry(hand: str, gaze_u: float) -> Pose:
    return Pose(gaze_u + (-0.32 if hand == "left" else 0.32), 0.12, 0.6, held_by=hand)


def _smooth(x: float) -> float:
    x = min(1.0, max(0.0, x))
    return x * x * (3 - 2 * x)


def _between(a: Pose, b: Pose, x: float) -> Pose:
    x = _smooth(x)
    return Pose(a.u + (b.u - a.u) * x, a.v + (b.v - a.v) * x, a.z + (b.z - a.z) * x, held_by=b.held_by or a.held_by)


def _act(event: Event, phase: float, item: Pose, gaze_u: float) -> tuple[Pose, Pose]:
    """Return (hand, item) during an event: reach in the first quarter, act, return in the last fifth."""
    rest, carry = _rest(event.hand, gaze_u), _carry(event.hand, gaze_u)
    turn = phase * (event.end_s - event.start_s) * 2 * pi
    if event.verb == "picks up":
        if phase < 0.25:
            return _between(rest, item, phase / 0.25), item
        lifted = _between(item, carry, (phase - 0.25) / 0.55)
        return lifted, lifted
    if event.verb == "puts down":
        place = _standing(event.place)
        lowered = _between(carry, place, (phase - 0.2) / 0.55)
        if phase < 0.8:
            return lowered, lowered
        return _between(place, rest, (phase - 0.8) / 0.2), place
    if event.verb in HANDLED_IN_AIR:
        base = carry if item.held_by else item
        air = Pose(gaze_u, 0.45, 0.5, held_by=event.hand)
        up = _smooth(min(phase, 1 - phase) / 0.25)
        pose = _between(base, air, up)
        if event.verb == "pours":
            lean = (1.9 if event.hand == "left" else -1.9) * up
            pose = Pose(pose.u, pose.v, pose.z, lean, event.hand)
        else:
            pose = Pose(pose.u + 0.14 * up * sin(1.5 * turn), pose.v, pose.z, 0.35 * up * cos(1.5 * turn), event.hand)
        if not item.held_by and phase < 0.12:
            return _between(rest, item, phase / 0.12), item
        return pose, pose
    reach = _smooth(min(phase / 0.25, (1 - phase) / 0.2))
    work = {
        "washes": Pose(item.u + 0.07 * cos(turn), item.v + 0.07 * sin(turn), 0.05),
        "cuts": Pose(item.u, item.v, 0.25 + 0.22 * sin(1.5 * turn)),
        "stirs": Pose(item.u + 0.1 * cos(turn), item.v + 0.12 + 0.06 * sin(turn), 0.3),
        "opens": Pose(
            item.u + (0.3 * _smooth((phase - 0.3) / 0.5)) * (1 if event.hand == "right" else -1), item.v, 0.25
        ),
    }[event.verb]
    return _between(rest, work, reach), item
