"""The prompts of EgoRe: what a language model is told of a segment, and the shape of its reply (systems §4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from components import llm

SHORT, LONG, COT = "egore.short", "egore.long", "egore.cot"
TYPES = {  # question type -> what it asks
    "existence": 'whether a certain object is there; the answers are "yes" and "no", each as often as the other',
    "attribute": "a visible property of an object that C uses: its colour, material, shape or state",
    "count": "how many different objects, or how many times; the answers are numbers",
    "interaction": "which object C touches, or with which hand or tool",
    "action": "what C does",
    "reason": "what an action is for, as the next actions show",
    "background": "a visible property of something near by that C does not use",
    "sequence": "what happens right before or after something",
    "counting": "how many different objects, or how many times something happens; the answers are numbers",
    "summary": "what C does in all, in order",
    "reasoning": "why something is done, or what made it possible",
    "prediction": "what C does next, which the segment does not show",
}
SYSTEM = (
    "You write questions about first-person video, from which a model that sees the video will learn. You do not see "
    "it: you are given what annotators say of one segment. Write only what follows from that. C is the person who "
    "wears the camera."
)
_SEGMENT = """\
The segment lasts {length_s:.1f} s. What is said of it, in seconds from its start:
{narrations}{more}

"""
_QUESTIONS = """\
Write at most {count} questions, each of another one of these types:
{types}
Each question has one right answer and {wrong}: false of this segment, but as plausible, as long and of the same kind \
as the right one. The question must not say the answer, and nobody may be able to tell it without the video. Answer in \
a few words. Write fewer questions, or none, where the segment does not give them."""
_CHAIN = """\
First judge whether the segment deserves a question that takes several steps of reasoning: its answer must follow from \
at least two things that are said, and not from one of them alone. Say so in `suitable`, and why in `reason`. If it \
does, write the question; in `thought`, the reasoning step by step, from what is seen to the answer; and the answer, \
in a few words, which the question must not say. If it does not, leave these three empty."""
_TEXT = {"type": "string", "maxLength": 2000}


def _object(properties: dict) -> dict:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def questions_schema(count: int) -> dict:
    """Return the schema of a reply with at most `count` questions; what a single one must keep to is checked later."""
    one = _object(
        {"question_type": _TEXT, "question": _TEXT, "answer": _TEXT, "wrong_answers": {"type": "array", "items": _TEXT}}
    )
    return _object({"questions": {"type": "array", "items": one, "maxItems": count}})


CHAIN_SCHEMA = _object(
    {"suitable": {"type": "boolean"}, "reason": _TEXT, "question": _TEXT, "thought": _TEXT, "answer": _TEXT}
)


def requests(segments: pd.DataFrame, *, counts: dict[str, int], choices: int) -> Iterator[llm.Request]:
    """Ask one thing of each segment.

    Args:
        segments: rows of `segments.COLUMNS` with `kind` (SHORT, LONG or COT) and `request_id`, and, where there are
            some, `seen` and `after`.
        counts: most questions of a reply, by kind.
        choices: options of a question.
    """
    wrong = "one wrong answer" if choices == 2 else f"up to {choices - 1} wrong answers"
    schemas = {kind: questions_schema(count) for kind, count in counts.items()}
    columns = ["kind", "request_id", "start_s", "end_s", "types", "narrations", "seen", "after"]
    for kind, request_id, start_s, end_s, types, narrations, seen, after in _rows(segments.reindex(columns=columns)):
        more = f"\nSeen in it: {seen}" if seen else ""
        if kind != COT and after:
            more += f"\nRight after it, and not shown: {after}"
        user = _SEGMENT.format(length_s=end_s - start_s, narrations=narrations, more=more)
        if kind == COT:
            yield llm.Request(request_id, kind, SYSTEM, user + _CHAIN, CHAIN_SCHEMA)
            continue
        listed = "\n".join(f"- {name}: {TYPES[name]}" for name in types)
        user += _QUESTIONS.format(count=counts[kind], types=listed, wrong=wrong)
        yield llm.Request(request_id, kind, SYSTEM, user, schemas[kind])


def _rows(frame: pd.DataFrame) -> Iterable[tuple]:
    """Return plain rows; what is missing is None."""
    return frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)
