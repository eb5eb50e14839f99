"""One question with its answer and false options, and how options become a multiple-choice question."""

from __future__ import annotations

from dataclasses import dataclass

from components.records import content_id


@dataclass(frozen=True)
class QA:
    """A question made from facts; `distractors` are false for the same video, in no order that matters."""

    question_type: str
    question: str
    answer: str
    distractors: tuple[str, ...]


def draw(count: int, *key: object) -> int:
    """Draw from 0 to count - 1 by content, so that neither row order nor a process's random state can move it."""
    return int(content_id(*key), 16) % count


def options(qa: QA, count: int, *, key: str) -> tuple[tuple[str, ...], int]:
    """Lay out the options of a question: which distractors and where the answer stands depend on `key` alone.

    Args:
        qa: the question.
        count: options wanted; a question with fewer distractors (left or right hand) has fewer options.
        key: id of the sample.

    Returns:
        The options, and the index of the answer among them, uniform over keys.

    Raises:
        ValueError: no distractor is left, so there is nothing to choose.

    >>> options(QA("hand", "which hand?", "left", ("right",)), 4, key="a")[0] in (("left", "right"), ("right", "left"))
    True
    """
    false = sorted(set(qa.distractors) - {qa.answer}, key=lambda option: content_id(key, option))[: count - 1]
    if not false:
        raise ValueError(
            f"{qa.question!r}: no distractor beside the answer {qa.answer!r}, allowed is at least one; "
            "see components/data/egore"
        )
    position = draw(len(false) + 1, key, "position")
    return (*false[:position], qa.answer, *false[position:]), position
