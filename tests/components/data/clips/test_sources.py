"""Ego-ExoClip of several sources at once: an alpha for each, spans that a source gives, and what it does not say."""

from collections import Counter

import pytest

from components.data.clips import step as clips
from tests.components.data.clips.test_step import made
from tests.components.data.conftest import TAKE_S, write_annotations


def with_source(rows: dict, source: str, **narrated: object) -> dict:
    """Say everything again of another source, whose takes have an ego view alone."""
    videos = [row | {"source": source, "video_id": "e" + row["video_id"]} for row in rows["videos"]]
    again = {"source": source} | narrated
    said = [row | again | {"narration_id": "e" + row["narration_id"]} for row in rows["narrations"]]
    ego = [row for row in videos if row["view"] == "ego"]
    return rows | {"videos": rows["videos"] + ego, "narrations": rows["narrations"] + said}


def test_each_source_has_its_own_alpha_and_changes_no_clip_of_another(tmp_path, rows, data_params):
    clips.run(data_params, write_annotations(tmp_path / "alone", rows))
    both = with_source(rows, "ego4d")
    for row in both["narrations"]:
        row["time_s"] = row["time_s"] / 2 if row["source"] == "ego4d" else row["time_s"]
    clips.run(data_params, write_annotations(tmp_path / "both", both))
    (alone, clips_alone, _), (of_both, clips_of_both, _) = made(tmp_path / "alone"), made(tmp_path / "both")
    assert of_both["alpha_s"] == {"egoexo4d": alone["alpha_s"]["egoexo4d"]} | {
        "ego4d": pytest.approx(alone["alpha_s"]["egoexo4d"] / 2)
    }
    assert [row for row in clips_of_both if row["source"] == "egoexo4d"] == clips_alone
    assert {row["view"] for row in clips_of_both if row["source"] == "ego4d"} == {"ego"}


def test_a_narration_with_a_span_keeps_it_and_ends_with_its_video(tmp_path, rows, data_params):
    both = with_source(rows, "epic100", start_s=2.5, end_s=4.25, time_s=2.75)
    both["narrations"][-1]["end_s"] = 99.0
    both["narrations"][-2]["start_s"] = TAKE_S + 1
    both["narrations"][-3]["end_s"] = 2.5
    counted = clips.run(data_params, write_annotations(tmp_path, both))
    stats, table, rejects = made(tmp_path)
    spans = Counter((row["start_s"], row["end_s"]) for row in table if row["source"] == "epic100")
    # all at one time, and none is the neighbour of another
    assert spans == {(2.5, 4.25): len(rows["narrations"]) - 3, (2.5, TAKE_S): 1}
    assert (rejects["equal_time"], rejects["outside_video"], rejects["under_min_frames"]) == (0, 1, 1)
    assert stats["alpha_s"]["epic100"] is None
    assert all(before == after + rejected for _, before, after, rejected in counted["row_counts"])


def test_what_is_not_known_of_a_narration_is_no_reject(tmp_path, rows, data_params):
    for row in rows["narrations"]:
        row.update(ego_visible=None, unsure=None)
    clips.run(data_params, write_annotations(tmp_path, rows))
    _, table, rejects = made(tmp_path)
    assert rejects.keys() <= {"under_min_frames"} and {row["view"] for row in table} == {"ego", "exo"}


def test_only_held_out_takes_give_no_alpha(tmp_path, rows, data_params):
    rows = {name: [row | {"split": "test"} for row in table] for name, table in rows.items()}
    clips.run(data_params, write_annotations(tmp_path, rows))
    stats, table, rejects = made(tmp_path)
    assert stats["alpha_s"] == {"egoexo4d": None} and table == []
    assert rejects == {"no_alpha": 90}


@pytest.mark.parametrize("kept", [("videos",), ()])
def test_a_source_without_narrations_has_no_part_in_the_step(tmp_path, rows, data_params, kept):
    left = {name: table if name in kept else [] for name, table in rows.items()}
    result = clips.run(data_params, write_annotations(tmp_path, left))
    stats, table, rejects = made(tmp_path)
    assert (stats["alpha_s"], stats["moments"], table, rejects) == ({}, 0, [], {})
    assert all(before == after + rejected for _, before, after, rejected in result["row_counts"])
    assert "NaN" not in (tmp_path / "clips/stats.json").read_text()
