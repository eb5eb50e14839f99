import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.sources.shared import json_stream
from components.data.sources.shared.json_stream import json_items

SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5)
SCALARS |= st.floats(allow_nan=False)  # NaN is no NaN
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
MENDED = r"file.json: .*sources.s in params/data.yaml"


@pytest.fixture
def write(tmp_path):
    def content(data: bytes):
        path = tmp_path / "file.json"
        path.write_bytes(data)
        return path

    return content


@pytest.fixture
def in_small_reads(monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 3)


def items(content) -> list:
    return list(content.items() if isinstance(content, dict) else enumerate(content))


@settings(deadline=None, max_examples=60)
@given(
    content=st.lists(JSON) | st.dictionaries(st.text(max_size=3), JSON),
    beside=st.dictionaries(st.text(max_size=3), JSON),
    indent=st.sampled_from([None, 2]),
    chunk=st.sampled_from([1, 2, 3, 5, 40, 1000]),
)
def test_the_elements_are_those_of_the_file_whatever_the_size_of_a_read(
    tmp_path_factory, content, beside, indent, chunk
):
    path = tmp_path_factory.mktemp("json") / "file.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        path.write_text(json.dumps(content, indent=indent))
        assert list(json_items(path, source="s")) == items(content)
        assert list(json_items(path, source="s", kind=type(content))) == items(content)
        path.write_text(json.dumps({**beside, "wanted": content, "after": beside}, indent=indent))
        assert list(json_items(path, source="s", kind=type(content), name="wanted")) == items(content)


@settings(deadline=None, max_examples=60)
@given(
    content=st.lists(st.dictionaries(st.sampled_from("ab"), SCALARS | st.just("},{"), min_size=1), max_size=9),
    chunk=st.sampled_from([1, 20, 60, 1000]),
    at_once=st.sampled_from([1, 30, 1000]),
)
def test_objects_that_are_decoded_many_at_once_are_those_of_the_file(tmp_path_factory, content, chunk, at_once):
    path = tmp_path_factory.mktemp("json") / "file.json"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        patch.setattr(json_stream, "_AT_ONCE", at_once)
        path.write_text(json.dumps(content))
        assert list(json_items(path, source="s")) == items(content)
        path.write_text(json.dumps({"wanted": content, "after": [{"a": {}}, {}]}))
        assert list(json_items(path, source="s", name="wanted")) == items(content)


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_number_is_whole_where_a_read_ends_in_it(write, monkeypatch, cut):
    monkeypatch.setattr(json_stream, "_CHUNK", cut)
    path = write(b"[-12.5e+3,1E4 , -Infinity,0.25]")
    assert [value for _, value in json_items(path, source="s")] == [-12500.0, 10000.0, -math.inf, 0.25]


@given(content=st.one_of(SCALARS, JSON, st.floats()), kind=st.sampled_from([list, dict]))
def test_a_file_of_another_kind_is_an_error_that_says_what_came(tmp_path_factory, content, kind):
    path = tmp_path_factory.getbasetemp() / "file.json"
    for told, name in ((content, None), ({"a": content}, "a")):
        path.write_text(json.dumps(told))
        if isinstance(content, kind):
            assert list(json_items(path, source="s", kind=kind, name=name)) == items(content)
        else:
            with pytest.raises(ValueError, match=r"(came|is) .*allowed is an? .*sources.s|came, allowed"):
                list(json_items(path, source="s", kind=kind, name=name))


def test_a_member_that_is_not_there_is_an_error(write):
    with pytest.raises(ValueError, match=rf"'a' is missing, allowed is a list; {MENDED[11:]}"):
        list(json_items(write(b'{"b": [1]}'), source="s", kind=list, name="a"))
    with pytest.raises(ValueError, match=r"\[1\] came, allowed is an object with 'a'"):
        list(json_items(write(b"[1]"), source="s", kind=list, name="a"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"3",
        b'"a"',
        b"[1",
        b"[1,",
        b"[1,]",
        b"[1 2]",
        b"[1:2]",
        b'{"a" 1}',
        b'{"a": 1',
        b'{"a"',
        b'{"a": 1,}',
        b"{1: 2}",
        b"[1]x",
        b"[1][2]",
        b"[nope]",
    ]
    + [b"[" * 200_000, b"\xff\xfe[", b'["\xff"]', b"[" + b"9" * 5000 + b"]"],
)
@pytest.mark.parametrize("name", [None, "wanted"])
def test_a_broken_json_file_is_one_clear_error(write, data, name):
    path = write(data if name is None else b'{"wanted": ' + data + b"}")
    with pytest.raises(ValueError, match=MENDED):
        list(json_items(path, source="s", kind=(list, dict) if name is None else list, name=name))


@pytest.mark.usefixtures("in_small_reads")
def test_the_error_says_at_which_character_the_file_is_broken(write):
    with pytest.raises(ValueError, match=r"element 'a' is broken or cut off \(Expecting value, char 16\)"):
        list(json_items(write(b'{"a": [1, 2, 3, nope]}'), source="s"))
    with pytest.raises(ValueError, match=r"',' or ']' should stand at char 8\)"):
        list(json_items(write(b'["a", 1 '), source="s"))


@pytest.mark.parametrize(
    "data",
    [
        b'[{"a": 1, "a": 2}]',
        b'{"b": [{"a": 1, "a": 2}]}',
        b'[{"a": 1, "a": 2}, {"b": 1}]',
        b'[{"a" : 1, "a"\n:2}, {"b": 1}]',
        b'[{"a": 1, "a": 2}, {"b": {"c": 1}}, {"b": 1}]',
    ],
)
def test_a_key_that_stands_twice_in_an_element_is_an_error(write, data):
    with pytest.raises(ValueError, match=rf"'a' stands twice in one object.*{MENDED[11:]}"):
        list(json_items(write(data), source="s"))


def test_colons_in_texts_are_no_keys(write):
    data = b'[{"a": "at 10:30 : \\": ", "b" :1}, {"a": [{"c": ":"}]}, 7, {"a": ""}]'
    assert [value for _, value in json_items(write(data), source="s")] == json.loads(data)


def test_a_key_of_the_object_itself_that_stands_twice_comes_twice(write):
    path = write(b'{"a": 1, "b": 2, "a": 3}')
    assert list(json_items(path, source="s")) == [("a", 1), ("b", 2), ("a", 3)]
    with pytest.raises(ValueError, match="'a' stands twice in one object"):
        list(json_items(write(b'{"a": [1], "b": [2], "a": [3]}'), source="s", kind=list, name="a"))


def test_an_element_that_does_not_end_is_not_read_to_the_end_of_the_file(write, monkeypatch):
    monkeypatch.setattr(json_stream, "_CHUNK", 10)
    monkeypatch.setattr(json_stream, "_LONGEST", 100)
    longest = json.dumps(["a" * 90, "b" * 90]).encode()
    assert len(list(json_items(write(longest), source="s"))) == 2
    with pytest.raises(ValueError, match="cut off .*Unterminated string"):
        list(json_items(write(b'["open' + b"a" * 1000 + b'"]'), source="s"))


def test_a_file_that_cannot_be_opened_says_where_to_mend_it(tmp_path):
    (tmp_path / "file.json").mkdir()
    with pytest.raises(ValueError, match=MENDED):
        list(json_items(tmp_path / "file.json", source="s"))
