"""Reasoned answers: which samples are asked for a thought, how options get letters, and how a choice is read back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from components.prompts.formats import same_words, split_think_answer, think_answer
from components.prompts.rationales import TYPES

THOUGHT_OF = ("cot", *TYPES.values())  # question types whose answers hold a thought in any stage


def reasons(sample: Mapping[str, Any], *, reasoned: bool) -> bool:
    """Return whether a sample is asked for `<think>…</think><answer>…</answer>`.

    Boxes, intervals, chains of thought and rationales are in any case; a text never is, for no reward could check what
    comes of it.

    Args:
        sample: `target` and `question_type` of `records.SAMPLE`.
        reasoned: `reasoned` of the stage, which asks it of every closed question.
    """
    kind = sample["target"]["kind"]
    return kind in ("box", "span") or sample["question_type"] in THOUGHT_OF or (reasoned and kind == "choice")


def with_letters(question: str, choices: Sequence[str]) -> str:
    """Say the options of a closed question, each behind its letter, and ask for a thought and the letter.

    Raises:
        ValueError: more options than letters.

    >>> print(with_letters("which hand?", ["left", "right"]))
    which hand?
    A. left
    B. right
    Reason inside <think></think>, then give the letter of the right option alone inside <answer></answer>.
    """
    if len(choices) > len(ascii_uppercase):
        raise ValueError(f"{question!r} came with {len(choices)} options, allowed are {len(ascii_uppercase)} letters")
    lines = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices, strict=False)]
    wanted = "then give the letter of the right option alone inside <answer></answer>."
    return "\n".join([question, *lines, f"Reason inside <think></think>, {wanted}"])


def taught_answer(sample: Mapping[str, Any]) -> str:
    """Return the answer of a sample as it is taught: a choice behind a thought is given by its letter.

    Args:
        sample: `answer` and `target` of `records.SAMPLE`.

    >>> target = {"kind": "choice", "choices": ["left", "right"], "answer_index": 1}
    >>> taught_answer({"answer": "<think>C cuts</think><answer>right</answer>", "target": target})
    '<think>C cuts</think><answer>B</answer>'
    """
    target, parts = sample["target"], split_think_answer(sample["answer"])
    if target["kind"] != "choice" or parts is None:
        return sample["answer"]
    return think_answer(parts[0], ascii_uppercase[target["answer_index"]])


def cite(thought: str, frames: Sequence[int]) -> str:
    """Put the numbers of the key frames behind a thought, as `formats.cite_frames` asks for them.

    >>> cite("C cuts", [4, 5])
    'C cuts <frames>4, 5</frames>'
    """
    return f"{thought} <frames>{', '.join(map(str, frames))}</frames>"


_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?")
_LETTER_AND_WORDS = re.compile(r"\(?\s*([A-Za-z])\s*[).:]+(.+)", re.DOTALL)


def parse_choice(answer: str, choices: Sequence[str], *, lettered: bool) -> int | None:
    """Return the index of the option that an answer names; None where it names none.

    Options are named by their words; where the question shows letters, also by the letter, or by both. A letter before
    the words of another option names none.

    Args:
        answer: what stands inside the answer tags, or the whole completion where no tags are asked for.
        choices: the options, in the order of their letters.
        lettered: whether the question shows letters; "a" is then the first option, whatever the options say.

    >>> texts = ("b", "(B)", "B. right", "Right", "A. right", "C")
    >>> [parse_choice(text, ["left", "right"], lettered=True) for text in texts]
    [1, 1, 1, 1, None, None]
    """
    if lettered and (letter := _LETTER.fullmatch("".join(answer.split()))):
        index = ascii_uppercase.index(letter[1].upper())
        if index < len(choices):
            return index
    for index, choice in enumerate(choices):
        if same_words(answer, choice):
            return index
    if lettered and (both := _LETTER_AND_WORDS.fullmatch(answer.strip())):
        index = ascii_uppercase.index(both[1].upper())
        if index < len(choices) and same_words(both[2], choices[index]):
            return index
    return None
