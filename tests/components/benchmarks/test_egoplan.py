"""EgoPlan-Bench in its documented form, and the released file of EgoPlan-Bench2."""

import json

import pytest

from components.benchmarks import egoplan
from tests.components.benchmarks import released

ROW = {
    "sample_id": 39, "video_source": "Ego4D", "video_id": "uid", "task_goal": "Cut the onion", "question": "next?",
    "choice_a": "grab onion", "choice_b": "open drawer", "choice_c": "grab knife", "choice_d": "close drawer",
    "golden_choice_idx": "A", "answer": "grab onion", "current_observation_frame": 599,
    "task_progress_metadata": [{"narration_text": "open drawer", "start_frame": 300, "stop_frame": 350}],
}  # fmt: skip


def test_frames_are_counted_at_the_rate_of_each_film(tmp_path):
    epic = ROW | {"sample_id": 40, "video_source": "EpicKitchens", "video_id": "P07_113"}
    rows = [
        ROW,
        epic,
        epic | {"sample_id": 41, "video_id": "P01_01"},
        ROW | {"sample_id": 42, "golden_choice_idx": "E"},
    ]
    rows.append(ROW | {"sample_id": 43, "current_observation_frame": 100})
    (tmp_path / "EgoPlan_validation.json").write_text(json.dumps(rows))
    (tmp_path / "EPIC_100_video_info.csv").write_text("video_id,duration,fps,resolution\nP07_113,600,50.0,1920x1080\n")
    found = egoplan.load(tmp_path)
    ego4d, kitchens = found.samples
    assert (ego4d.media[0].path, ego4d.media[0].start_s, ego4d.media[0].end_s) == ("uid.mp4", 10.0, 20.0)
    assert kitchens.media[0].path == "P07/videos/P07_113.MP4" and kitchens.length_s == pytest.approx(6.0)
    assert found.reasons == {"empty_span": 1, "no_frame_rate": 1, "no_such_answer": 1}


def test_the_released_second_benchmark():
    found = released.loaded("egoplan_2")
    assert (len(found.samples), found.rejects) == (1321, [])
    first = found.samples[0]
    assert first.question.endswith("in order to prepare bread?") and first.subsets == ("Hobbies",)
    assert first.target.options[first.target.index] == "turn off sink tap"
    row = released.row("egoplan_2")
    assert row["constant"]["value"] == 339 / 1321 and row["videos"] == 1113
    assert row["text_only"]["lo"] > 0.25, "some answers are told by their words alone"
