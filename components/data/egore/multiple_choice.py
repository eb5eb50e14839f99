"""One question with its answer and false options, and how options become a multiple-choice question."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.records import content_id
from components.records.ids import digests
from components.records.patterns import option_key

DRAWS = 16  # numbers that `random_draws` draws for each text: what one digest holds


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


def random_draws(*key: object, of: Iterable[str]) -> np.ndarray:
    """Draw `DRAWS` random numbers for each text by content, for tables: one digest holds all that a row needs.

    Args:
        *key: what the draws are for; texts of another key draw other numbers.
        of: the texts, ids of rows.

    Returns:
        float64 array [N, DRAWS], above 0 and at most 1.

    >>> bool((random_draws(7, "a", of=["x", "y"])[0] == random_draws(7, "a", of=["x"])[0]).all())
    True
    """
    drawn = np.frombuffer(digests(hashlib.sha512, *map(str, key), of), ">u4")
    return (drawn.reshape(-1, DRAWS) + 1.0) / 2**32


def below(count: np.ndarray | int, draws: np.ndarray) -> np.ndarray:
    """Turn random numbers above 0 and at most 1 into integers from 0 to count - 1."""
    return np.ceil(draws * count).astype(np.int64) - 1


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
    unlike = {option_key(option): option for option in sorted(qa.distractors)}
    unlike.pop(option_key(qa.answer), None)
    false = sorted(unlike.values(), key=lambda option: content_id(key, option))[: count - 1]
    if not false:
        raise ValueError(
            f"{qa.question!r}: no distractor beside the answer {qa.answer!r}, allowed is at least one; "
            "see components/data/egore"
        )
    position = draw(len(false) + 1, key, "position")
    return (*false[:position], qa.answer, *false[position:]), position


def choice(frame: pd.DataFrame, asked: list[QA], *, choices: int, seed: int) -> pd.DataFrame:
    """Turn one question a row into multiple choice.

    Args:
        frame: a row for each question: `parent`, `start_s`, `end_s` and whatever else its sample has.
        asked: the questions, in the order of the rows.
        choices: options of each.
        seed: of their order and of which wrong options are offered.
    """
    keys = ["parent", "start_s", "end_s"]
    laid = [
        options(qa, choices, key=content_id(seed, *row, qa.question))
        for qa, row in zip(asked, frame[keys].itertuples(index=False, name=None), strict=True)
    ]
    return frame.assign(
        corpus="egore",
        task="qa",
        question_type=[qa.question_type for qa in asked],
        question=[qa.question for qa in asked],
        answer=[qa.answer for qa in asked],
        kind="choice",
        text=None,
        choices=[list(offered) for offered, _ in laid],
        answer_index=[index for _, index in laid],
    )


def options_of_rows(
    answer: np.ndarray, count: int, draws: np.ndarray, *, words: int, implausible: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lay out the options of many questions whose answers are words of one list, as `options` does for one.

    Args:
        answer: number of the right word, shape [N].
        count: options wanted; a list of fewer words has fewer.
        draws: random numbers above 0 and at most 1, shape [N, words + 1 or more]: one for each word, the last for the
            position of the answer.
        words: length of the list.
        implausible: 0 where a word may be a wrong option; words with a greater number become one only where those with
            a smaller one do not suffice, shape [N, words].

    Returns:
        Numbers of the words, shape [N, options], and the index of the answer among them, shape [N].
    """
    rows, offered = np.arange(len(answer)), min(count, words)
    order = draws[:, :words] + (0.0 if implausible is None else 2.0 * implausible)
    order[rows, answer] = np.inf
    false = np.argsort(order, axis=1, kind="stable")[:, : offered - 1]
    position = below(offered, draws[:, -1])
    place = np.arange(offered)[None, :]
    # left of the answer stand the first distractors, right of it the others
    pick = np.minimum(place - (place > position[:, None]), max(offered - 2, 0))
    laid = np.take_along_axis(false, pick, axis=1) if offered > 1 else np.empty((len(answer), 1), np.int64)
    laid[rows, position] = answer
    return laid, position
