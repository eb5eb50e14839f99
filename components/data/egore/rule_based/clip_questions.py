"""Short-term questions on the narration of a clip itself: its slots, and whether its object is there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from components.data.egore.multiple_choice import below
from components.data.egore.rule_based import fact_codes
from components.data.egore.rule_based.fact_codes import OBJECTS, expand
from components.data.egore.rule_based.timeline import Timeline
from components.prompts.kitchen_grammar import KINDS


class Asked(NamedTuple):
    """One form of question (`short.FORMS`) for every clip: whether it can be asked, of which event, which word answers.

    Arrays of shape [N]; `event` and `answer` mean nothing where it cannot be asked.
    """

    form: str
    can: np.ndarray
    event: np.ndarray
    answer: np.ndarray


def slots(
    line: Timeline, clips: pd.DataFrame, take: np.ndarray, facts: tuple[np.ndarray, np.ndarray], hand_first: np.ndarray
) -> tuple[list[Asked], np.ndarray]:
    """Ask for the slots of each clip's narration, where no other narration of the clip gives another answer.

    Args:
        clips: whose narrations parse.
        take: take of each clip on the timeline.
        facts: event and hand of each clip's own narration.
        hand_first: where both can be asked, whether the interaction is the hand's and not the object's, bool [N].

    Returns:
        The questions, of the two forms of interaction at most one for each clip; and how many narrations a clip holds.
    """
    event, hand = facts
    verb, colour, kind = event // OBJECTS, event % OBJECTS // len(KINDS), event % len(KINDS)
    rows, told = expand(*line.within(take, clips["start_s"].to_numpy(), clips["end_s"].to_numpy()))
    rows, told = rows[line.event[told] >= 0], told[line.event[told] >= 0]
    other, other_hand, own = line.event[told], line.hand[told], event[rows]
    same_verb, same_thing = other // OBJECTS == own // OBJECTS, other % OBJECTS == own % OBJECTS
    same_kind = other % len(KINDS) == own % len(KINDS)
    other_hand = (other_hand >= 0) & (other_hand != hand[rows])

    def sure(contradicts: np.ndarray) -> np.ndarray:
        return np.bincount(rows[contradicts], minlength=len(clips)) == 0

    by_hand, by_kind = (hand >= 0) & sure(same_thing & other_hand), sure(same_verb & ~same_kind)
    use_hand = by_hand & (hand_first | ~by_kind)
    return [
        Asked("attribute", sure(same_verb & same_kind & ~same_thing), event, colour),
        Asked("hand", use_hand, event, hand),
        Asked("object", by_kind & ~use_hand, event, kind),
        Asked("action", sure(same_thing & ~same_verb), event, verb),
    ], np.bincount(rows, minlength=len(clips))


def existence(thing: np.ndarray, named: np.ndarray, lot: np.ndarray) -> Asked:
    """Ask for the object of each clip or, as often, for a like one that nobody names in the whole take.

    Args:
        thing: object of the clip, shape [N].
        named: whether the annotations of the clip's take name an object anywhere, [N, objects].
        lot: numbers above 0 and at most 1, [N, 2]: yes or no, and which of the like objects.
    """
    others = fact_codes.near()[thing]
    absent = np.cumsum(~np.take_along_axis(named, others, axis=1), axis=1, dtype=np.int8)
    place = np.argmax(absent > below(np.maximum(absent[:, -1], 1), lot[:, 1])[:, None], axis=1)
    no = below(2, lot[:, 0]).astype(bool)
    asked = np.where(no, others[np.arange(len(thing)), place], thing)
    return Asked("existence", ~no | (absent[:, -1] > 0), asked, no.astype(np.int64))
