"""Short-term questions in words: rows of numbers become the columns of samples, and each distinct text is made once."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from components.data.egore.multiple_choice import QA, options_of_rows
from components.data.egore.rule_based import chain_of_thought
from components.data.egore.rule_based.clip_questions import Asked
from components.data.egore.rule_based.fact_codes import EVENTS, OBJECTS, facts_of, questions
from components.data.egore.rule_based.short_templates import FORMS
from components.data.egore.rule_based.timeline import Timeline
from components.prompts import think_answer

_FORMS = tuple(FORMS)
_WORDS = [word for form in FORMS.values() for word in form.words]
_FIRST = dict(zip(FORMS, np.cumsum([0, *(len(form.words) for form in FORMS.values())]), strict=False))
_FRAME_KINDS = ["window" if form in ("count", "reason") else "clip" for form in FORMS]


class Shown(NamedTuple):
    """What the model sees for some rows, shape [N] each: seconds of the video, and where they are on the timeline.

    [low, high) are the narrations that the question stands on, `narrations` how many of them parse in all that is seen.
    """

    start_s: np.ndarray
    end_s: np.ndarray
    low: np.ndarray
    high: np.ndarray
    narrations: np.ndarray


class Questions(NamedTuple):
    """Questions about clips in numbers, shape [N] each, but for `options`."""

    row: np.ndarray  # of the clip
    form: np.ndarray  # place in `short.FORMS`
    event: np.ndarray
    answer: np.ndarray  # place in the words of all forms
    options: np.ndarray  # the same, [N, choices]; -1 behind the last
    answer_index: np.ndarray
    lot: np.ndarray  # that decides whether a chain of thought is asked for
    start_s: np.ndarray
    end_s: np.ndarray
    low: np.ndarray
    high: np.ndarray
    narrations: np.ndarray

    def take(self, rows: np.ndarray) -> Questions:
        """Return some of the questions."""
        return Questions(*(column[rows] for column in self))


def laid(
    asked: Asked, rows: np.ndarray, shown: Shown, lot: np.ndarray, *, choices: int, last: np.ndarray | None
) -> Questions:
    """Lay out the options of one form of question.

    Args:
        asked: of all clips.
        rows: the clips that are asked, shape [N].
        shown: for all clips.
        lot: numbers of `qa.lots`, one row for each of `rows`.
        choices: options wanted.
        last: words that may stand only where the others do not suffice, by the verb of the event, [verbs, words].
    """
    first, words = _FIRST[asked.form], len(FORMS[asked.form].words)
    event, answer = asked.event[rows], asked.answer[rows]
    behind = None if last is None else last[event // OBJECTS]
    offered, index = options_of_rows(answer, choices, lot, words=words, last=behind)
    options = np.full((len(rows), choices), -1)
    options[:, : offered.shape[1]] = first + offered
    form = np.full(len(rows), _FORMS.index(asked.form))
    # the last lot places the answer
    return Questions(rows, form, event, first + answer, options, index, lot[:, -2], *(values[rows] for values in shown))


def deserving(questions: Questions, judged: np.ndarray) -> np.ndarray:
    """Return those of the judged questions that deserve a chain of thought."""
    forms = pd.Series([_FORMS[form] for form in questions.form[judged]], dtype="str")
    return judged[chain_of_thought.suitable(forms, pd.Series(questions.narrations[judged])).to_numpy()]


def worded(clips: pd.DataFrame, plain: Questions, chained: np.ndarray, line: Timeline) -> pd.DataFrame:
    """Write the samples: the questions, then some of them once more, each with its chain of thought.

    Args:
        clips: with `clip_id`, `take_id`, `video_id`, `view` and `split`.
        chained: rows of `plain`.
        line: the timeline that the questions stand on.

    Returns:
        As `samples.table` takes it.
    """
    every = plain.take(np.append(np.arange(len(plain.row)), chained))
    thought = np.arange(len(every.row)) >= len(plain.row)
    offered = every.options >= 0
    ends = np.append(0, np.cumsum(offered.sum(axis=1)))
    choices = pa.LargeListArray.from_arrays(ends, pa.array(_WORDS).take(pa.array(every.options[offered])))
    types = [*(form.question_type for form in FORMS.values()), "cot"]
    asked = [*questions(), *map(chain_of_thought.cued, questions())]
    answers = _texts(_WORDS, plain.answer), pa.array(_thoughts(plain.take(chained), line), pa.large_string())
    return pd.DataFrame(
        {name: clips[name].array.take(every.row) for name in ("take_id", "split", "video_id", "view")}
        | {
            "corpus": "egore",
            "task": "qa",
            "question_type": _column(_texts(types, np.where(thought, len(_FORMS), every.form))),
            "frame_kind": _column(_texts(_FRAME_KINDS, every.form)),
            "question": _column(_texts(asked, every.form * EVENTS + every.event + thought * len(questions()))),
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


def _thoughts(chained: Questions, line: Timeline) -> list[str]:
    """Write the answers with their chains of thought."""

    @cache
    def written(form: str, answer: str, *steps: tuple[int, int]) -> str:
        qa = QA(FORMS[form].question_type, "", answer, ())
        return think_answer(chain_of_thought.thought(qa, [facts_of(*step) for step in steps]), answer)

    texts = []
    columns = chained.form, chained.answer, chained.low, chained.high
    for form, answer, low, high in zip(*(column.tolist() for column in columns), strict=True):
        places = [low, high - 1] if _FORMS[form] == "reason" else slice(low, high)
        steps = zip(line.event[places].tolist(), line.hand[places].tolist(), strict=True)
        texts.append(written(_FORMS[form], _WORDS[answer], *steps))
    return texts
