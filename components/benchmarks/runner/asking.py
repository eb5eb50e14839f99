"""A benchmark's sample as a checkpoint is asked it: the prompt, and the row that evaluation's answering reads."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Literal

from components.benchmarks.shared.sample import Sample
from components.evaluation.one_question import one_question

Form = Literal["letter", "words", "ranked"]
FORMS: tuple[Form, ...] = ("letter", "words", "ranked")


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


def row(sample: Sample, *, form: Form, reasoned: bool) -> dict:
    """Return a sample as `evaluation` asks it, with the columns of `records.SAMPLE` that asking reads.

    Args:
        sample: of a benchmark.
        form: options are answered by their letter, by their words, or ranked by their likelihood.
        reasoned: whether the checkpoint was trained to answer closed questions by a thought and a letter; it is then
            asked so in every form but `ranked`.
    """
    options, index = sample.target.options, sample.target.index
    [first, *others] = sample.media
    by_letter = form == "letter" and not reasoned  # a text for the prompt: its options stand in the question already
    asked = one_question(
        with_letters(sample.question, options) if by_letter else sample.question,
        view=first.view,
        frame_kind="window",
        duration_s=None if others else sample.length_s,
        choices=None if by_letter else options,
    )
    answer = "" if index is None else ascii_uppercase[index] if by_letter else options[index]
    reads_tags = reasoned and form != "ranked"
    return asked | {
        "sample_id": sample.sample_id, "take_id": sample.video, "answer": answer, "reasoned": reads_tags,
    }  # fmt: skip
