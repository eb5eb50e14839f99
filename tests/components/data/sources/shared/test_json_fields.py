import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources.shared import json_fields
from components.data.sources.shared.json_fields import (
    MemberError,
    finite_number,
    in_batches,
    lost_row_ids,
    member,
    reject_row,
    row_lookup,
)
from components.records import INTERVAL, REJECT

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
    number = finite_number(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        assert number == float(value)
    else:
        assert number is None


def test_an_object_that_cannot_be_read_stands_for_the_rows_it_names():
    assert lost_row_ids({"said": [1, None]}, "said", "t") == ["t/0", "t/1"]
    assert [lost_row_ids(of, "said", "t") for of in ({"said": []}, {"said": 3}, {}, None, [])] == [["t"]] * 5


@given(detail=VALUES, row_id=st.text(st.characters()))
def test_a_reject_can_be_stored_whatever_it_is_about(detail, row_id):
    row = reject_row("s", row_id, "why", detail)
    assert list(row) == REJECT.names and row["step"] == "annotations/s"
    for value in row.values():
        value.encode()


@given(keys=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xy"))))
def test_the_first_video_with_a_key_is_found(keys):
    take_id, view = zip(*keys, strict=True) if keys else ((), ())
    videos = pa.table(
        {"take_id": pa.array(take_id, pa.string()), "view": pa.array(view, pa.string()), "at": [*range(len(keys))]}
    )
    find = row_lookup(videos, "take_id", "view")
    for key in [(one, other) for one in "abcd" for other in "xy"]:
        found = find(*key)
        assert found["at"] == keys.index(key) if key in keys else found is None


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_rows_come_in_batches_in_their_order_beside_their_rejects(monkeypatch, size):
    monkeypatch.setattr(json_fields, "BATCH_ROWS", size)
    rows = [
        reject_row("s", str(n), "why") if n % 3 == 0 else {"interval_id": str(n), "start_s": 0.5} for n in range(20)
    ]
    made = list(in_batches(iter(rows), "intervals"))
    assert all(0 < len(tables["intervals"]) + len(rejects) <= size for tables, rejects in made)
    assert all(list(tables["intervals"]) == INTERVAL.names for tables, _ in made)
    kept = [one for tables, _ in made for one in tables["intervals"]["interval_id"]]
    assert kept == [row["interval_id"] for row in rows if "reason" not in row]
    refused = [one for _, rejects in made for one in rejects.to_dict("records")]
    assert refused == [row for row in rows if "reason" in row]
