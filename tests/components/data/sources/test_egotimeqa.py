import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources import egotimeqa
from components.records import content_id
from tests.components.data.sources.written import HOSTILE_PLACES, as_json, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

GOOD = {
    "video_id": "clip",
    "sample_id": None,
    "question": "Where is the knife?",
    "answer": "on the table",
    "start_sec": 10.5,
    "end_sec": 12.25,
    "moment_start_frame": 315.0,
    "moment_end_frame": 367.5,
    "narrations": "C puts the knife on the table",
    "wrong_answers": ["in the sink", "in the bag", "on the floor"],
}


def write(root, *rows):
    as_json(root / egotimeqa.FILE, rows)
    return root


def test_an_element_becomes_a_question_in_seconds(tmp_path):
    (row,), rejects = gathered(egotimeqa.read(write(tmp_path, GOOD)))
    assert rejects == []
    assert (row["path"], row["media"], row["start_s"], row["end_s"]) == ("clip.mp4", "video", 10.5, 12.25)
    assert (row["question"], row["answer"]) == ("Where is the knife?", "on the table")
    assert row["wrong_answers"] == GOOD["wrong_answers"] and row["other_answers"] == []


@round_trip
@given(question=any_text, answer=any_text, start_s=st.floats(0, 1e5), length_s=st.floats(0.01, 1e3))
def test_texts_and_times_come_back_as_written(tmp_path_factory, question, answer, start_s, length_s):
    edit = {"question": question, "answer": answer, "start_sec": start_s, "end_sec": start_s + length_s}
    root = write(tmp_path_factory.mktemp("egotimeqa"), GOOD | edit | {"wrong_answers": []})
    (row,), _ = gathered(egotimeqa.read(root))
    assert (row["question"], row["answer"], row["start_s"], row["end_s"]) == tuple(edit.values())


def test_options_that_differ_in_case_spaces_or_a_full_stop_are_one(tmp_path):
    said = ["In the sink.", "in the bag", " in the  sink", "", "In the bag .", "in the sink!"]
    (row,), rejects = gathered(egotimeqa.read(write(tmp_path, GOOD | {"wrong_answers": said})))
    assert row["wrong_answers"] == ["In the sink.", "in the bag", "in the sink!"] and rejects == []


def test_a_time_that_a_rounding_put_before_the_start_is_zero(tmp_path):
    (row,), rejects = gathered(egotimeqa.read(write(tmp_path, GOOD | {"start_sec": -0.04})))
    assert (row["start_s"], row["end_s"]) == (0.0, 12.25) and rejects == []


def test_whole_numbers_beside_nulls_stay_whole(tmp_path):
    rows = [GOOD | {"start_sec": 3, "end_sec": 5}, GOOD | {"start_sec": None}]
    (row,), _ = gathered(egotimeqa.read(write(tmp_path, *rows)))
    assert row["question_id"] == content_id("egotimeqa", "clip/3/5/Where is the knife?")


def test_an_open_question_has_no_wrong_answers(tmp_path):
    bare = {name: value for name, value in GOOD.items() if name != "wrong_answers"}
    (row,), rejects = gathered(egotimeqa.read(write(tmp_path, bare)))
    assert row["wrong_answers"] == [] and rejects == []


@pytest.mark.parametrize(
    "edit, reason",
    [
        ({"start_sec": 12.25}, "zero_span"),
        ({"start_sec": 13}, "end_before_start"),
        ({"start_sec": -1}, "negative_time"),
        ({"start_sec": None}, "not_a_time"),
        ({"end_sec": float("inf")}, "not_a_time"),
        ({"question": " "}, "empty_text"),
        ({"answer": None}, "empty_text"),
        ({"wrong_answers": "in the sink"}, "bad_answers"),
        ({"wrong_answers": [1, 2, 3]}, "bad_answers"),
        ({"wrong_answers": ["a", None]}, "bad_answers"),
        ({"wrong_answers": {"a": "b"}}, "bad_answers"),
        ({"answer": "am Straßenrand", "wrong_answers": ["AM  STRASSENRAND ."]}, "wrong_answer_is_right"),
        ({"wrong_answers": ["on the table ", "a", "b"]}, "wrong_answer_is_right"),
        ({"wrong_answers": ["a", "On  the table."]}, "wrong_answer_is_right"),
        ({"start_sec": -0.06}, "negative_time"),
        ({"video_id": None}, "no_path"),
        ({"question": GOOD["question"]}, "repeated_id"),
        *(({"video_id": place}, "path_outside_root") for place in HOSTILE_PLACES),
    ],
)
def test_a_bad_element_is_a_reject(tmp_path, edit, reason):
    rows, rejects = gathered(egotimeqa.read(write(tmp_path, GOOD, GOOD | {"question": "Who?"} | edit)))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_an_element_that_is_no_object_is_a_reject(tmp_path):
    rows, rejects = gathered(egotimeqa.read(write(tmp_path, GOOD, [1])))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == ["not_an_object"]


def test_a_lone_surrogate_costs_no_other_row(tmp_path):
    rows = [GOOD, GOOD | {"question": "Where is \ud83d it?", "wrong_answers": ["in the \ud83d sink"]}]
    (_, row), rejects = gathered(egotimeqa.read(write(tmp_path, *rows)))
    assert (row["question"], row["wrong_answers"], rejects) == ("Where is  it?", ["in the  sink"], [])


def test_a_missing_file_or_member_is_an_error_that_names_it(tmp_path):
    refuses_missing(egotimeqa.read, tmp_path, "annotations.EgoTimeQA.json is missing")
    refuses_missing(egotimeqa.read, write(tmp_path, {"question": "Who?"}), "missing .*'start_sec'")
