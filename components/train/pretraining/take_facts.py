"""What the text samples of components/train/pretraining/world_text.py take from a scripted take."""

from __future__ import annotations

import numpy as np

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based import long_questions
from components.data.egore.rule_based.short_questions import background, existence
from components.prompts import kitchen_grammar
from components.world.script import Event, Take
from components.world.shapes import ego_shapes

Bag = list[tuple[str, float]]  # words and weights of one placeholder


def cell_bags(take: Take, event: Event, time_s: float, side: int, rng: np.random.Generator) -> list[Bag]:
    """Return a bag for each of the side x side cells of a frame, row by row.

    A bag holds the names of the objects in the cell, weighted by the share of the cell that the object covers; the
    words of the action stand beside the hand and the object that take part in it.

    Args:
        take: scripted.
        event: the action at that time.
        time_s: time of the frame in the take, seconds.
        side: cells on a side of the frame.
        rng: of the sample; it leaves one object in twenty out of a cell.
    """
    facts = take.facts(event)
    bags: list[Bag] = [[] for _ in range(side * side)]
    for shape in ego_shapes(take, time_s):
        points = np.clip(np.concatenate(shape.polygons), 0, 1)
        # Python's numbers, for the loops below read them one at a time, which is slow from numpy's
        low, high = (points.min(0) * side).tolist(), (points.max(0) * side).tolist()
        words = shape.name.split()[: 1 if shape.name.endswith(" hand") else 2]
        if shape.name == facts.object:
            words = [*words, *event.verb.split(), event.hand]
        elif shape.name == f"{event.hand} hand":
            words = [*words, *event.verb.split()]
        for row in range(int(low[1]), min(side, int(high[1]) + 1)):
            for col in range(int(low[0]), min(side, int(high[0]) + 1)):
                cover = (min(high[0], col + 1) - max(low[0], col)) * (min(high[1], row + 1) - max(low[1], row))
                if cover > 0.02 and rng.random() > 0.05:  # a vision encoder misses objects too
                    bags[row * side + col] += [(word, cover) for word in words]
    return bags


def event_at(take: Take, time_s: float) -> Event | None:
    """Return the event of a take that goes on at a time, seconds; None where nobody acts."""
    return next((event for event in take.events if event.start_s <= time_s < event.end_s), None)


def timed_facts(take: Take) -> list[long_questions.Event]:
    """Return the facts, the start and the end (seconds) of every event of a take, as long questions take them."""
    return [(take.facts(event), event.start_s, event.end_s) for event in take.events]


def draw_beginning(take: Take, rng: np.random.Generator) -> tuple[list[QA], float]:
    """Draw a pause of the take at which its beginning ends.

    Returns:
        The questions for what comes after the pause, and its time in seconds; for a take without a pause no questions,
        and the end of the take.
    """
    beginnings = long_questions.beginnings(timed_facts(take))
    end_s = beginnings[rng.integers(len(beginnings))][1] if beginnings else take.take_s
    return [qa for qa, until_s in beginnings if until_s == end_s], end_s


def draw_reference(events: list[tuple[str, str, str]], rng: np.random.Generator) -> tuple[str, int]:
    """Draw an event and one to three of its words that fit no other event ("red", "washes bowl").

    Args:
        events: verb, colour and type of each event.
        rng: of the sample.

    Returns:
        The words, and the index of the event.
    """
    while True:
        number = int(rng.integers(len(events)))
        named = sorted(rng.permutation(3)[: rng.integers(1, 4)].tolist())
        reference = [events[number][n] for n in named]
        if sum([words[n] for n in named] == reference for words in events) == 1:
            return " ".join(reference), number


def surroundings_question(take: Take, event: Event, time_s: float, rng: np.random.Generator) -> QA:
    """Ask about the objects around an action, which nobody touches.

    Half of the questions are for the colour of a visible object that is the only one of its kind. The others, and those
    about a frame without such an object, are whether an object exists in the take, with "yes" and "no" equally often.

    Args:
        take: scripted.
        event: the action.
        time_s: when the frame is shown, seconds.
        rng: of the sample.
    """
    if rng.random() < 0.5:
        seen = ego_shapes(take, time_s)
        touched = {shape.contact for shape in seen} | {take.facts(event).object}
        looks = [shape.name.split() for shape in seen if shape.visible and not shape.name.endswith(" hand")]
        kinds = [kind for _, kind in looks]
        untouched = [look for look in looks if kinds.count(look[1]) == 1 and " ".join(look) not in touched]
        if untouched:
            return background.question(*untouched[rng.integers(len(untouched))])
    item = take.items[event.item]
    if rng.random() < 0.5:
        return existence.question(item.colour, item.kind, there=True)
    there = {(other.colour, other.kind) for other in take.items}
    absent = [look for look in kitchen_grammar.similar_looks(item.colour, item.kind) if look not in there]
    return existence.question(*absent[rng.integers(len(absent))], there=False)
