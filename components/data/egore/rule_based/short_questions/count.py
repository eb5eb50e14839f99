"""Count: how many different objects are handled in a window that joins a few narrations?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based.fact_codes import OBJECTS, expand
from components.data.egore.rule_based.short_questions.form import Candidates, Form, Shown
from components.data.egore.rule_based.timeline import Timeline
from components.prompts.kitchen_grammar import Facts

MOST_NARRATIONS = 4  # events that a window joins at most, so also the most objects that it can have
ANNOTATORS = 2  # narrate the same event on one timeline
# cumulative shares of the numbers 1 to 4 that a question wants: few windows hold three or four objects, and a number
# that is wanted as often as it is found could be guessed without a look (measured on the miniature: 1, 2 and 3 alike)
WANTED = (0.13, 0.24, 0.70, 1.0)


def _thought(steps: Sequence[Facts], answer: str) -> str:
    # two annotators narrate the same event one after the other
    named = [name for name, _ in groupby(facts.object for facts in steps)]
    return f"C handles the {', then the '.join(named)}. different objects: {answer}"


FORM = Form(
    "count",
    "how many different objects does C handle?",
    tuple(str(number) for number in range(1, MOST_NARRATIONS + 1)),
    frame_kind="window",
    thought=_thought,
)


def question(steps: list[Facts]) -> QA:
    """Ask how many objects are handled in a window.

    Args:
        steps: every narration of the window; an object that two of them name counts once.
    """
    return FORM.ask(steps[0], str(len({facts.object for facts in steps})))


def candidates(line: Timeline, at: np.ndarray, draws: np.ndarray) -> Candidates:
    """Find a window of two to four events from each narration on, and count its objects.

    The narrations of one event by two annotators are taken for one. The number wanted is drawn first and the longest
    window looked for that has it: drawn the other way round, most windows would hold two objects, and "2" be right
    without a look.

    Args:
        line: the timeline.
        at: the place on it of each clip's own narration, shape [N].
        draws: random numbers above 0 and at most 1, shape [N]: the number wanted.
    """
    wanted, low = np.searchsorted(WANTED, draws) + 1, line.low[at]
    ends = np.minimum(at + np.arange(1, ANNOTATORS * MOST_NARRATIONS)[:, None], len(line.take) - 1)
    # at the end of the line its last narration stands in for those that are missing
    askable = (np.diff(ends, axis=0, prepend=at[None]) > 0) & line.fits_one_question(at, ends)
    askable &= (line.high[ends] - low >= 2) & line.all_known(low, line.high[ends])
    # windows from one narration on share their beginning: it is read once, up to the end of the longest
    longest = np.where(askable, line.high[ends] - low, 0).max(axis=0)
    (rows, narrations), first = expand(low, low + longest), np.cumsum(longest) - longest
    possible, to = np.zeros(len(at), dtype=bool), at
    events, objects = (
        np.append(0, np.cumsum(_previous(line.take, values)[narrations] < low[rows]))
        for values in (line.event, line.event % OBJECTS)
    )
    for ok, end in zip(askable, ends, strict=True):
        last = first + np.where(ok, line.high[end] - low, 0)
        fits = ok & (events[last] - events[first] <= MOST_NARRATIONS) & (objects[last] - objects[first] == wanted)
        possible, to = possible | fits, np.where(fits, end, to)
    high = line.high[to]
    shown = Shown(line.start_s[at], line.end_s[to], low, high, high - low)
    return Candidates("count", possible, line.event[at], wanted - 1, shown)


def _previous(take: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return the last row before each with the same value in the same take, shape [N]; -1 where there is none.

    Where that row lies before a span, the value comes for the first time in the span: so its values are counted.

    Args:
        take: integers from 0.
        value: integers from -1.
    """
    group, rows = take * (value.max(initial=0) + 2) + value + 1, np.arange(len(take))
    # no number comes twice, so that the fastest sort, which is not stable, will do
    order = np.argsort(group * len(take) + rows)
    previous = np.full(len(take), -1)
    previous[order[1:]] = np.where(np.diff(group[order]) == 0, order[:-1], -1)
    return previous
