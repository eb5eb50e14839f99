"""Whose action a narration tells, by the tags and letters that annotators write."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources.shared.subject_tags import subject, subjects

SAID = {
    "#C C picks a bag of clothes from the floor": "C",
    "#O a man X walks": "O",
    "#O O puts down a cup": "O",
    "#Oa man walks": "O",
    "#CC cuts": "C",
    "#o man laughs": "O",
    "# C C cuts": "C",
    "#c c cuts": "C",
    "#C": "C",
    "#unsure #O somebody speaks": "O",
    "#Unsure C cuts": "C",
    "#C #unsure C cuts": "C",
    "C cuts the onion.": "C",
    "O looks at C.": "O",
    "O": "O",
    "The man X walks towards C.": None,
    "Oil drips": None,
    "Cuts the onion": None,
    "#summary C was in a kitchen": None,
    "wash cup": None,
    "": None,
}


@pytest.mark.parametrize(("text", "who"), SAID.items())
def test_the_text_tells_whose_action_it_is(text, who):
    assert subject(text) == who


def test_a_column_is_read_as_its_texts_are():
    texts = pd.Series(list(SAID), index=range(5, 5 + len(SAID)), dtype="str")
    assert subjects(texts).to_dict() == dict(zip(texts.index, SAID.values(), strict=True))


@given(st.lists(st.text("#CcOou nsre ,.x\n", max_size=12), max_size=8))
def test_both_ways_agree(texts):
    assert subjects(pd.Series(texts, dtype="str")).tolist() == [subject(text) for text in texts]
