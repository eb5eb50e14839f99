"""Options of closed questions: checked, and shuffled by the item's own id."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from string import ascii_uppercase

from components.benchmarks.shared.files import RowError
from components.benchmarks.shared.sample import Choice


def choice(options: Sequence[str], right: int | str | None) -> Choice:
    """Return the target of a closed question.

    Args:
        options: at least two texts.
        right: index of the right one, or its letter; None where the authors keep the answers.

    Raises:
        RowError: fewer options, a right one that is not there, or another one that says the same.
    """
    texts = tuple(option.strip() for option in options)
    if len(texts) < 2:
        raise RowError("one_option", f"{len(texts)} options")
    letters = ascii_uppercase[: len(texts)]
    index = letters.find(right) if isinstance(right, str) and len(right) == 1 else right
    if index is not None and (not isinstance(index, int) or not 0 <= index < len(texts)):
        raise RowError("no_such_answer", f"{right!r} of {len(texts)} options")
    if index is not None and texts.count(texts[index]) > 1:  # two wrong ones may be equal: EgoSchema has such a row
        raise RowError("two_right_options", texts[index])
    return Choice(texts, index)


def letters(options: Mapping[str, str], right: str) -> tuple[list[str], int]:
    """Return the options of a row that names them by letters, in that order, and the index of the right one.

    Raises:
        RowError: they are not the first letters, or the right one is none of them.

    >>> letters({"A": "left", "B": "right"}, "B")
    (['left', 'right'], 1)
    """
    if list(options) != list(ascii_uppercase[: len(options)]):
        raise RowError("malformed_row", f"options {list(options)}")
    if right not in options:
        raise RowError("no_such_answer", f"{right!r} of {list(options)}")
    return list(options.values()), list(options).index(right)


def shuffled(target: Choice, sample_id: str) -> Choice:
    """Return the same options in an order that the id of the sample alone decides.

    >>> shuffled(Choice(("a", "b", "c"), 0), "7") == shuffled(Choice(("a", "b", "c"), 0), "7")
    True
    """
    order = list(range(len(target.options)))
    random.Random(sample_id).shuffle(order)
    index = None if target.index is None else order.index(target.index)
    return Choice(tuple(target.options[place] for place in order), index, index_in_file=target.index)
