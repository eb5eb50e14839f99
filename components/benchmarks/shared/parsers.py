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
    """Read the first capital letter of an option anywhere, as Ego-in-Exo's code does: "After that" is option A.

    >>> first_letter("Because of it: B", ["left", "right"])
    (1, 'first letter anywhere')
    """
    match = re.search(f"[{ascii_uppercase[: len(options)]}]", completion)
    return (None, UNREAD) if match is None else (ascii_uppercase.index(match[0]), "first letter anywhere")


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


OFFICIAL: dict[str, Callable[[str, Sequence[str]], Read]] = {
    "first_letter": first_letter,
    "start_or_word": start_or_word,
}
