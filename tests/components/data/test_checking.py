import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.checking import MemberError, finite, json_file, member, reject, rows_of
from components.records import REJECT

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
KINDS = st.sampled_from([str, bool, list, dict, (str, int)])


@given(of=st.dictionaries(st.sampled_from("ab"), VALUES) | VALUES, kind=KINDS)
def test_a_member_has_its_kind_or_the_error_says_which_is_allowed(of, kind):
    fits = isinstance(of, dict) and isinstance(of.get("a"), kind)
    try:
        value = member(of, "a", kind)
    except MemberError as error:
        assert not fits and "allowed is" in str(error) and "'a'" in str(error)
    else:
        assert fits and isinstance(value, kind)


@given(st.text(st.characters()))
def test_a_text_comes_without_control_characters_and_can_be_stored(text):
    came = member({"a": text}, "a", str)
    assert came == came.strip() and came.encode().decode() == came
    assert not any(ord(mark) < 32 or 127 <= ord(mark) < 160 for mark in came)


@given(VALUES)
def test_a_finite_number_is_itself_and_nothing_else_is_one(value):
    number = finite(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        assert number == float(value)
    else:
        assert number is None


def test_an_object_that_cannot_be_read_stands_for_the_rows_it_names():
    assert rows_of({"said": [1, None]}, "said", "t") == ["t/0", "t/1"]
    assert [rows_of(of, "said", "t") for of in ({"said": []}, {"said": 3}, {}, None, [])] == [["t"]] * 5


@given(detail=VALUES, row_id=st.text(st.characters()))
def test_a_reject_can_be_stored_whatever_it_is_about(detail, row_id):
    row = reject("s", row_id, "why", detail)
    assert list(row) == REJECT.names and row["step"] == "annotations/s"
    for value in row.values():
        value.encode()


@given(content=st.recursive(SCALARS.filter(lambda value: value == value), lambda of: st.lists(of, max_size=2)))
def test_a_file_gives_what_was_written_where_it_has_the_kind(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "content.json"
    path.write_text(json.dumps(content))
    if isinstance(content, list):
        assert json_file(path, source="s", kind=list) == content
    else:
        with pytest.raises(
            ValueError, match="content.json: .* came, allowed is a list; .*sources.s in params/data.yaml"
        ):
            json_file(path, source="s", kind=list)
