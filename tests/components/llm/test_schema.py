"""What a decoder is sent of a schema, and what the answer is held to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.llm import schema

WORDS = {
    "type": "array",
    "items": {"type": "string", "minLength": 2, "pattern": "^a"},
    "uniqueItems": True,
    "minItems": 1,
}


def test_only_keywords_are_left_out_and_never_names_or_values():
    values = {"enum": ["maxLength", {"pattern": 1}]}
    named = {"type": "object", "properties": {"pattern": WORDS, "contains": values, "enum": {"maxLength": 3}}}
    sent = {"pattern": {"type": "array", "items": {"type": "string"}, "minItems": 1}, "contains": values, "enum": {}}
    assert schema.decodable(named) == {"type": "object", "properties": sent}
    assert named["properties"]["pattern"] == WORDS


@given(st.lists(st.text("ab", max_size=3), max_size=3))
def test_what_an_answer_is_held_to_is_never_less_than_what_is_sent(words):
    def fits(asked: dict) -> bool:
        try:
            schema.check(words, asked)
        except ValueError:
            return False
        return True

    good = bool(words) and len(set(words)) == len(words) and all(w.startswith("a") and len(w) > 1 for w in words)
    assert fits(WORDS) == good
    assert fits(schema.decodable(WORDS)) == bool(words)


def test_the_error_says_where_and_how():
    with pytest.raises(ValueError, match=r"at \$\[1\]: 'b' does not match"):
        schema.check(["aa", "b"], {"items": {"pattern": "^a"}})
