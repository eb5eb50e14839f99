"""EgoRe's short-term questions read clip by clip, as the rules are said: the peer of tests/benchmarks/templates.py.

All seven types and the chains of thought, over rows that are dicts. With the tables' side it shares words and numbers
(forms of questions, thoughts, limits) and no rule. Every narration with an ego clip has a row and one ego camera.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from components.data.egore.multiple_choice import QA
from components.data.egore.rule_based import chain_of_thought
from components.data.egore.rule_based.short_questions import FORMS, TYPES
from components.data.egore.rule_based.short_questions.background import HANDS_OFF_S, NEAREST_BOX_S
from components.data.egore.rule_based.short_questions.count import ANNOTATORS, MOST_NARRATIONS, WANTED
from components.data.egore.rule_based.short_term import WEIGHTS
from components.data.egore.rule_based.timeline import _EDGE_S, LONGEST_S, SHORTEST_S
from components.prompts import think_answer
from components.prompts.kitchen_grammar import COLOURS, KINDS, VERBS, Facts, parse_narration, similar_looks
from components.records import content_id

LOOKS = [(colour, kind) for colour in COLOURS for kind in KINDS]
NAMED = re.compile(rf"\b({'|'.join(COLOURS)}) ({'|'.join(KINDS)})\b")


class Told(NamedTuple):
    time_s: float
    facts: Facts | None
    known: bool
    clip: dict | None


class Question(NamedTuple):
    form: str
    facts: Facts
    answer: str
    steps: tuple[Facts, ...]  # of the thought
    narrations: int
    span: tuple[float, float] | None = None  # of the window, None where the clip is shown


@dataclass
class Take:
    clips: list[dict] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    handled_s: dict[tuple, float] = field(default_factory=dict)
    named: set[tuple] = field(default_factory=set)
    boxes: list[dict] = field(default_factory=list)

    def handle(self, text: str, time_s: float) -> None:
        for look in NAMED.findall(text):
            self.handled_s[look] = min(time_s, self.handled_s.get(look, math.inf))
            self.named.add(look)

    def within(self, start_s: float, end_s: float) -> list[Told]:
        low = bisect_left(self.told, start_s - _EDGE_S, key=lambda told: told.time_s)
        return self.told[low : bisect_right(self.told, end_s + _EDGE_S, key=lambda told: told.time_s)]


def draws(*key: object) -> list[float]:
    digest = hashlib.sha512("\x1f".join(map(str, key)).encode()).digest()
    return [(number + 1.0) / 2**32 for number in struct.unpack(">16I", digest)]


def below(count: int, lot: float) -> int:
    return math.ceil(lot * count) - 1


def fitted(clip: dict, duration_s: float) -> tuple[float, float] | None:
    start_s, end_s = clip["start_s"], clip["end_s"]
    if end_s - start_s > LONGEST_S or duration_s < SHORTEST_S:
        return None
    if end_s - start_s >= SHORTEST_S:
        return start_s, end_s
    start_s = min(max((start_s + end_s) / 2 - SHORTEST_S / 2, 0.0), duration_s - SHORTEST_S)
    return start_s, start_s + SHORTEST_S


def read(clips: list[dict], annotations: dict[str, list[dict]]) -> dict[str, Take]:
    duration_s = {video["video_id"]: video["duration_s"] for video in annotations["videos"]}
    takes: dict[str, Take] = defaultdict(Take)
    clip_of = {}
    for clip in clips:
        if clip["view"] != "ego":
            continue
        span, facts = fitted(clip, duration_s[clip["video_id"]]), parse_narration(clip["text"])
        if span and facts:
            clip = clip_of[clip["narration_id"]] = clip | {"facts": facts, "start_s": span[0], "end_s": span[1]}
            takes[clip["take_id"]].clips.append(clip)
            takes[clip["take_id"]].handle(clip["text"], clip["start_s"])
    for row in sorted(annotations["narrations"], key=lambda row: (row["time_s"], row["narration_id"])):
        if take := takes.get(row["take_id"]):
            facts = parse_narration(row["text"])
            known = facts is not None and row["ego_visible"] and not row["unsure"]
            take.place[row["narration_id"]] = len(take.told)
            take.told.append(Told(row["time_s"], facts, known, clip_of.get(row["narration_id"])))
            take.handle(row["text"], row["time_s"])
    for row in annotations["intervals"]:
        if take := takes.get(row["take_id"]):
            take.handle(row["text"], row["start_s"])
    for row in annotations["boxes"]:
        if take := takes.get(row["take_id"]):
            take.boxes.append(row)
            take.named.update(NAMED.findall(row["name"]))
    return takes


def slots(take: Take, clip: dict, lot: list[float]) -> list[Question]:
    own = clip["facts"]
    inside = [told.facts for told in take.within(clip["start_s"], clip["end_s"]) if told.facts]
    by_hand = own.hand and not any(o.object == own.object and o.hand and o.hand != own.hand for o in inside)
    by_kind = not any(o.verb == own.verb and o.type != own.type for o in inside)
    use_hand = by_hand and (lot[0] <= 0.5 or not by_kind)
    can = {
        "attribute": not any((o.verb, o.type) == (own.verb, own.type) and o.colour != own.colour for o in inside),
        "hand": use_hand,
        "object": by_kind and not use_hand,
        "action": not any(o.object == own.object and o.verb != own.verb for o in inside),
    }
    answers = {"attribute": own.colour, "hand": own.hand, "object": own.type, "action": own.verb}
    return [Question(form, own, answers[form], (own,), len(inside)) for form in can if can[form]]


def existence(take: Take, clip: dict, lot: list[float]) -> list[Question]:
    own = clip["facts"]
    if below(2, lot[3]) == 0:
        return [Question("existence", own, "yes", (), 0)]
    absent = [look for look in similar_looks(own.colour, own.type) if look not in take.named]
    if not absent:
        return []
    return [Question("existence", Facts("", *absent[below(len(absent), lot[4])]), "no", (), 0)]


def count(take: Take, clip: dict, lot: list[float]) -> list[Question]:
    at = take.place[clip["narration_id"]]
    wanted = 1 + sum(lot[1] > share for share in WANTED)
    found = []
    for last in take.told[at + 1 : at + ANNOTATORS * MOST_NARRATIONS]:
        if last.clip is None or last.clip["end_s"] - clip["start_s"] > LONGEST_S:
            continue
        span = clip["start_s"], last.clip["end_s"]
        inside = take.within(*span)
        if len(inside) < 2 or not all(told.known for told in inside):
            continue
        steps = tuple(told.facts for told in inside)
        events = {(facts.verb, facts.object) for facts in steps}
        if len(events) <= MOST_NARRATIONS and len({facts.object for facts in steps}) == wanted:
            found = [Question("count", clip["facts"], str(wanted), steps, len(steps), span)]
    return found


def reason(take: Take, clip: dict) -> list[Question]:
    own, at = clip["facts"], take.place[clip["narration_id"]]
    time_s = take.told[at].time_s
    for place in range(at + 1, len(take.told)):
        told = take.told[place]
        if told.time_s - time_s > LONGEST_S:
            break
        if told.facts and told.facts.object == own.object and told.facts.verb != own.verb:
            between = take.told[at : place + 1]
            if not told.clip or told.clip["end_s"] - clip["start_s"] > LONGEST_S or not all(t.known for t in between):
                break
            span = clip["start_s"], told.clip["end_s"]
            return [Question("reason", own, told.facts.verb, (own, told.facts), len(between), span)]
    return []


def single(boxes: list[dict]) -> dict[str, list[tuple[float, tuple]]]:
    """Give time and look of the boxes of each video that are alone of their kind in their frame."""
    of_kind = defaultdict(list)
    for box in boxes:
        if kind := next((word for word in box["name"].split() if word in KINDS), None):
            of_kind[box["video_id"], box["frame"], kind].append(box)
    alone: dict[str, list] = defaultdict(list)
    for (video, _, _), (box, *others) in of_kind.items():
        look = tuple(box["name"].split())
        if not others and look in LOOKS:
            alone[video].append((box["time_s"], look))
    return alone


def background(take: Take, clip: dict, boxes: list[tuple[float, tuple]], lot: list[float]) -> list[Question]:
    start_s, end_s = clip["start_s"], clip["end_s"]
    lying = []
    for time_s, look in boxes:
        near = start_s - NEAREST_BOX_S <= time_s <= end_s + NEAREST_BOX_S
        if near and take.handled_s.get(look, math.inf) > end_s + HANDS_OFF_S:
            away_s = max(0.0, start_s - time_s, time_s - end_s)
            lying.append((away_s, (LOOKS.index(look) + below(len(LOOKS), lot[2])) % len(LOOKS), look))
    if not lying:
        return []
    facts = Facts("", *min(lying)[2])
    return [Question("background", facts, facts.colour, (), 0)]


def thinned(asked: list[tuple[dict, list[Question], list[float]]]) -> set[tuple[str, str]]:
    """Take out reasons whose answer is too likely; give which verb follows which in those that stay."""
    pairs = Counter((q.facts.verb, q.answer) for _, questions, _ in asked for q in questions if q.form == "reason")
    second = {verb: sorted([pairs[verb, other] for other in VERBS])[-2] for verb in VERBS}
    stay = set()
    for _, questions, lot in asked:
        for q in [q for q in questions if q.form == "reason"]:
            if lot[5] * pairs[q.facts.verb, q.answer] <= max(second[q.facts.verb], 1):
                stay.add((q.facts.verb, q.answer))
            else:
                questions.remove(q)
    return stay


def sample(clip: dict, q: Question, likely: set[tuple[str, str]], lot: list[float], choices: int) -> dict:
    words = FORMS[q.form].words

    def rank(word: str) -> float:
        if q.form != "reason":
            return lot[words.index(word)]
        verb = q.facts.verb
        return lot[words.index(word)] + 2.0 * ((word == verb) + ((verb, word) not in likely))

    false = sorted((word for word in words if word != q.answer), key=rank)[: choices - 1]
    position = below(len(false) + 1, lot[-1])
    target = {"kind": "choice", "choices": [*false[:position], q.answer, *false[position:]], "answer_index": position}
    span = dict(zip(("start_s", "end_s"), q.span or (clip["start_s"], clip["end_s"]), strict=True))
    same = {name: clip[name] for name in ("take_id", "split", "view")}
    return identified(
        same
        | {
            "corpus": "egore", "task": "qa", "question_type": FORMS[q.form].question_type,
            "question": FORMS[q.form].question.format(facts=q.facts), "answer": q.answer, "target": target,
            "media": [{"video_id": clip["video_id"], "view": clip["view"]} | span], "paired": [],
            "frame_kind": "window" if q.span else "clip", "parents": [clip["clip_id"]],
        }
    )  # fmt: skip


def identified(row: dict) -> dict:
    keys = ("corpus", "task", "question_type", "question", "answer")
    return row | {"sample_id": content_id(*(row[key] for key in keys), *row["parents"], *row["media"][0].values())}


def with_thought(row: dict, q: Question) -> dict:
    thought = chain_of_thought.thought(QA(row["question_type"], row["question"], q.answer, ()), q.steps)
    answer = think_answer(thought, q.answer)
    return identified(
        row | {"question_type": "cot", "question": chain_of_thought.with_cue(row["question"]), "answer": answer}
    )


def short_term(
    clips: list[dict],
    annotations: dict[str, list[dict]],
    *,
    per_clip: int,
    cot_fraction: float,
    choices: int,
    seed: int,
) -> list[dict]:
    """Make the rows of records.SAMPLE one by one, questions first, then those with a thought."""
    asked = []
    for take in read(clips, annotations).values():
        boxes = single(take.boxes)
        for clip in take.clips:
            lot = draws(seed, "forms", clip["clip_id"])
            found = [*existence(take, clip, lot), *slots(take, clip, lot), *count(take, clip, lot)]
            found += [*reason(take, clip), *background(take, clip, boxes[clip["video_id"]], lot)]
            asked.append((clip, found, lot))
    likely = thinned(asked)
    made, thoughts = [], []
    for clip, questions, _ in asked:
        lot = draws(seed, "types", clip["clip_id"])
        late = {kind: -math.log(lot[place]) / WEIGHTS.get(kind, 1.0) for place, kind in enumerate(TYPES)}
        kinds = sorted({FORMS[q.form].question_type for q in questions}, key=late.get)[:per_clip]
        for q in [q for q in questions if FORMS[q.form].question_type in kinds]:
            lot = draws(seed, "short", q.form, clip["clip_id"])
            made.append(sample(clip, q, likely, lot, choices))
            if lot[-2] <= cot_fraction and q.form in chain_of_thought.REASONED and q.narrations > 1:
                thoughts.append(with_thought(made[-1], q))
    return made + thoughts
