"""Existence: is there an object of this look? Half of the questions name one that the whole take never names."""

from __future__ import annotations

import numpy as np

from components.data.egore.multiple_choice import QA, below
from components.data.egore.rule_based import fact_codes
from components.data.egore.rule_based.short_questions.form import Candidates, Form, Shown
from components.prompts import NO, YES
from components.prompts.kitchen_grammar import Facts

FORM = Form("existence", "is there a {facts.object}?", (YES, NO))


def question(colour: str, kind: str, *, there: bool) -> QA:
    """Ask whether there is an object of this look.

    Args:
        colour: of the object.
        kind: of the object.
        there: whether the answer is yes.
    """
    return FORM.ask(Facts("", colour, kind), YES if there else NO)


def candidates(objects: np.ndarray, named: np.ndarray, draws: np.ndarray, shown: Shown) -> Candidates:
    """Ask for the object of each clip or, as often, for a similar one that nobody names in the whole take.

    Args:
        objects: the object of each clip, shape [N].
        named: whether the annotations of the clip's take name an object anywhere, bool [N, objects].
        draws: random numbers above 0 and at most 1, [N, 2]: yes or no, and which of the similar objects.
        shown: the clips.
    """
    similar = fact_codes.similar_objects()[objects]
    # the number of unnamed similar objects up to each place: the drawn one is where it first exceeds the draw
    unnamed = np.cumsum(~np.take_along_axis(named, similar, axis=1), axis=1, dtype=np.int8)
    place = np.argmax(unnamed > below(np.maximum(unnamed[:, -1], 1), draws[:, 1])[:, None], axis=1)
    no = below(2, draws[:, 0]).astype(bool)
    asked = np.where(no, similar[np.arange(len(objects)), place], objects)
    return Candidates("existence", ~no | (unnamed[:, -1] > 0), asked, no.astype(np.int64), shown)
