import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.sources.shared import json_values
from components.data.sources.shared.json_values import decode, decode_array, decode_at

# what readers of JSON disagree on: each stands as a value of its own, and within a text
ODD = [
    *("NaN", "Infinity", "-Infinity", "-NaN", "nan", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "-", "-0", "-0.0"),
    *("1e400", "-1e400", "1e-400", "5e-324", "2.2250738585072011e-308", "1.7976931348623159e308", "1E5", "1_0", "0x10"),
    *("9" * 19, "18446744073709551616", "-9223372036854775809", "9" * 4300, "9" * 4301, "0.1", "0." + "1" * 400),
    *('"\\ud800"', '"\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"\\ud83dx"', '"\\u0000"', '"\\/"', '"\\x41"', '"\\u12G4"'),
    *('"\x01"', '"\x7f"', '"\t"', '"\u2028"', '"é"', '"\\""', '"\\": "', '"},{"', '" :"'),
    *("true", "True", "null", "nul", "[1,]", '{"a": 1,}', "// x", "'a'"),
    *("\ufeff1", "\xa01", "\x0b1", "1\x00", "\u0661"),
    *('{"b": 1}', '{"a": 1, "a": 2}', "[" * 150 + "]" * 150, "[" * 250 + "]" * 250, "", " ", "1 2", "1]", "1}, {"),
]


def told(decoded, text: str) -> str:
    try:
        return repr(decoded(text))
    except (ValueError, RecursionError):
        return "an error"


def by_the_standard_library(text: str):
    def distinct(pairs: list) -> dict:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    return json.loads(text, object_pairs_hook=distinct)


@pytest.mark.parametrize("value", ODD, ids=[ascii(value)[:20] for value in ODD])
@pytest.mark.parametrize("form", ["[%s]", '[{"a": %s}]', '[{"a": 1}, %s]', '[{"a": 1, "b" :%s}, {"a":"\\ud800"}]'])
def test_an_array_is_what_the_standard_library_makes_of_it(form, value):
    text = form % value
    assert told(decode_array, text) == told(decode, text) == told(by_the_standard_library, text)


@settings(deadline=None, max_examples=100)
@given(text=st.lists(st.sampled_from([*ODD, *'[]{},:"\\ 01.-eau']), max_size=12).map("".join))
def test_what_is_broken_is_an_error_here_where_it_is_one_there(text):
    assert told(decode_array, f"[{text}]") == told(by_the_standard_library, f"[{text}]")


@settings(deadline=None, max_examples=100)
@given(numbers=st.lists(st.floats() | st.integers() | st.from_regex(r"-?[0-9]{1,40}\.[0-9]{1,40}", fullmatch=True)))
def test_numbers_are_read_to_the_last_bit(numbers):
    text = json.dumps([{"a": number} for number in numbers]).replace('"a"', "\0").replace('"', "").replace("\0", '"a"')
    assert told(decode_array, text) == told(by_the_standard_library, text)


@pytest.mark.parametrize("between", ["", " ", "\t", "\n", "\r", " \r\n"])
def test_a_key_that_stands_twice_is_an_error_however_its_colon_is_written(between):
    for text in (f'[{{"k"{between}: 1, "k"{between}: 2}}]', f'[{{"k": "", "k"{between}: {{"a": 1}}}}]'):
        for decoded in (decode_array, decode):
            with pytest.raises(ValueError, match="'k' stands twice in one object"):
                decoded(text)


def test_flat_objects_are_decoded_once(monkeypatch):
    monkeypatch.delattr(json_values, "_DECODER")
    assert decode_array('[{"a": "at 10:30", "b" : [1, 2.5, null]}, 7, "é", {}]') == [
        {"a": "at 10:30", "b": [1, 2.5, None]},
        7,
        "é",
        {},
    ]
    assert decode_array("[]") == []


def test_sources_read_json_by_this_door_alone():
    files = (Path(json_values.__file__).parents[1]).rglob("*.py")
    assert [file.name for file in files if re.search(r"json\.loads?\b|JSONDecoder|from_json", file.read_text())] == [
        "json_values.py"
    ]


def test_a_value_ends_where_the_next_thing_begins():
    assert decode_at('{"a": [1, 2]}, 3', 6) == ([1, 2], 12)
