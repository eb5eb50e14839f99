"""Wrong options for questions that have none: the texts most like the right one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from components.benchmarks.shared.files import RowError


def nearest(text: str, candidates: Iterable[str], *, count: int, beside: Sequence[str] = ()) -> list[str]:
    """Return the candidates that share most of their words with a text.

    Exo2Ego takes the most similar ones by sentence embeddings, of a model that it does not name (`sentences` does so by
    the one that params/eval.yaml names); words need no model.

    Args:
        text: the right option; what says the same in other letters is no wrong one.
        candidates: that are wrong.
        count: how many are wanted.
        beside: wrong options that the question has already; what says the same is no further one.

    Raises:
        RowError: there are fewer.

    >>> nearest("closing a door", ["opening a door", "eating", "Closing a door"], count=1)
    ['opening a door']
    """
    own = _words(text)
    others = {candidate: _words(candidate) for candidate in candidates}
    known = {own, *map(_words, beside)}
    wrong = [candidate for candidate, words in others.items() if words not in known]
    if len(wrong) < count:
        raise RowError("too_few_wrong_options", f"{len(wrong)} for {text!r}")
    ranked = sorted(wrong, key=lambda one: (-len(own & others[one]) / len(own | others[one]), one))
    return ranked[:count]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", text.casefold()))
