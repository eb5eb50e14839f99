"""Reason: what was an action for? The answer is what C does next with the same object."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.fact_codes import OBJECTS
from components.data.egore.rule_based.short_questions.form import Candidates, Form, Shown
from components.data.egore.rule_based.timeline import LONGEST_S, Timeline
from components.prompts.kitchen_grammar import VERBS, Facts


def _thought(steps: Sequence[Facts], answer: str) -> str:
    # between the action and the next one on its object, other objects may be handled
    return ". then ".join(f"C {facts.verb} the {facts.object}" for facts in (steps[0], steps[-1]))


FORM = Form(
    "reason",
    "C {facts.verb} the {facts.object}. to do what with it?",
    VERBS,
    frame_kind="window",
    thought=_thought,
)


def question(facts: Facts, verb: str) -> QA:
    """Ask what an action was for.

    Args:
        facts: the action.
        verb: what C does next with the same object.
    """
    return FORM.ask(facts, verb, excluded=(facts.verb,))


def pairs(steps: list[Facts]) -> list[tuple[Facts, Facts]]:
    """Pair each step with the next one on the same object, where that is another action.

    Args:
        steps: in the order of time.

    >>> cup, bowl = Facts("picks up", "red", "cup"), Facts("washes", "red", "bowl")
    >>> [following.verb for _, following in pairs([cup, bowl, Facts("pours", "red", "cup")])]
    ['pours']
    """
    of_object: dict[str, list[Facts]] = {}
    for facts in steps:
        of_object.setdefault(facts.object, []).append(facts)
    return [
        pair for same_object in of_object.values() for pair in pairwise(same_object) if pair[0].verb != pair[1].verb
    ]


def candidates(line: Timeline, at: np.ndarray, draws: np.ndarray) -> Candidates:
    """Find what is done next with the object of each narration, at most `LONGEST_S` later.

    Where one verb follows another far more often than all others do ("puts down" after "picks up"), its questions are
    thinned out to as many as those of the verb that comes second: it would be right without a look.

    Args:
        line: the timeline.
        at: the place on it of each clip's own narration, shape [N].
        draws: random numbers above 0 and at most 1, shape [N]: which questions are thinned out.

    Returns:
        The questions; the answer rests on the narrations from the action itself to the next one on its object.
        Verbs that never follow the verb of the question are implausible answers, and most of all that verb itself.
    """
    following = _next_action(line)[at]
    to = np.where(following >= 0, following, at)
    possible = (to > at) & line.fits_one_question(at, to) & (line.time_s[to] - line.time_s[at] <= LONGEST_S)
    possible &= line.all_known(at, to + 1)
    before, after = line.event[at] // OBJECTS, line.event[to] // OBJECTS
    follow = np.zeros((len(VERBS), len(VERBS)))
    np.add.at(follow, (before[possible], after[possible]), 1)
    second = np.sort(follow, axis=1)[:, -2]
    possible &= draws * follow[before, after] <= np.maximum(second[before], 1)
    never = np.ones((len(VERBS), len(VERBS)))
    never[before[possible], after[possible]] = 0
    shown = Shown(line.start_s[at], line.end_s[to], at, to + 1, to + 1 - at)
    return Candidates("reason", possible, line.event[at], after, shown, implausible=never + np.eye(len(VERBS)))


def _next_action(line: Timeline) -> np.ndarray:
    """Return the next narration of another action on the same object of the same take, shape [N]; -1 if there is none.

    Another narration of the same action, by the second annotator, is not the next one: the verb must change.
    """
    readable = np.flatnonzero(line.event >= 0)
    verb = line.event[readable] // OBJECTS
    # the narrations of one object of one take, in time: an action ends where the verb changes
    of_object = line.take[readable] * OBJECTS + line.event[readable] % OBJECTS
    order = np.argsort(of_object * len(readable) + np.arange(len(readable)))
    of_object = of_object[order]
    changes = np.diff(verb[order], prepend=-1).astype(bool) | np.diff(of_object, prepend=-1).astype(bool)
    first = np.append(np.flatnonzero(changes), len(order))[np.cumsum(changes)]
    has_next = first < len(order)
    first = np.minimum(first, len(order) - 1)
    has_next &= of_object[first] == of_object
    following = np.full(len(line.take), -1)
    following[readable[order]] = np.where(has_next, readable[order][first], -1)
    return following
