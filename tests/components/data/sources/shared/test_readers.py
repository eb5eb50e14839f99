import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.sources.shared import readers
from components.data.sources.shared.readers import find_files, read_delimited, read_json_lines, read_json_records


def all_of(batches) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    frames, rejects = zip(*batches, strict=True)
    told = pd.concat(rejects)
    return pd.concat(frames), list(zip(told["row_id"], told["reason"], strict=True))


@pytest.fixture
def write(tmp_path):
    def content(data: bytes):
        path = tmp_path / "file.csv"
        path.write_bytes(data)
        return path

    return content


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(st.sampled_from([b"1,a", b"2,b,c", b'3,"open', b'"a"b,c"', b"", b"\xff,x", b"4,\rx", b'5,"a,""b"'])),
    batch_rows=st.integers(1, 5),
)
def test_each_line_stands_for_itself_whatever_its_neighbours(tmp_path_factory, lines, batch_rows):
    path = tmp_path_factory.mktemp("lines") / "file.csv"
    path.write_bytes(b"number,text\n" + b"\n".join(lines) + b"\n")
    alone = {b"1,a": ("1", "a"), b"4,\rx": ("4", " x"), b'5,"a,""b"': ("5", 'a,"b')}
    alone |= {b'"a"b,c"': ("ab", 'c"')}  # a quote that is closed is no reason to lose a line
    batches = list(read_delimited(path, ["number", "text"], source="s", batch_rows=batch_rows))
    frame, rejects = all_of(batches) if batches else (pd.DataFrame(columns=["number", "text", "line"]), [])
    read = dict(zip(frame["line"], zip(frame["number"], frame["text"], strict=True), strict=True))
    assert read == {at: alone[line] for at, line in enumerate(lines, 2) if line in alone}
    assert rejects == [
        (f"file.csv:{at}", "not_utf8" if line == b"\xff,x" else "malformed_line")
        for at, line in enumerate(lines, 2)
        if line and line not in alone
    ]


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa,b\r\n1,2\r\n", b"b, a\n2,1", b'"a","c","b"\n1,0,"2"\n'])
def test_byte_order_mark_line_ends_and_order_of_columns_do_not_matter(write, data):
    frame, rejects = all_of(read_delimited(write(data), ["a", "b"], source="s"))
    assert frame[["a", "b"]].to_dict("records") == [{"a": "1", "b": "2"}] and rejects == []


@pytest.mark.parametrize("data", [b"", b"a\n1\n", b"a,a,b\n1,2,3\n", "a,b\n1,2\n".encode("utf-16")])
def test_a_header_without_the_columns_is_an_error(write, data):
    with pytest.raises(ValueError, match=r"columns are .* missing .*sources.s in params/data.yaml"):
        list(read_delimited(write(data), ["a", "b"], source="s"))


def test_a_byte_order_mark_of_json_lines_does_not_matter(write):
    frame, rejects = all_of(read_json_lines(write(b'\xef\xbb\xbf{"a": "x", "b": 1}\r\n'), ["a"], source="s"))
    assert frame["a"].tolist() == ["x"] and rejects == []


def test_records_come_in_batches_and_others_are_rejects(write):
    path = write(json.dumps([{"a": 1, "b": 2}, 7, {"a": None}, {"a": "x"}]).encode())
    batches = list(read_json_records(path, ["a"], source="s", optional=["b"], batch_rows=2))
    frame, rejects = all_of(batches)
    assert len(batches) == 2 and rejects == [("1", "not_an_object")]
    assert frame["a"].tolist() == [1, None, "x"] and frame["b"].tolist() == [2, None, None]
    assert frame["key"].tolist() == ["0", "2", "3"]


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_a_batch_is_the_same_however_few_objects_of_it_are_held_at_once(write, monkeypatch, at_once):
    monkeypatch.setattr(readers, "_OBJECTS", at_once)
    objects = [{"b": 1}, "x", {"c": 2}, {"a": 3}, 4, {"a": 5}, {"b": 6}]
    batches = list(readers.read_json_records(write(json.dumps(objects).encode()), ["a", "b"], source="s", batch_rows=5))
    assert [frame["a"].tolist() for frame, _ in batches] == [[None, None, 3], [5, None]]
    assert [frame["b"].tolist() for frame, _ in batches] == [[1, None, None], [None, 6]]
    assert [frame["key"].tolist() for frame, _ in batches] == [["0", "2", "3"], ["5", "6"]]
    assert [rejects["row_id"].tolist() for _, rejects in batches] == [["1", "4"], []]
    with pytest.raises(ValueError, match=r"columns are \['b', 'c', 'a'\], missing \(or there twice\) are \['d'\]"):
        list(readers.read_json_records(write(json.dumps(objects).encode()), ["a", "d"], source="s", batch_rows=5))


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(ValueError, match=r"a\*.csv is missing; download .*sources.s in params/data.yaml"):
        find_files(tmp_path, "a*.csv", source="s")


def test_only_the_first_batch_is_asked_whether_the_file_has_the_member(write):
    path = write(b'[{"a": 1}, {"b": 1}]')
    frame, rejects = all_of(read_json_records(path, ["a"], source="s", batch_rows=1))
    assert frame["a"].tolist() == [1, None] and rejects == []
