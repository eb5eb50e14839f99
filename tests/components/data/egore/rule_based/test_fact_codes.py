"""Texts as numbers: where they stand, what they narrate, and the questions that are looked up."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from components.data.egore.rule_based import fact_codes, wording
from components.data.egore.rule_based.short_questions import FORMS
from components.prompts.kitchen_grammar import narrate

TEXTS = st.lists(st.text(max_size=2))


@given(TEXTS, TEXTS)
def test_places_are_those_of_the_first_equal_text(texts, among):
    found = fact_codes.places(pd.Series(texts, dtype="str"), pd.Series(among, dtype="str"))
    assert found.tolist() == [among.index(text) if text in among else -1 for text in texts]


@given(st.lists(st.tuples(st.integers(0, fact_codes.EVENTS - 1), st.integers(-1, 1)), min_size=1))
def test_an_event_that_is_narrated_is_read_back(told):
    texts = [narrate(fact_codes.facts_of(*one)) for one in told]
    event, hand = fact_codes.events(pd.Series([*texts, "C looks at the red cup", None], dtype="str"))
    assert list(zip(event.tolist(), hand.tolist(), strict=True)) == [*told, (-1, -1), (-1, -1)]
    rows, things = fact_codes.named(pd.Series(texts, dtype="str"))
    assert rows.tolist() == list(range(len(told)))
    assert (things == np.array([number for number, _ in told]) % fact_codes.OBJECTS).all()


def test_questions_are_those_of_their_form():
    questions = wording.question_texts()
    assert len(questions) == len(FORMS) * fact_codes.EVENTS
    for number, form in enumerate(FORMS.values()):
        for event in (0, fact_codes.EVENTS - 1):
            facts = fact_codes.facts_of(event)
            assert questions[number * fact_codes.EVENTS + event] == form.ask(facts, "").question
