"""Long-term questions over a window of several events (systems §4.1, EgoRe-5M Long).

Five of the six types; temporal grounding is in `grounding`. A prediction is asked of what ends before the answer
begins, so `beginnings` stands beside `questions`.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate, pairwise, product

from components.data.egore.multiple_choice import QA, draw
from components.prompts.kitchen_grammar import VERBS, Facts

TYPES = ("sequence", "counting", "summary", "reasoning", "prediction")
NEXT = "what does C do next?"
IN_ORDER = "what does C do, in order?"
PAUSE_S = 0.5  # between events that are told apart in time: annotators are off by tenths of a second
_COUNTS = 4  # numbers beside one another to choose from: far-off ones would need no look at the video
_DISTRACTORS = 5
_SUMMARY_EVENTS = 5  # told of a window; the paper's windows hold dozens
_FEWEST_OBJECTS = 3  # beside the right one; where the window has fewer, some are made up
_AROUND = 3  # of the distractors of a prediction happen right before or after
_MOVES = ("picks up", "puts down")

Event = tuple[Facts, float, float]  # facts, start_s, end_s


def phrase(facts: Facts) -> str:
    """Say an event without its hand: what identifies it inside a window."""
    return f"{facts.verb} the {facts.object}"


def repeated(events: list[Event]) -> set[str]:
    """Return the phrases that name more than one event; no question can refer to those."""
    return {said for said, count in Counter(phrase(facts) for facts, _, _ in events).items() if count > 1}


def _invented(events: list[Event]) -> list[str]:
    """Combine the verbs and objects of a window to what does not happen in it."""
    happened = {phrase(facts) for facts, _, _ in events}
    verbs = dict.fromkeys(facts.verb for facts, _, _ in events)
    objects = dict.fromkeys(facts.object for facts, _, _ in events)
    return [said for verb, name in product(verbs, objects) if (said := f"{verb} the {name}") not in happened]


def _sequence(events: list[Event]) -> list[QA]:
    ambiguous, invented = repeated(events), _invented(events)
    happened = list(dict.fromkeys(phrase(facts) for facts, _, _ in events))
    made = []
    for (before, _, _), (after, _, _) in pairwise(events):
        anchor, answer = phrase(before), phrase(after)
        if not {anchor, answer} & ambiguous:
            # events of the same window first: they are the options that only the order rules out
            false = [said for said in happened if said not in (anchor, answer)] + invented
            question = f"what does C do right after this: {anchor}?"
            made.append(QA("sequence", question, answer, tuple(false[:_DISTRACTORS])))
    return made


def _numbers(count: int, least: int, *key: object) -> tuple[str, ...]:
    """Offer numbers in a row beside a count, which may stand anywhere among them: no place is right oftener."""
    first = max(least, count - draw(_COUNTS, "numbers", count, *key))
    return tuple(str(number) for number in range(first, first + _COUNTS) if number != count)


def _counting(events: list[Event]) -> list[QA]:
    key = (len(events), phrase(events[0][0]), phrase(events[-1][0]))
    objects = len({facts.object for facts, _, _ in events})
    made = [QA("counting", "how many different objects does C handle?", str(objects), _numbers(objects, 1, *key))]
    happened = Counter(facts.verb for facts, _, _ in events)
    times = {verb: happened[verb] for verb in VERBS}
    # one verb for each count: most verbs happen once or not at all, and asking for all would make those the answer
    for count in sorted(set(times.values())):
        verbs = [verb for verb, number in times.items() if number == count]
        question = f"how many times does this happen: C {verbs[draw(len(verbs), count, *key)]} something?"
        made.append(QA("counting", question, str(count), _numbers(count, 0, *key)))
    return made


def _summary(events: list[Event]) -> list[QA]:
    """Ask for the events in order, beside a list in another order, one with another event, and one with both.

    Each list differs from two others in one thing, so that no list stands in the middle and gives itself away.
    """
    ambiguous, invented = repeated(events), _invented(events)
    told = [(facts, start_s) for facts, start_s, _ in events if phrase(facts) not in ambiguous]
    if len(told) > _SUMMARY_EVENTS:  # evenly over the window
        told = [told[number * (len(told) - 1) // (_SUMMARY_EVENTS - 1)] for number in range(_SUMMARY_EVENTS)]
    apart = [n for n, (one, other) in enumerate(pairwise(told)) if other[1] - one[1] >= PAUSE_S]
    # what one object goes through has an order of its own, which one knows without a look
    swaps = [n for n in apart if told[n][0].object != told[n + 1][0].object] or apart
    if not swaps or not invented:
        return []
    true = [phrase(facts) for facts, _ in told]
    swap = swaps[draw(len(swaps), "swap", *true)]
    changed = true.copy()
    changed[draw(len(true), "change", *true)] = invented[draw(len(invented), "event", *true)]
    swapped = [[*said[:swap], said[swap + 1], said[swap], *said[swap + 2 :]] for said in (true, changed)]
    return [QA("summary", IN_ORDER, ", ".join(true), tuple(", ".join(said) for said in (changed, *swapped)))]


def _named_alone(events: list[Event], number: int, *, hand: bool) -> str | None:
    """Say an event without its object, with its hand or not; None where another event of the window is said so too."""
    facts = events[number][0]
    others = [other for n, (other, _, _) in enumerate(events) if n != number and other.verb == facts.verb]
    if hand and facts.hand and all(other.hand not in (facts.hand, None) for other in others):
        return f"C {facts.verb} something with the {facts.hand} hand"
    return None if hand or others else f"C {facts.verb} something"


def _taken(events: list[Event], number: int) -> Facts | None:
    """Return the event that took up what an event puts down; None where it is not in the window."""
    name = events[number][0].object
    moved = [facts for facts, _, _ in events[:number] if facts.object == name and facts.verb in _MOVES]
    return moved[-1] if moved and moved[-1].verb == "picks up" else None


def _freed(events: list[Event], number: int) -> Facts | None:
    """Return what the hand of an event put down before and took nothing since; None where a hand is not known."""
    hand = events[number][0].hand
    for facts, _, _ in reversed(events[:number]):
        if hand is None or facts.hand is None:
            return None
        if facts.hand == hand and facts.verb in _MOVES:
            return facts if facts.verb == "puts down" else None
    return None


def _reasoning(events: list[Event]) -> list[QA]:
    """Ask for the one cause that the rules give: what is put down was picked up, and a hand that put down is free.

    No question names the object: with it, the answer could be told without a look.
    """
    objects = list(dict.fromkeys(facts.object for facts, _, _ in events))
    looks = product(dict.fromkeys(f.colour for f, _, _ in events), dict.fromkeys(f.type for f, _, _ in events))
    unseen = [name for look in looks if (name := " ".join(look)) not in objects]
    made = []
    for number, (facts, _, _) in enumerate(events):
        if facts.verb == "puts down":
            said = _named_alone(events, number, hand=False) or _named_alone(events, number, hand=True)
            cause, why = _taken(events, number), "what made that possible?"
        else:
            said = _named_alone(events, number, hand=True)
            cause, why = _freed(events, number), "what made that hand free?"
        if said and cause:
            false = [name for name in objects if name != cause.object]
            false += unseen[: max(0, _FEWEST_OBJECTS - len(false))]
            options = tuple(f"{cause.verb} the {name}" for name in false)
            made.append(QA("reasoning", f"{said}. {why}", phrase(cause), options))
    return made


def _ordered(events: list[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (event[1], event[2], phrase(event[0])))


def questions(events: list[Event]) -> list[QA]:
    """Ask what follows an event, how many there are, what happens in order, and what made an event possible.

    Args:
        events: every event of the window; times in seconds from its start. They are put in order here.

    Returns:
        One sequence question for each pair of neighbours that their phrases identify, one counting question for the
        objects and one for each number of times that some verb happens, at most one summary, and one reasoning question
        for each event with one known cause. Empty for an empty window.
    """
    if not events:
        return []
    ordered = _ordered(events)
    made = [*_sequence(ordered), *_counting(ordered), *_summary(ordered), *_reasoning(ordered)]
    return [qa for qa in made if qa.distractors]


def beginnings(events: list[Event]) -> list[tuple[QA, float]]:
    """Ask of each beginning of the window that ends in a pause: what comes next, and how many there were.

    Whole windows of a kind hold much the same numbers; their beginnings do not.

    Args:
        events: as for `questions`.

    Returns:
        The questions, each with the end of what they are asked of, in seconds: the middle of the pause, before which
        all earlier events have ended.
    """
    ordered = _ordered(events)
    said, invented = [phrase(facts) for facts, _, _ in ordered], _invented(ordered)
    starts = [start_s for _, start_s, _ in ordered]
    made = []
    for number, ended_s in enumerate(accumulate((end_s for _, _, end_s in ordered[:-1]), max), start=1):
        if starts[number] - ended_s >= PAUSE_S:
            end_s = (ended_s + starts[number]) / 2
            made += [(qa, end_s) for qa in _counting(ordered[:number])]
            if number + 1 == len(ordered) or starts[number + 1] - starts[number] >= PAUSE_S:
                made.append((_prediction(said, number, invented), end_s))
    return [(qa, end_s) for qa, end_s in made if qa.distractors]


def _prediction(said: list[str], number: int, invented: list[str]) -> QA:
    around = [*reversed(said[:number]), *said[number + 1 :]]
    likely = [*around[:_AROUND], *invented, *around[_AROUND:]]
    false = [option for option in dict.fromkeys(likely) if option != said[number]]
    return QA("prediction", NEXT, said[number], tuple(false[:_DISTRACTORS]))
