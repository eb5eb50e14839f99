"""Options that stand in the text of a question, `(A) …` or `A. …`, and the one that an answer means."""

from __future__ import annotations

import re
from string import ascii_uppercase

# at the beginning of a line `A.`, `A)`, `A:` or `(A)`; within a line only `(A)`, for "Plan A." is no option
_MARK = re.compile(r"(?:^[ \t]*(?:option[ \t]+)?([A-Z])[.):]|(?:^|(?<=\s))\(([A-Z])\)[.:]?)[ \t]*", re.MULTILINE)
# what is asked for behind the options, which no longer holds when the answer is the text of one
_REQUEST = re.compile(r"\b(?:answer|respond|reply|select|choose|pick)\b.*\b(?:letter|options?|choices?)\b", re.I | re.S)
_HEADING = re.compile(r"\s*\b(?:options|choices|candidates)[ \t]*:?\s*$", re.IGNORECASE)
_LETTER = re.compile(
    r"\s*(?:(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)?"
    r"(?:\(([A-Z])\)|([A-Z])(?=[.):]|\s*$))",
    re.IGNORECASE,
)


def split_options(text: str) -> tuple[str, list[str]]:
    r"""Part a question from the options written in it.

    Returns:
        The question without its options and without the request for a letter; and the texts of the options, in order;
        none where fewer than two are lettered from A on.

    >>> split_options("What is it?\n(A) a cup\n(B) a pan\nAnswer with the option's letter.")
    ('What is it?', ['a cup', 'a pan'])
    """
    marks = list(_MARK.finditer(text))
    letters = "".join(mark[1] or mark[2] for mark in marks)
    first = letters.rfind("AB")  # a letter may also stand in the question itself
    if first < 0:
        return text, []
    count = next(n for n in range(2, 28) if letters[first : first + n + 1] != ascii_uppercase[: n + 1])
    offered = marks[first : first + count]
    ends = [mark.start() for mark in offered[1:]] + [len(text)]
    said = [text[mark.end() : end].strip() for mark, end in zip(offered, ends, strict=True)]
    said[-1], _, rest = said[-1].partition("\n")
    asked = _HEADING.sub("", text[: offered[0].start()])
    rest = "" if _REQUEST.search(rest) else rest
    return "\n".join(part for part in (asked.strip(), rest.strip()) if part), [option.strip() for option in said]


def chosen(answer: str, options: list[str]) -> int | None:
    """Return which option an answer names, by its letter or by its text; None where it names none of them, or two.

    >>> chosen("B", ["a cup", "a pan"]), chosen("(A) a cup", ["a cup", "a pan"]), chosen("A pan.", ["a cup", "a pan"])
    (1, 0, 1)
    """
    texts = [_plain(option) for option in options]
    if _plain(answer) in texts:
        return texts.index(_plain(answer))
    letter = _LETTER.match(answer)
    if letter is None:
        return None
    place = ascii_uppercase.index((letter[1] or letter[2]).upper())
    said = _plain(answer[letter.end() :].lstrip(".):"))
    if place >= len(options) or said in {*texts} - {texts[place]}:  # "A. a pan", where that is B
        return None
    return place


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).removesuffix(".")
