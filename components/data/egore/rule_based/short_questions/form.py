"""What every kind of short-term question has: how it is put, and of which clips it can be asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from components.data.egore.multiple_choice import QA
from components.prompts.kitchen_grammar import Facts


@dataclass(frozen=True)
class Form:
    """One way to put a question.

    Attributes:
        question_type: of the samples, one of the seven of systems §4.1.
        question: a format string with the slots of `facts`. It names at most the slots that it does not ask for, so
            that its own text cannot give the answer.
        words: every word that can answer it; those that do not answer it are the wrong options.
        frame_kind: "clip" where the clip itself is shown, "window" where several narrations are joined.
        thought: writes the chain of thought from the narrations that the answer rests on, in the order of time, and the
            answer; None where a look at one frame is enough to answer.
    """

    question_type: str
    question: str
    words: tuple[str, ...]
    frame_kind: str = "clip"
    thought: Callable[[Sequence[Facts], str], str] | None = None

    def ask(self, facts: Facts, answer: str, *, excluded: tuple[str, ...] = ()) -> QA:
        """Put the question about one event.

        Args:
            facts: the event.
            answer: one of `words`.
            excluded: words that are neither the answer nor a wrong option.

        Returns:
            The question; its wrong options are the other words.
        """
        wrong = tuple(word for word in self.words if word not in (answer, *excluded))
        return QA(self.question_type, self.question.format(facts=facts), answer, wrong)


class Shown(NamedTuple):
    """What the model sees with each question, arrays of shape [N].

    `start_s` and `end_s` are seconds of the video. The answer rests on the narrations [low, high) of the timeline;
    `narrations` is how many of all that is seen can be read.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    low: np.ndarray
    high: np.ndarray
    narrations: np.ndarray


class Candidates(NamedTuple):
    """The questions of one form about all clips, as numbers of components/data/egore/rule_based/fact_codes.py.

    Arrays of shape [N]: `possible`, whether the form can be asked of a clip; `event`, which the question names; and
    `answer`, the place of the right word in the form's `words`. Event and answer mean nothing where it cannot be asked.
    `implausible`, shape [verbs, words], says for each verb of an event how well each word could be ruled out without a
    look at the video, 0 where it could not: a word with a greater number becomes a wrong option only where the others
    do not suffice.
    """

    form: str  # a key of `short_questions.FORMS`
    possible: np.ndarray
    event: np.ndarray
    answer: np.ndarray
    shown: Shown
    implausible: np.ndarray | None = None
