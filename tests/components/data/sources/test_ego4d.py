import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources import ego4d
from components.video import Probe, VideoError
from tests.components.data.sources.written import as_json, gathered_tables, refuses_missing, round_trip
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


def write(root, content, *, films=("v", "w", "good"), folder="v2/full_scale"):
    as_json(root / "v2/annotations/narration.json", content)
    for uid in films:
        film = root / folder / f"{uid}.mp4"
        film.parent.mkdir(parents=True, exist_ok=True)
        film.write_bytes(b"a film")
    return root


def probe(path, fps=None):
    return Probe(1e6, 30.0, 30_000_000)


def read_all(root, probe=probe):
    tables, rejects = gathered_tables(ego4d.read(root, probe=probe))
    assert set(tables) <= {"videos", "narrations"}
    return tables["videos"], tables["narrations"], rejects


def read(root):
    return read_all(root)[1:]


def test_every_narration_of_both_passes_is_a_row(tmp_path):
    content = {"v": video(SAID, narration_pass_2=one_pass(SAID | {"timestamp_sec": 4})), "w": video(SAID)}
    rows, rejects = read(write(tmp_path, content))
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
    rows, rejects = read(write(tmp_path_factory.mktemp("ego4d"), {"v": video(*items)}))
    assert rejects == []
    assert [(row["text"], row["time_s"]) for row in rows] == [(f"C {text}", time_s) for text, time_s in said]


def test_unsure_is_a_flag_and_stays_in_the_text(tmp_path):
    rows, _ = read(write(tmp_path, {"v": video(SAID | {"narration_text": "#C C holds a #unsure"})}))
    assert [(row["text"], row["unsure"]) for row in rows] == [("C holds a #unsure", True)]


def test_what_another_person_does_keeps_its_tag_and_is_told_apart(tmp_path):
    texts = ["#O A man sits", "#C C cuts", "#unsure #o Y moves", "the dog runs"]
    rows, _ = read(write(tmp_path, {"v": video(*(SAID | {"narration_text": text} for text in texts))}))
    assert [row["text"] for row in rows] == ["#O A man sits", "C cuts", "#unsure #o Y moves", "the dog runs"]
    assert [row["subject"] for row in rows] == ["O", "C", "O", None]


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
        (video(SAID | {"timestamp_sec": None}), "not_a_time"),
        (video(SAID | {"timestamp_sec": float("nan")}), "not_a_time"),
        (video(SAID | {"timestamp_sec": 10**400}), "not_a_time"),
        (video(SAID | {"timestamp_sec": [1]}), "not_a_time"),
        (video(SAID | {"timestamp_sec": True}), "not_a_time"),
        (video(SAID | {"timestamp_sec": -0.5}), "negative_time"),
        (video(SAID | {"narration_text": " \n"}), "empty_text"),
        (video(SAID | {"narration_text": 3}), "empty_text"),
        (video({}), "not_a_time"),
    ],
)
def test_a_bad_video_or_narration_is_a_reject(tmp_path, content, reason):
    rows, rejects = read(write(tmp_path, {"good": video(SAID), "v": content}))
    assert len(rows) == 1 and [row["reason"] for row in rejects] == [reason]


def test_the_same_words_at_the_same_time_of_a_pass_are_one_row(tmp_path):
    content = {"v": video(SAID, SAID | {"annotation_uid": "b"}, narration_pass_2=one_pass(SAID))}
    rows, rejects = read(write(tmp_path, content))
    assert len(rows) == 2 and [row["reason"] for row in rejects] == ["repeated_id"]


@pytest.mark.parametrize(
    "folder", ["v2/full_scale", "v1/full_scale", "full_scale", "v2/video_540ss", "v1/video_540ss", "video_540ss"]
)
def test_films_are_found_where_the_download_puts_them(tmp_path, folder):
    videos, rows, rejects = read_all(write(tmp_path, {"v": video(SAID)}, films=["v"], folder=folder))
    assert (len(rows), rejects) == (1, [])
    assert [(row["take_id"], row["path"], row["view"], row["fps"]) for row in videos] == [
        ("v", f"{folder}/v.mp4", "ego", 30.0)
    ]


def test_of_a_film_in_several_sizes_the_full_one_counts(tmp_path):
    root = write(tmp_path, {"v": video(SAID), "w": video(SAID)}, films=["v", "w"], folder="v2/video_540ss")
    videos, rows, _ = read_all(write(root, {"v": video(SAID), "w": video(SAID)}, films=["w"]))
    assert {row["path"] for row in videos} == {"v2/full_scale/w.mp4", "v2/video_540ss/v.mp4"} and len(rows) == 2


def test_narrations_without_a_film_are_rejected_and_a_film_without_narrations_is_a_video(tmp_path):
    def probe_all_but_w(path, fps):
        if path.stem == "w":
            raise VideoError(path, "no film")
        return probe(path)

    content = {"v": video(SAID, SAID | {"timestamp_sec": 9}), "w": video(SAID), "good": video(SAID)}
    videos, rows, rejects = read_all(write(tmp_path, content, films=["good", "silent", "w"]), probe_all_but_w)
    assert [row["take_id"] for row in videos] == ["good", "silent"] and [row["take_id"] for row in rows] == ["good"]
    assert [(row["reason"], row["detail"]) for row in rejects] == [
        ("unreadable_video", "v2/full_scale/w.mp4: no film"),
        ("no_video", "v"),
        ("no_video", "v"),
        ("no_video", "w"),
    ]


def test_what_a_benchmark_holds_out_is_our_test_split(tmp_path):
    listed = [
        {"video_uid": "v", "duration_sec": 9.0, "split_em": "val", "split_av": None, "split_fho": "train"},
        {"video_uid": "w", "split_em": "train", "split_av": None, "split_fho": None},
        {"video_uid": "good", "split_em": None, "split_fho": "multi"},
    ]
    as_json(tmp_path / "ego4d.json", {"version": "v2", "videos": listed})
    root = write(tmp_path, {"v": video(SAID), "w": video(SAID), "good": video(SAID)})
    videos, rows, _ = read_all(root)
    for table in (videos, rows):
        assert {row["take_id"]: row["split"] for row in table} == {"v": "test", "w": "train", "good": "test"}


def test_the_file_that_v2_has_beside_it_is_read_where_the_other_is_not_there(tmp_path):
    said = {"text": "#C C cuts", "time": 3.5, "is_summary": False, "annotator": "1", "_annotation_uid": "a"}
    narrations = [said, said | {"text": "#Summary C cooked", "is_summary": True}, said | {"time": None}]
    root = write(tmp_path, {"other": video(SAID)})
    (root / "v2/annotations/narration.json").unlink()
    content = {"videos": {"v": {"narrations": narrations}, "w": {"status": "redacted"}}, "version": "v2"}
    as_json(root / "v2/annotations/all_narrations_redacted.json", content)
    rows, rejects = read(root)
    assert [(row["take_id"], row["text"], row["time_s"]) for row in rows] == [("v", "C cuts", 3.5)]
    assert [row["reason"] for row in rejects] == ["summary", "redacted", "not_a_time"]


def test_a_missing_or_broken_file_is_an_error_that_names_it(tmp_path):
    refuses_missing(partial(ego4d.read, probe=probe), tmp_path, "narration.json is missing")
    path = write(tmp_path, {"v": video(SAID)}) / "v2/annotations/narration.json"
    path.write_text(json.dumps({"v": video(SAID)})[:-20])
    refuses_missing(partial(ego4d.read, probe=probe), tmp_path, "narration.json: element 'v' is broken or cut off")
