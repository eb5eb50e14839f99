"""The oracle: whether an answer about a scripted take is true, decided by the script and the ego camera alone.

It reads the words of questions and shares no code with what writes them (components/data/egore, egoit): an error there
cannot hide here. What it does not know how to read it does not judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from components.metrics import box_iou, temporal_iou
from components.prompts import split_think_answer
from components.prompts.kitchen_grammar import COLOURS, HANDS, KINDS, VERBS, parse_narration
from components.prompts.rationales import TYPES, told
from components.world.script import Event, Take, scene_at
from components.world.shapes import Shape, ego_shapes

MIN_BOX_IOU = 0.9
MIN_SPAN_IOU = 0.8  # annotators are off by up to 0.15 s at either end of an event of 2 s
LOOK_S = 0.125  # one look in each so many seconds of a span: a frame of the default world
_CUE = " reason in think, then answer."

Box = tuple[float, float, float, float]  # x1, y1, x2, y2 in percent of the frame
Span = tuple[float, float]  # start and end in seconds
Answer = str | Box | Span


@dataclass(frozen=True)
class Seen:
    """What a question is about: a span of the ego video of a take, in seconds."""

    take: Take
    start_s: float
    end_s: float

    @property
    def touched(self) -> list[Event]:
        """The events that the span shows a part of."""
        return [event for event in self.take.events if self.share_s(event) > 0]

    @property
    def within(self) -> list[Event]:
        """The events whose middle is in the span: annotators put their one timestamp there."""
        return [event for event in self.take.events if self.start_s <= (event.start_s + event.end_s) / 2 <= self.end_s]

    def share_s(self, event: Event) -> float:
        """Seconds of an event that the span shows."""
        return min(event.end_s, self.end_s) - max(event.start_s, self.start_s)

    def object(self, event: Event) -> str:
        """Colour and kind of what an event is done to."""
        return self.take.facts(event).object

    def phrase(self, event: Event) -> str:
        """Verb and object."""
        return f"{event.verb} the {self.object(event)}"

    def shows(self, number: int) -> bool:
        """Return whether item `number` is visible at some time."""
        times_s = np.arange(self.start_s, self.end_s, LOOK_S).tolist()
        return any(_looked(self.take, time_s)[number].visible for time_s in times_s)


@lru_cache(maxsize=512)
def _looked(take: Take, time_s: float) -> list[Shape]:
    return ego_shapes(take, time_s)


@lru_cache(maxsize=512)
def _boxes(take: Take, time_s: float) -> dict[str, Box]:
    """Box what is visible, by name, in percent of the frame."""
    boxes: dict[str, Box] = {}
    for shape in _looked(take, time_s):
        if shape.visible:
            points = np.concatenate(shape.polygons)
            corners = (*points.min(0).tolist(), *points.max(0).tolist())
            x1, y1, x2, y2 = (100 * min(1.0, max(0.0, corner)) for corner in corners)
            boxes[shape.name] = (x1, y1, x2, y2)
    return boxes


def _narration(seen: Seen, answer: str) -> bool | None:
    said = parse_narration(answer)
    if said is None:
        return None
    true = [seen.take.facts(event) for event in seen.touched]
    return any((fact.verb, fact.object) == (said.verb, said.object) and said.hand in (None, fact.hand) for fact in true)


def _action(seen: Seen, answer: str, *, object: str) -> bool:
    return any(seen.object(event) == object and event.verb == answer for event in seen.touched)


def _most_of(seen: Seen, answer: str) -> bool:
    """Action recognition: the verb of the event that fills most of the span."""
    events = seen.touched
    return bool(events) and answer == max(events, key=seen.share_s).verb


def _attribute(seen: Seen, answer: str, *, kind: str, verb: str) -> bool:
    return any(event.verb == verb and seen.object(event) == f"{answer} {kind}" for event in seen.touched)


def _background(seen: Seen, answer: str, *, kind: str) -> bool:
    handled = {event.item for event in seen.touched}
    for time_s in (seen.start_s, seen.end_s):
        handled |= {number for number, pose in enumerate(scene_at(seen.take, time_s).items) if pose.held_by}
    return any(
        f"{item.colour} {item.kind}" == f"{answer} {kind}" and number not in handled and seen.shows(number)
        for number, item in enumerate(seen.take.items)
    )


def _kind(seen: Seen, answer: str, *, verb: str) -> bool:
    return any(event.verb == verb and seen.take.facts(event).type == answer for event in seen.touched)


def _hand(seen: Seen, answer: str, *, object: str) -> bool:
    return any(seen.object(event) == object and event.hand == answer for event in seen.touched)


def _existence(seen: Seen, answer: str, *, object: str) -> bool:
    numbers = [n for n, item in enumerate(seen.take.items) if f"{item.colour} {item.kind}" == object]
    return answer == ("yes" if any(seen.shows(number) for number in numbers) else "no")


def _counted(answer: str, least: int, most: int) -> bool | None:
    """Judge a number of which only limits are known: the span cuts an event at its edge."""
    if not answer.isdecimal() or not least <= int(answer) <= most:
        return False
    return True if least == most else None


def _objects(seen: Seen, answer: str) -> bool | None:
    least, most = ({event.item for event in events} for events in (seen.within, seen.touched))
    return _counted(answer, len(least), len(most))


def _happens(seen: Seen, answer: str, *, said: str) -> bool:
    return answer == ("yes" if said in [seen.phrase(event) for event in seen.touched] else "no")


def _times(seen: Seen, answer: str, *, verb: str) -> bool | None:
    least, most = (sum(event.verb == verb for event in events) for events in (seen.within, seen.touched))
    return _counted(answer, least, most)


def _reason(seen: Seen, answer: str, *, verb: str, object: str) -> bool:
    done = [event for event in seen.touched if seen.object(event) == object]
    return any(one.verb == verb and other.verb == answer for one, other in zip(done, done[1:], strict=False))


def _after(seen: Seen, answer: str, *, said: str) -> bool:
    phrases = [seen.phrase(event) for event in seen.within]
    return (said, answer) in zip(phrases, phrases[1:], strict=False)


def _next(seen: Seen, answer: str) -> bool:
    coming = [event for event in seen.take.events if event.start_s >= seen.end_s]
    return bool(coming) and seen.phrase(coming[0]) == answer


def _in_order(seen: Seen, answer: str) -> bool:
    phrases = iter([seen.phrase(event) for event in seen.within])
    return all(said in phrases for said in answer.split(", "))  # each search goes on where the last one ended


def _possible(seen: Seen, answer: str, *, hand: str | None) -> bool:
    downs = [event for event in seen.within if event.verb == "puts down" and hand in (None, event.hand)]
    taken = [
        e for e in seen.within if downs and e.verb == "picks up" and (e.item, e.hand) == (downs[0].item, downs[0].hand)
    ]
    return len(downs) == 1 and any(e.start_s < downs[0].start_s and seen.phrase(e) == answer for e in taken)


def _free(seen: Seen, answer: str, *, verb: str, hand: str) -> bool:
    meant = [event for event in seen.within if (event.verb, event.hand) == (verb, hand)]
    moves = [
        e for e in seen.within if meant and e.hand == hand and e.verb in VERBS[:2] and e.start_s < meant[0].start_s
    ]
    return len(meant) == 1 and bool(moves) and moves[-1].verb == "puts down" and seen.phrase(moves[-1]) == answer


def _where(seen: Seen, answer: Box, *, name: str) -> bool:
    box_xyxy = _boxes(seen.take, seen.start_s).get(name)
    return box_xyxy is not None and box_iou(answer, box_xyxy) >= MIN_BOX_IOU


def _when(seen: Seen, answer: Span, *, said: str) -> bool:
    start_s, end_s = (seen.start_s + second for second in answer)
    spans = [(event.start_s, event.end_s) for event in seen.take.events if seen.phrase(event) == said]
    return len(spans) == 1 and temporal_iou((start_s, end_s), spans[0]) >= MIN_SPAN_IOU


def _told(seen: Seen, thought: str) -> bool:
    """Return whether everything that a rationale tells happens in the span."""
    happening = {seen.take.facts(event).event for event in seen.touched}
    return all(f"C {step.facts.verb} the {step.facts.object}" in happening for step in told(thought))


def _pattern(question: str) -> re.Pattern[str]:
    """Read a question in which <verb>, <object>, <kind>, <hand>, <said> and <name> stand for words of the world."""
    verb, colour, kind, hand = ("|".join(words) for words in (VERBS, COLOURS, KINDS, HANDS))
    words = {"verb": verb, "kind": kind, "hand": hand, "object": f"(?:{colour}) (?:{kind})", "name": ".+"}
    words["said"] = f"(?:{verb}) the (?:{colour}) (?:{kind})"
    return re.compile(re.sub(r"<(\w+)>", lambda found: f"(?P<{found[1]}>{words[found[1]]})", question))


_CHECKS: tuple[tuple[re.Pattern[str], Callable[..., bool | None]], ...] = tuple(
    (_pattern(question), is_true)
    for question, is_true in (
        (r"where is the <name>\?", _where),
        (r"when is it that C <said>\?", _when),
        (r"what does C do with the <object>\?", _action),
        (r"what colour is the <kind> that C <verb>\?", _attribute),
        (r"what colour is the <kind> that C does not touch\?", _background),
        (r"which kind of object is it that C <verb>\?", _kind),
        (r"which hand does C use for the <object>\?", _hand),
        (r"is there an? <object>\?", _existence),
        (r"does this happen: C <said>\?", _happens),
        (r"how many different objects does C handle\?", _objects),
        (r"how many times does this happen: C <verb> something\?", _times),
        (r"C <verb> the <object>\. to do what with it\?", _reason),
        (r"what does C do right after this: <said>\?", _after),
        (r"what does C do next\?", _next),
        (r"what does C do, in order\?", _in_order),
        (r"C puts down something(?: with the <hand> hand)?\. what made that possible\?", _possible),
        (r"C <verb> something with the <hand> hand\. what made that hand free\?", _free),
    )
)


def judge(take: Take, question_type: str, question: str, answer: Answer, start_s: float, end_s: float) -> bool | None:
    """Return whether an answer about a span of the ego video is true.

    Args:
        take: the scripted take.
        question_type: of the sample.
        question: of the sample; where the type is "narration", the type alone says what is asked.
        answer: a text, with its thought or without (that of a rationale must be true too); a box in percent of the
            frame; or a span in seconds from `start_s`.
        start_s: start of the span that is seen, in seconds of the video; a single frame is the one at `start_s`.
        end_s: its end.

    Returns:
        True or False; None where the question cannot be read, or an edge of the span cuts what decides.
    """
    seen = Seen(take, start_s, end_s)
    if isinstance(answer, str):
        thought = split_think_answer(answer)
        answer = thought[1] if thought else answer
        if thought and question_type in TYPES.values() and not _told(seen, thought[0]):
            return False
    if question_type == "narration":
        return isinstance(answer, str) and _narration(seen, answer)
    for pattern, is_true in _CHECKS:
        match = pattern.fullmatch(question.removesuffix(_CUE))
        if match:
            return is_true(seen, answer, **match.groupdict())
    # an instruction of action recognition can be any words
    return _most_of(seen, answer) if question_type == "action" and answer in VERBS else None
