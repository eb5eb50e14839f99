import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources import ego4d
from tests.components.data.sources.written import as_json, gathered, refuses_missing, round_trip
from tests.components.data.sources.written import texts as any_text

SAID = {
    "timestamp_sec": 3.3445,
    "timestamp_frame": 100,
    "narration_text": "#C C picks a bag of clothes from the floor",
    "annotation_uid": "a",
}
SUMMARY = {"start_sec": 0.0, "end_sec": 300.0, "summary_text": "#Summary C was in a room", "annotation_uid": "a"}


def one_pass(*said):
    return {"narrations": list(said), "summaries": [SUMMARY, SUMMARY]}


def video(*said, **more):
    return {"status": "complete", "narration_pass_1": one_pass(*said)} | more


def write(root, content):
    as_json(root / ego4d.FILE, content)
    return root


def test_every_narration_of_both_passes_is_a_row(tmp_path):
    content = {"v": video(SAID, narration_pass_2=one_pass(SAID | {"timestamp_sec": 4})), "w": video(SAID)}
    rows, rejects = gathered(ego4d.read(write(tmp_path, content)))
    assert rejects == []
    assert [(row["take_id"], row["annotator_id"], row["time_s"]) for row in rows] == [
        ("v", "narration_pass_1", 3.3445),
        ("v", "narration_pass_2", 4.0),
        ("w", "narration_pass_1", 3.3445),
    ]
    assert {row["text"] for row in rows} == {"C picks a bag of clothes from the floor"}
    assert all(row["ego_visible"] and not row["unsure"] and row["split"] == "train" for row in rows)


@round_trip
@given(said=st.lists(st.tuples(any_text, st.floats(0, 1e5)), min_size=1, max_size=5, unique=True))
def test_texts_and_times_come_back_as_written(tmp_path_factory, said):
    items = [SAID | {"narration_text": f"C {text}", "timestamp_sec": time_s} for text, time_s in said]
    rows, rejects = gathered(ego4d.read(write(tmp_path_factory.mktemp("ego4d"), {"v": video(*items)})))
    assert rejects == []
    assert [(row["text"], row["time_s"]) for row in rows] == [(f"C {text}", time_s) for text, time_s in said]


def test_unsure_is_a_flag_and_stays_in_the_text(tmp_path):
    rows, _ = gathered(ego4d.read(write(tmp_path, {"v": video(SAID | {"narration_text": "#C C holds a #unsure"})})))
    assert [(row["text"], row["unsure"]) for row in rows] == [("C holds a #unsure", True)]


def test_what_another_person_does_keeps_its_tag(tmp_path):
    rows, _ = gathered(ego4d.read(write(tmp_path, {"v": video(SAID | {"narration_text": "#O A man sits"})})))
    assert [row["text"] for row in rows] == ["#O A man sits"]


@pytest.mark.parametrize(
    "content, reason",
    [
        ({"status": "redacted"}, "redacted"),
        (video(SAID, status="redacted"), "redacted"),
        ({"status": "complete"}, "no_narrations"),
        (video(), "no_narrations"),
        ({"status": "complete", "narration_pass_1": {"summaries": [SUMMARY]}}, "no_narrations"),
        (None, "not_an_object"),
        (video("words"), "not_an_object"),
        (video(SAID | {"timestamp_sec": None}), "not_a_number"),
        (video(SAID | {"timestamp_sec": float("nan")}), "not_a_number"),
        (video(SAID | {"timestamp_sec": 10**400}), "not_a_number"),
        (video(SAID | {"timestamp_sec": [1]}), "not_a_number"),
        (video(SAID | {"timestamp_sec": True}), "not_a_number"),
        (video(SAID | {"timestamp_sec": -0.5}), "negative_time"),
        (video(SAID | {"narration_text": " \n"}), "empty_text"),
        (video(SAID | {"narration_text": 3}), "empty_text"),
        (video({}), "not_a_number"),
    ],
)
def test_a_bad_video_or_narration_is_a_reject(tmp_path, content, reason):
    rows, rejects = gathered(ego4d.read(write(tmp_path, {"good": video(SAID), "v": content})))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_the_same_words_at_the_same_time_of_a_pass_are_one_row(tmp_path):
    content = {"v": video(SAID, SAID | {"annotation_uid": "b"}, narration_pass_2=one_pass(SAID))}
    rows, rejects = gathered(ego4d.read(write(tmp_path, content)))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == ["repeated_id"]


def test_a_missing_or_broken_file_is_an_error_that_names_it(tmp_path):
    refuses_missing(ego4d.read, tmp_path, "narration.json is missing")
    (tmp_path / ego4d.FILE).write_text(json.dumps({"v": video(SAID)})[:-20])
    refuses_missing(ego4d.read, tmp_path, "narration.json: element 'v' is broken or cut off")
