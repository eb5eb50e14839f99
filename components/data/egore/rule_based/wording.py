"""Short-term questions in words: rows of numbers become the columns of samples, and each distinct text is made once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.egore.multiple_choice import options_of_rows
from components.data.egore.rule_based import chain_of_thought
from components.data.egore.rule_based.fact_codes import EVENTS, OBJECTS, facts_of
from components.data.egore.rule_based.short_questions import FORMS
from components.data.egore.rule_based.short_questions.form import Candidates
from components.data.egore.rule_based.timeline import Timeline
from components.prompts import think_answer

_NAMES = tuple(FORMS)
_WORDS = [word for form in FORMS.values() for word in form.words]
_FIRST_WORD = dict(zip(FORMS, np.cumsum([0, *(len(form.words) for form in FORMS.values())]), strict=False))


class Questions(NamedTuple):
    """Questions about clips in numbers, shape [N] each, but for `options`."""

    row: np.ndarray  # of the clip
    form: np.ndarray  # place in `short_questions.FORMS`
    event: np.ndarray
    answer: np.ndarray  # place in the words of all forms
    options: np.ndarray  # the same, [N, choices]; -1 behind the last
    answer_index: np.ndarray
    draw: np.ndarray  # random number that decides whether a chain of thought is asked for
    start_s: np.ndarray
    end_s: np.ndarray
    low: np.ndarray  # the narrations that the answer rests on, as in `form.Shown`
    high: np.ndarray
    narrations: np.ndarray

    def take(self, rows: np.ndarray) -> Questions:
        """Return some of the questions."""
        return Questions(*(column[rows] for column in self))


def with_options(candidates: Candidates, rows: np.ndarray, draws: np.ndarray, *, choices: int) -> Questions:
    """Draw the options of one form of question.

    Args:
        candidates: of all clips.
        rows: the clips that are asked, shape [N].
        draws: random numbers of `multiple_choice.random_draws`, a row for each of `rows`.
        choices: options wanted.
    """
    first, words = _FIRST_WORD[candidates.form], len(FORMS[candidates.form].words)
    event, answer = candidates.event[rows], candidates.answer[rows]
    by_verb = candidates.implausible
    implausible = None if by_verb is None else by_verb[event // OBJECTS]
    offered, index = options_of_rows(answer, choices, draws, words=words, implausible=implausible)
    options = np.full((len(rows), choices), -1)
    options[:, : offered.shape[1]] = first + offered
    form = np.full(len(rows), _NAMES.index(candidates.form))
    shown = (values[rows] for values in candidates.shown)
    # the last draw places the answer, the one before it is left for the chain of thought
    return Questions(rows, form, event, first + answer, options, index, draws[:, -2], *shown)


def suitable_for_thought(questions: Questions, judged: np.ndarray) -> np.ndarray:
    """Return those of the judged questions (row numbers) that deserve a chain of thought."""
    forms = pd.Series([_NAMES[form] for form in questions.form[judged]], dtype="str")
    return judged[chain_of_thought.suitable(forms, pd.Series(questions.narrations[judged])).to_numpy()]


@cache
def question_texts() -> list[str]:
    """Return the questions of each form about each event: form * events + event."""
    events = [facts_of(event) for event in range(EVENTS)]
    return [form.question.format(facts=facts) for form in FORMS.values() for facts in events]


def samples(clips: pd.DataFrame, plain: Questions, reasoned: np.ndarray, line: Timeline) -> pd.DataFrame:
    """Write the samples: the questions, then some of them once more, each with its chain of thought.

    Args:
        clips: with `clip_id`, `take_id`, `video_id`, `view` and `split`.
        plain: the questions.
        reasoned: rows of `plain` that come with a chain of thought too.
        line: the timeline that the answers rest on.

    Returns:
        As `sample_table.table` takes it.
    """
    every = plain.take(np.append(np.arange(len(plain.row)), reasoned))
    thought = np.arange(len(every.row)) >= len(plain.row)
    offered = every.options >= 0
    ends = np.append(0, np.cumsum(offered.sum(axis=1)))
    choices = pa.LargeListArray.from_arrays(ends, pa.array(_WORDS).take(pa.array(every.options[offered])))
    types = [*(form.question_type for form in FORMS.values()), "cot"]
    frame_kinds = [form.frame_kind for form in FORMS.values()]
    questions = [*question_texts(), *map(chain_of_thought.with_cue, question_texts())]
    answers = _texts(_WORDS, plain.answer), pa.array(_thoughts(plain.take(reasoned), line), pa.large_string())
    return pd.DataFrame(
        {name: clips[name].array.take(every.row) for name in ("take_id", "split", "video_id", "view")}
        | {
            "corpus": "egore",
            "task": "qa",
            "question_type": _column(_texts(types, np.where(thought, len(FORMS), every.form))),
            "frame_kind": _column(_texts(frame_kinds, every.form)),
            "question": _column(_texts(questions, every.form * EVENTS + every.event + thought * len(question_texts()))),
            "answer": _column(pa.concat_arrays(answers)),
            "parent": clips["clip_id"].array.take(every.row),
            "kind": "choice",
            "text": None,
            "choices": pd.arrays.ArrowExtensionArray(choices),
            "answer_index": every.answer_index,
            "start_s": every.start_s,
            "end_s": every.end_s,
        }
    )


def _texts(distinct: list[str], numbers: np.ndarray) -> pa.Array:
    return pa.array(distinct, pa.large_string()).take(pa.array(numbers.astype(np.int64)))


def _column(texts: pa.Array) -> pd.api.extensions.ExtensionArray:
    return pd.array(texts, dtype="str")


def _thoughts(questions: Questions, line: Timeline) -> list[str]:
    """Write the answers with their chains of thought."""

    @cache
    def text(form: str, answer: str, *steps: tuple[int, int]) -> str:
        write = FORMS[form].thought
        assert write, f"{form} was judged suitable for a chain of thought and has none"
        return think_answer(write([facts_of(*step) for step in steps], answer), answer)

    texts, events, hands = [], line.event.tolist(), line.hand.tolist()
    columns = (column.tolist() for column in (questions.form, questions.answer, questions.low, questions.high))
    for form, answer, low, high in zip(*columns, strict=True):
        steps = zip(events[low:high], hands[low:high], strict=True)
        texts.append(text(_NAMES[form], _WORDS[answer], *steps))
    return texts
