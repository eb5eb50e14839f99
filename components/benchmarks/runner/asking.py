"""A benchmark's sample as a checkpoint is asked it: the prompt, and the row that evaluation's answering reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, Literal

from components import prompts
from components.benchmarks.shared.sample import Box, Choice, Sample, Span, Text
from components.evaluation.one_question import one_question

Form = Literal["letter", "words", "ranked"]
FORMS: tuple[Form, ...] = ("letter", "words", "ranked")
Level = Literal["plain", "detailed", "first_person"]
# what stands before a question. Exo2Ego asks at these three levels (means 54.5, 55.2, 55.6), whose words it does not
# print: these are this project's
PREFACES: dict[Level, str] = {
    "plain": "",
    "detailed": "Watch every detail: the objects, where they are, and what is done with them in which order. ",
    "first_person": "The video shows what I see, and the hands in it are mine. Watch what they do, and with what. ",
}
LEVELS: tuple[Level, ...] = tuple(PREFACES)


def with_letters(question: str, options: Sequence[str]) -> str:
    """Say the options behind their letters and ask for the letter alone.

    >>> print(with_letters("which hand?", ["left", "right"]))
    which hand?
    A. left
    B. right
    Answer with the letter of the right option alone.
    """
    lines = [f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False)]
    return "\n".join([question, *lines, "Answer with the letter of the right option alone."])


def prefaced(sample: Sample, level: Level) -> str:
    """Return the question of a sample at a level; of a film that is not the wearer's own, "first_person" is "detailed".

    Args:
        sample: of a benchmark.
        level: a key of PREFACES.
    """
    is_own = all(medium.view == "ego" for medium in sample.media)
    return PREFACES[level if is_own or level != "first_person" else "detailed"] + sample.question


def row(sample: Sample, *, form: Form, level: Level = "plain", reasoned: bool) -> dict:
    """Return a sample as `evaluation` asks it, with the columns of `records.SAMPLE` that asking reads.

    Args:
        sample: of a benchmark.
        form: options are answered by their letter, by their words, or ranked by their likelihood.
        level: of the prompt.
        reasoned: whether the checkpoint was trained to answer closed questions by a thought and a letter; it is then
            asked so in every form but `ranked`. Intervals and boxes are always asked for behind a thought.
    """
    asked_so = replace(sample, question=prefaced(sample, level))
    question, answer, others = _asked(asked_so, form=form, reasoned=reasoned)
    [first, *more] = sample.media
    length_s = None if more else sample.length_s
    asked = one_question(question, view=first.view, frame_kind="window", duration_s=length_s, **others)
    is_tagged = "target_kind" in others or (reasoned and form != "ranked" and "choices" in others)
    return asked | {"sample_id": sample.sample_id, "take_id": sample.video, "answer": answer, "reasoned": is_tagged}


def asked_officially(sample: Sample, asked: dict, *, official: str) -> bool:
    """Return whether an answer has the form that the authors' code reads: yes or no, or else a letter.

    Args:
        sample: of a benchmark.
        asked: the question, as `row` returns it.
        official: name in `shared.parsers.OFFICIAL`.
    """
    if not isinstance(sample.target, Choice):
        return True
    is_yes_no = set(sample.target.options) == {prompts.YES, prompts.NO}
    if official == "yes_unless_no":
        return is_yes_no and not asked["reasoned"]
    return asked["reasoned"] or (asked["target"]["kind"] == "text" and not is_yes_no)


def _asked(sample: Sample, *, form: Form, reasoned: bool) -> tuple[str, str, dict[str, Any]]:
    """Return the question, the right answer in the form that is asked, and what `one_question` must know of it."""
    match sample.target:
        case Choice(options, index):
            if set(options) == {prompts.YES, prompts.NO} and not reasoned and form != "ranked":
                return f"{sample.question} Answer yes or no.", "" if index is None else options[index], {}
            if form == "letter" and not reasoned:  # a text for the prompt: its options stand in the question already
                right = "" if index is None else ascii_uppercase[index]
                return with_letters(sample.question, options), right, {}
            return sample.question, "" if index is None else options[index], {"choices": options}
        case Text(answers):
            return sample.question, answers[0], {}
        case Span(start_s, end_s):
            right = prompts.think_answer("", prompts.format_span(start_s, end_s, 0.01))
            return sample.question, right, {"target_kind": "span"}
        case Box(box_xyxy):
            return sample.question, prompts.think_answer("", prompts.format_box(box_xyxy, 1)), {"target_kind": "box"}
    raise TypeError(f"{type(sample.target).__name__} came, and no question asks for it")
