"""Long-term questions about narrations of people: five of the six types of systems §4.1, in the annotators' words.

Events are told as they were written. A question refers to an event by its text only where nothing else in the window
may be the same event, and its wrong options do not happen where they would be right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from components.data.egore.free_text.moments import NEAR_S, Log, Moment, Vocabulary
from components.data.egore.free_text.same_event import (
    PUT,
    TAKE,
    is_of,
    is_vague,
    may_be_same,
    noun_keys,
    one_family,
    same_thing,
)
from components.data.egore.free_text.wrong_answers import distinct, is_false, told_elsewhere
from components.data.egore.multiple_choice import QA, draw
from components.data.egore.rule_based.long_questions.counting import numbers_around
from components.data.egore.rule_based.long_questions.events import PAUSE_S
from components.data.egore.rule_based.long_questions.prediction import QUESTION as NEXT
from components.data.egore.rule_based.long_questions.summary import MOST_EVENTS
from components.data.egore.rule_based.long_questions.summary import QUESTION as IN_ORDER
from components.prompts.narration_text import Narration

_SOON_S = 10.0  # what happens so soon after the shown seconds is no surely wrong prediction
_MOST_ASKED = 4  # of a type, of which the draw of a window's questions takes one or two


@dataclass(frozen=True)
class Window:
    """What a long-term question is asked of.

    Attributes:
        events: of the wearer, in the order of time; at least one.
        start_s: of the window, seconds of the video, as all times here.
        end_s: of the window.
        log: of the video: other annotators may tell more.
        vocabulary: of the partition.
        key: of all draws.
    """

    events: list[Moment]
    start_s: float
    end_s: float
    log: Log
    vocabulary: Vocabulary
    key: tuple[object, ...]

    def happening(self, start_s: float, end_s: float) -> list[Narration]:
        """Return everything that is told of some seconds and of those near them."""
        return [moment.said for moment in self.log.during(start_s, end_s)]

    def elsewhere(self, happening: list[Narration], *key: object) -> Iterator[Narration]:
        """Return what is told at other times or of other videos, and can be nothing that happens; drawn by the key."""
        other = told_elsewhere(self.log, self.vocabulary, *self.key, *key)
        return (said for said in other if is_false(said, happening))

    def is_unique(self, event: Moment) -> bool:
        """Return whether the text of an event names no other moment of the window."""
        return not any(
            may_be_same(event.said, other.said)
            for other in self.log.during(self.start_s, self.end_s)
            if other.end_s < event.start_s - NEAR_S or other.start_s > event.end_s + NEAR_S
        )


def questions(window: Window) -> list[QA]:
    """Ask what follows an event, how often something happens, what happens in order, and what made it possible."""
    unique = [event for event in window.events if window.is_unique(event)]
    made = [*_sequence(window, unique), *_counting(window), *_summary(window, unique), *_reasoning(window)]
    return [qa for qa in made if qa.distractors]


def beginnings(window: Window) -> list[tuple[QA, float]]:
    """Ask of each beginning of the window that ends in a pause what comes next.

    Returns:
        The questions, each with the end of what it is asked of, in seconds of the video: the middle of the pause.
    """
    events, made = window.events, []
    for number, ended_s in enumerate(accumulate((event.end_s for event in events[:-1]), max), start=1):
        coming = events[number]
        shown_until_s = (ended_s + coming.start_s) / 2
        if coming.start_s - ended_s >= PAUSE_S and not window.log.during(shown_until_s, shown_until_s, near_s=0.0):
            soon = [coming.said, *window.happening(shown_until_s, coming.end_s + _SOON_S)]
            before = [event.said for event in reversed(events[:number]) if is_false(event.said, soon)]
            wrong = distinct([*before[:3], *window.elsewhere(soon, coming.said.text)], _text, but=coming.said.text)
            made.append((QA("prediction", NEXT, coming.said.text, wrong), shown_until_s))
    return [(qa, end_s) for qa, end_s in made if qa.distractors]


def _text(said: Narration) -> str:
    return said.text


def _sequence(window: Window, unique: list[Moment]) -> Iterator[QA]:
    askable = set(unique)
    for before, after in pairwise(window.events):
        if not {before, after} <= askable or after.start_s - before.start_s < PAUSE_S:
            continue
        between = [before.said, after.said, *window.happening(before.start_s, after.end_s)]
        # events of the same window first: they are the options that only the order rules out
        inside = [event.said for event in window.events if is_false(event.said, between)]
        inside = sorted(inside, key=lambda said: draw(1 << 30, *window.key, before.said.text, said.text))
        happening = [*between, *window.happening(window.start_s, window.end_s)]
        wrong = distinct([*inside, *window.elsewhere(happening, before.said.text)], _text, but=after.said.text)
        yield QA("sequence", f"what does C do right after this: {before.said.text}?", after.said.text, wrong)


def _counting(window: Window) -> Iterator[QA]:
    """Ask how often something happens: for one action of each number of times, where no other may be the same."""
    told = [event.said for event in window.events]
    named = [said for said in told if said.verb and said.object and not is_vague(said.verb)]
    times = Counter((said.verb, said.object.noun) for said in named if said.object)
    by_count: dict[int, list[Narration]] = {}
    for said in {(said.verb, said.object.noun): said for said in named if said.object}.values():
        if said.object and noun_keys(said.object.phrase) and _is_plain(said, window):
            by_count.setdefault(times[said.verb, said.object.noun], []).append(said)
    never = window.elsewhere(window.happening(window.start_s, window.end_s), "never")
    zero = next((said for said in never if said.verb and said.object and not is_vague(said.verb)), None)
    if zero:
        by_count[0] = [zero]
    for count, alike in sorted(by_count.items()):
        said = alike[draw(len(alike), *window.key, "counting", count)]
        if said.object:
            question = f"how many times does C do this: {said.verb} the {said.object.bare}?"
            yield QA("counting", question, str(count), numbers_around(count, 0, *window.key, question))


def _is_plain(said: Narration, window: Window) -> bool:
    """Return whether all that may be the same event is told with the same verb and noun, and told by the events."""
    alike = [moment for moment in window.log.during(window.start_s, window.end_s) if may_be_same(said, moment.said)]
    for moment in alike:
        other = moment.said
        if not other.object or not said.object or (other.verb, other.object.noun) != (said.verb, said.object.noun):
            return False
        if not any(
            event.said.verb == said.verb
            and event.start_s - NEAR_S <= moment.end_s
            and moment.start_s <= event.end_s + NEAR_S
            for event in window.events
        ):
            return False
    return True


def _summary(window: Window, unique: list[Moment]) -> list[QA]:
    """Ask for the events in order, beside a list in another order, one with another event, and one with both."""
    named = unique
    if len(named) > MOST_EVENTS:  # evenly over the window
        named = [named[number * (len(named) - 1) // (MOST_EVENTS - 1)] for number in range(MOST_EVENTS)]
    swaps = [
        number
        for number, (one, other) in enumerate(pairwise(named))
        if other.start_s - one.start_s >= PAUSE_S and not may_be_same(one.said, other.said)
    ]
    never = next(window.elsewhere(window.happening(window.start_s, window.end_s), "changed"), None)
    if not swaps or never is None:
        return []
    true = [event.said.text for event in named]
    swap, changed = swaps[draw(len(swaps), *window.key, "swap")], true.copy()
    changed[draw(len(true), *window.key, "change")] = never.text
    swapped = [[*texts[:swap], texts[swap + 1], texts[swap], *texts[swap + 2 :]] for texts in (true, changed)]
    return [QA("summary", IN_ORDER, "; ".join(true), tuple("; ".join(texts) for texts in (changed, *swapped)))]


def _reasoning(window: Window) -> Iterator[QA]:
    """Ask for the one cause that the rules know: what is used or put away was taken before.

    No question names the thing: with it, the answer could be told without a look.
    """
    for number, event in enumerate(window.events):
        said = event.said
        if said.verb is None or said.object is None or is_of(TAKE, said.verb) or is_vague(said.verb):
            continue
        cause = _taken(window.events[:number], said)
        alike = [other.said for other in window.log.during(window.start_s, window.end_s) if other.said.verb]
        alike = [other for other in alike if other.verb and one_family(other.verb, said.verb)]
        if cause is None or any(other.object is None or not same_thing(other.object, said.object) for other in alike):
            continue
        # every option takes something, so that the words do not tell
        inside = (other.said for other in window.events if is_of(TAKE, other.said.verb))
        taken = (other for other in window.elsewhere([cause], said.text) if is_of(TAKE, other.verb))
        wrong = (other for other in (*inside, *taken) if not may_be_same(other, cause) and _other_thing(other, said))
        question = f"C does this to something: {said.verb}. what made that possible?"
        yield QA("reasoning", question, cause.text, distinct(wrong, _text, but=cause.text))


def _taken(before: list[Moment], said: Narration) -> Narration | None:
    """Return the last narration of the same thing, where it takes it; None where the thing was put away since."""
    if said.object is None:
        return None
    of_thing = [event.said for event in before if event.said.object and same_thing(event.said.object, said.object)]
    last = of_thing[-1] if of_thing else None
    if last is None or last.object is None or last.object.noun != said.object.noun:
        return None
    return last if is_of(TAKE, last.verb) and not is_of(PUT, last.verb) else None


def _other_thing(said: Narration, than: Narration) -> bool:
    return said.object is not None and than.object is not None and not same_thing(said.object, than.object)
