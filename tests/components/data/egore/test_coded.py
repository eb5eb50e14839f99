"""Texts as numbers: where they stand, what they narrate, and the questions that are looked up."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from components.data.egore import coded, short
from components.prompts import narrate

TEXTS = st.lists(st.text(max_size=2))


@given(TEXTS, TEXTS)
def test_places_are_those_of_the_first_equal_text(texts, among):
    found = coded.places(pd.Series(texts, dtype="str"), pd.Series(among, dtype="str"))
    assert found.tolist() == [among.index(text) if text in among else -1 for text in texts]


@given(st.lists(st.tuples(st.integers(0, coded.EVENTS - 1), st.integers(-1, 1)), min_size=1))
def test_an_event_that_is_narrated_is_read_back(told):
    texts = [narrate(coded.facts_of(*one)) for one in told]
    event, hand = coded.events(pd.Series([*texts, "C looks at the red cup", None], dtype="str"))
    assert list(zip(event.tolist(), hand.tolist(), strict=True)) == [*told, (-1, -1), (-1, -1)]
    rows, things = coded.named(pd.Series(texts, dtype="str"))
    assert rows.tolist() == list(range(len(told)))
    assert (things == np.array([number for number, _ in told]) % coded.OBJECTS).all()


def test_questions_are_those_of_their_form():
    questions = coded.questions()
    assert len(questions) == len(short.FORMS) * coded.EVENTS
    for number, form in enumerate(short.FORMS):
        for event in (0, coded.EVENTS - 1):
            facts = coded.facts_of(event)
            assert questions[number * coded.EVENTS + event] == short.ask(form, facts, "").question
