"""EgoPlan-Bench and EgoPlan-Bench2: the next action toward a goal, four-way, from the progress up to now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.benchmarks.shared.choices import choice
from components.benchmarks.shared.files import RowError, find, loaded, read_csv, read_json
from components.benchmarks.shared.sample import Benchmark, Loaded, Medium, Sample

FILES = ("EgoPlan_validation.json",)
FILES_2 = ("egoplan_bench2.json", "egoplan2.json", "EgoPlan-Bench2.json")
EPIC_RATES = "EPIC_100_video_info.csv"  # of EPIC-KITCHENS-100: frame numbers of its films are at each film's own rate
EGO4D_FPS = 30.0


def _sample(row: Mapping[str, Any], video: str, path: str, fps: float, question: str, **frames: int) -> Sample:
    target = choice([row[f"choice_{letter}"] for letter in "abcd"], row["golden_choice_idx"])
    start_s, end_s = frames["start"] / fps, (frames["now"] + 1) / fps  # the present frame is the last one shown
    if start_s >= end_s:
        raise RowError("empty_span", f"frames {frames}")
    subsets = tuple(row[key] for key in ("domain", "video_source") if key in row)
    return Sample(
        str(row["sample_id"]), video, question, (Medium(path, "ego", start_s, end_s),), target, subsets, end_s - start_s
    )


def load(folder: Path) -> Loaded:
    """Read the validation questions of EgoPlan-Bench.

    Args:
        folder: with EgoPlan_validation.json; films are `<video_id>.mp4` of Ego4D and `Pxx/videos/Pxx_yy.MP4` of
            EPIC-KITCHENS, whose frame rates stand in EPIC_100_video_info.csv.

    Raises:
        ValueError: no file, or none that is JSON.
    """
    rates = {}
    if (folder / EPIC_RATES).is_file():
        table = read_csv(folder / EPIC_RATES, ("video_id", "fps"))
        rates = {row["video_id"]: float(row["fps"]) for row in table}

    def sample_of(row: Mapping[str, Any]) -> Sample:
        video = row["video_id"]
        is_epic = row["video_source"] == "EpicKitchens"
        if is_epic and video not in rates:
            raise RowError("no_frame_rate", f"{video} is not in {EPIC_RATES}")
        fps = rates[video] if is_epic else EGO4D_FPS
        path = f"{video.split('_')[0]}/videos/{video}.MP4" if is_epic else f"{video}.mp4"
        progress = row["task_progress_metadata"]
        now = row["current_observation_frame"]
        start = progress[0]["start_frame"] if progress else max(0, now - round(60 * fps))
        return _sample(row, video, path, fps, row["question"], start=start, now=now)

    return loaded(read_json(find(folder, FILES), list), sample_of, row_id=lambda row, place: str(row["sample_id"]))


def load_2(folder: Path) -> Loaded:
    """Read the questions of EgoPlan-Bench2, which say the goal alone; all films are of Ego4D.

    Args:
        folder: with one of FILES_2; films are `<Ego4D uid>.mp4`.

    Raises:
        ValueError: no file, or none that is JSON.
    """

    def sample_of(row: Mapping[str, Any]) -> Sample:
        video = row["sample_id"].rsplit("_", 1)[0]
        goal = row["task_goal"][0].lower() + row["task_goal"][1:]
        question = (
            "Considering the progress shown in the video and my current observation in the last frame, what action "
            f"should I take next in order to {goal}?"
        )
        frames = {"start": row["task_start_frame"], "now": row["current_observation_frame"]}
        return _sample(row, video, f"{video}.mp4", EGO4D_FPS, question, **frames)

    return loaded(read_json(find(folder, FILES_2), list), sample_of, row_id=lambda row, place: row["sample_id"])


BENCHMARK = Benchmark(
    title="EgoPlan-Bench",
    load=load,
    files=FILES,
    metric="accuracy",
    splits="validation, 3,355 questions; the 1,584 of the test have hidden answers",
    licence="none stated; films: Ego4D licence agreement, EPIC-KITCHENS CC BY-NC 4.0",
    origin="`ChenYi99/EgoPlan`, on a file host; no public copy was found, so tests write the documented form",
    frames=16,
    form="ranked",
    published=(("Exo2Ego", 42.7), ("Qwen2-VL-7B", 38.3), ("EgoThinker", 47.1)),
    note="the reference takes the option of lowest loss, so options are ranked; frames count at each film's own rate",
)
BENCHMARK_2 = Benchmark(
    title="EgoPlan-Bench2",
    load=load_2,
    files=FILES_2,
    metric="accuracy",
    splits="test, 1,321 questions in four domains",
    licence="none stated; films: Ego4D licence agreement",
    origin="`InternRobotics/EgoThinker`, `lmms-eval/anno/egoplan2.json`",
    frames=16,
    answer_tokens=16,
    note="rows hold no question: it is made of the goal; frame numbers are at 30 a second",
)
