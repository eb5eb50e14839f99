"""How an answer is read: strictly, and as the authors' code reads it; both say which path read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from string import ascii_uppercase

from components import prompts

UNREAD = "unread"
Read = tuple[int | None, str]  # index of the option, and which path found it


def inside_tags(completion: str, *, reasoned: bool) -> str | None:
    """Return what stands inside the answer tags, or the whole completion; None where tags are asked for and missing."""
    parts = prompts.split_think_answer(completion)
    if parts is None:
        return None if reasoned else completion.strip()
    return parts[1]


def strict(completion: str, options: Sequence[str], *, reasoned: bool) -> Read:
    """Read the option that a completion names by its letter, its words, or both, and by nothing else.

    Args:
        completion: what the model wrote.
        options: in the order of their letters.
        reasoned: whether the answer must stand inside the answer tags.

    >>> strict("B.", ["left", "right"], reasoned=False), strict("A right turn", ["left", "right"], reasoned=False)
    ((1, 'letter'), (None, 'unread'))
    """
    answer = inside_tags(completion, reasoned=reasoned)
    index = None if answer is None else prompts.parse_choice(answer, options, lettered=True)
    if answer is None or index is None:
        return None, UNREAD
    if prompts.same_words(answer, options[index]):
        return index, "words"
    letter = re.fullmatch(r"\W*[A-Za-z]\W*", answer)
    return index, "letter" if letter else "letter and words"


def first_letter(completion: str, options: Sequence[str]) -> Read:
    """Read the first capital letter of an option anywhere: "After that" is option A.

    >>> first_letter("Because of it: B", ["left", "right"])
    (1, 'first letter anywhere')
    """
    match = re.search(f"[{ascii_uppercase[: len(options)]}]", completion)
    return (None, UNREAD) if match is None else (ascii_uppercase.index(match[0]), "first letter anywhere")


def letter_after_answer(completion: str, options: Sequence[str]) -> Read:
    """Read as `first_letter`, without the word "answer", whose first letter is one (Ego-in-Exo's code).

    >>> letter_after_answer("Answer: B", ["left", "right"]), letter_after_answer("A cup, so B", ["left", "right"])
    ((1, 'first letter anywhere'), (0, 'first letter anywhere'))
    """
    return first_letter(completion.replace("answer", "").replace("Answer", ""), options)


def start_or_word(completion: str, options: Sequence[str]) -> Read:
    """Read a letter with a point at the start, else the first one that stands as a word (EgoThinker's lmms-eval).

    >>> start_or_word("A cup, so it is B", ["left", "right"])
    (0, 'letter as a word')
    """
    letters = ascii_uppercase[: len(options)]
    for pattern, path in (
        (rf"^\s*([{letters}])\.", "letter at the start"),
        (rf"\b([{letters}])\b", "letter as a word"),
    ):
        if match := re.search(pattern, completion):
            return letters.index(match[1]), path
    return None, UNREAD


def strict_yes_no(completion: str, options: Sequence[str], *, reasoned: bool) -> Read:
    """Read "yes" or "no" alone, or at the start before a comma or a point.

    Args:
        completion: what the model wrote.
        options: "yes" and "no".
        reasoned: whether the answer must stand inside the answer tags.

    >>> strict_yes_no("No, there is not.", ["yes", "no"], reasoned=False)
    (1, 'first word')
    """
    answer = inside_tags(completion, reasoned=reasoned)
    match = re.match(r"(yes|no)\s*(?:[,.!]|$)", answer or "", re.IGNORECASE)
    return (None, UNREAD) if match is None else (list(options).index(match[1].lower()), "first word")


def yes_unless_no(completion: str, options: Sequence[str]) -> Read:
    """Read "no" where a "no", "No" or "not" stands in the first sentence, else "yes", whatever it says (POPE's code).

    >>> yes_unless_no("The cup is red.", ["yes", "no"])
    (0, 'no word of denial')
    """
    words = completion.split(".")[0].replace(",", "").split(" ")
    is_no = any(word in words for word in ("No", "not", "no"))
    return list(options).index("no" if is_no else "yes"), "word of denial" if is_no else "no word of denial"


_NUMBER = r"(-?\d+(?:\.\d+)?)"


def official_span(completion: str) -> tuple[tuple[float, float] | None, str]:
    """Read `(start, end)` that alone stands in the first answer tag (EgoThinker's reward code); no thought is needed.

    >>> official_span("It is <answer>(3.25, 6)</answer>")
    ((3.25, 6.0), 'first answer tag')
    """
    tag = re.search(r"<answer>(.*?)</answer>", completion, re.DOTALL)
    match = tag and re.fullmatch(rf"\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", tag[1].strip())
    return (None, UNREAD) if not match else ((float(match[1]), float(match[2])), "first answer tag")


def official_box(completion: str) -> tuple[tuple[float, float, float, float] | None, str]:
    """Read the first four numbers in brackets, in percent; four that are at most 1 are fractions of the frame.

    EgoThinker's evaluation asks for fractions, its reward code for integers; no released file says the unit.

    >>> official_box("[0.5, 0.25, 1.0, 0.75]")
    ((50.0, 25.0, 100.0, 75.0), 'fractions')
    """
    match = re.search(r"\[" + r"\s*,".join([rf"\s*{_NUMBER}"] * 4) + r"\s*\]", completion)
    if match is None:
        return None, UNREAD
    x1, y1, x2, y2 = (float(number) for number in match.groups())
    if max(x1, y1, x2, y2) <= 1:
        return (100 * x1, 100 * y1, 100 * x2, 100 * y2), "fractions"
    return (x1, y1, x2, y2), "percent"


OFFICIAL: dict[str, Callable[[str, Sequence[str]], Read]] = {
    "first_letter": first_letter,
    "letter_after_answer": letter_after_answer,
    "start_or_word": start_or_word,
    "yes_unless_no": yes_unless_no,
}
