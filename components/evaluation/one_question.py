"""A question that somebody asks, as a sample of the data would hold it: it is then asked as evaluation asks."""

from __future__ import annotations

import re
from collections.abc import Sequence

VIEWS = ("ego", "exo")
KINDS = ("text", "box", "span")
_ASKS_WHERE = re.compile(r"(?:where (?:is|are)|locate)\b", re.I)
_ASKS_WHEN = re.compile(r"when (?:is|was|are|were|do|does|did|will)\b", re.I)


def target_kind_of(question: str) -> str:
    """Return what kind of answer a question wants, by its first words: "box", "span" or "text".

    These are the words by which the data asks for boxes and intervals (components/prompts/formats.py).

    >>> target_kind_of("where is the green cup?"), target_kind_of("when is it that C cuts?"), target_kind_of("who?")
    ('box', 'span', 'text')
    """
    if _ASKS_WHERE.match(question.strip()):
        return "box"
    return "span" if _ASKS_WHEN.match(question.strip()) else "text"


def one_question(
    question: str,
    *,
    view: str = "ego",
    frame_kind: str = "clip",
    duration_s: float | None = None,
    target_kind: str = "text",
    choices: Sequence[str] | None = None,
) -> dict:
    """Return the question as a sample, with the columns of `records.SAMPLE` that asking reads.

    Args:
        question: text.
        view: of the frames, "ego" or "exo".
        frame_kind: of the frames, "image", "clip" or "window" (`frames` of params/data.yaml).
        duration_s: length of the video that the frames were taken from at equal distances, seconds; None where it is
            not known, and a question about time then stands without the times of the frames.
        target_kind: what kind of answer is wanted, "text", "box" or "span".
        choices: the options of a closed question; None for an open one.

    Raises:
        ValueError: another view, or another kind of answer.
    """
    for name, value, allowed in (("view", view, VIEWS), ("target_kind", target_kind, KINDS)):
        if value not in allowed:
            raise ValueError(f"{name} {value!r} came, allowed are {list(allowed)}")
    target = {"kind": target_kind} if choices is None else {"kind": "choice", "choices": list(choices)}
    return {
        "question": question, "answer": "", "question_type": "", "target": target,
        "corpus": "general",  # of what people asked: a closed question says its options
        "view": view, "frame_kind": frame_kind,
        "media": [] if duration_s is None else [{"start_s": 0.0, "end_s": duration_s}],
    }  # fmt: skip
