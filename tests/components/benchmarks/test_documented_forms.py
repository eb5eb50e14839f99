"""Benchmarks without a public file here, written in their documented form: samples, and rejects with their reasons."""

import json
from pathlib import Path

import pytest

from components.benchmarks import (
    charades_ego,
    egoexo_fitness,
    egoexobench,
    egoexolearn,
    egomcq,
    egotaskqa,
    hd_epic,
    qaego4d,
    visor,
)
from components.benchmarks.shared.distractors import nearest
from components.benchmarks.shared.files import RowError


def written(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def test_qaego4d_open_and_closed(tmp_path):
    row = {"video_id": "clip", "sample_id": "a_0", "question": "where?", "answer": "here "}
    row |= {"wrong_answers": ["there", "nowhere", "outside"]}
    rows = [row, row | {"sample_id": "a_1", "answer": " "}]
    written(tmp_path, "annotations.QaEgo4D_test.json", rows)
    found = qaego4d.load(tmp_path)
    assert found.samples[0].target.answers == ("here",) and found.reasons == {"no_answer": 1}
    twice = row | {"sample_id": "a_2", "wrong_answers": ["here", "there", "outside"]}
    written(tmp_path, "annotations.QaEgo4D_test_close.json", [row, twice])
    closed = qaego4d.load_closed(tmp_path)
    [sample] = closed.samples
    assert sample.target.options[sample.target.index] == "here" and sample.target.index_in_file == 0
    assert closed.reasons == {"two_right_options": 1}


def test_egotaskqa_has_bars_in_its_file_names_and_splits_in_files_of_their_own(tmp_path):
    row = {"q": "what?", "video_path": "27k-22-11-2|P1|4546|4996.mp4", "a": "B"}
    row |= {"option": {letter: f"on {letter}" for letter in "ABCDE"}}
    written(tmp_path, "egotaskqa.json", [row, row | {"option": {"A": "on", "C": "off"}}])
    written(tmp_path, "egotaskqa_indirect.json", [row])
    found = egotaskqa.load(tmp_path)
    whole, indirect = found.samples
    assert (whole.video, whole.length_s, whole.target.index) == ("27k-22-11-2", 15.0, 1)
    assert (whole.subsets, indirect.subsets) == ((), ("indirect",)) and found.reasons == {"malformed_row": 1}


def test_egomcq_is_turned_round_and_its_groups_are_told_by_the_videos(tmp_path):
    def clip(video: str, text: str, start: float) -> dict:
        return {"video_uid": video, "clip_start": start, "clip_end": 2.0, "clip_text": f"#C C {text}"}

    choices = {str(place): clip("v", f"cuts {place}", -0.5) for place in range(5)}
    others = choices | {"4": clip("w", "eats", 1.0)}
    rows = {
        "0": {"answer": 3, "types": 1, "query": choices["3"], "choices": choices},
        "1": {"answer": 4, "types": 1, "query": others["4"], "choices": others},
        "2": {"answer": 0, "types": 2, "query": {}, "choices": {"0": clip("v", "x", 3.0), "1": clip("v", "y", 0.0)}},
    }
    intra, inter = egomcq.load(written(tmp_path, "egomcq.json", rows)).samples
    assert (intra.subsets, inter.subsets) == (("intra",), ("inter",)), "`types` is 1 of both"
    assert intra.media[0].start_s == 0.0 and intra.target.options[intra.target.index] == "C cuts 3"
    assert inter.media[0].path == "w.mp4"
    assert egomcq.load(tmp_path).reasons == {"empty_span": 1}


def test_egoexolearn_spans(tmp_path):
    rows = [
        {"vid": "a.mp4", "question": "C cuts the onion.", "start": 1.5, "end": 4},
        {"vid": "a", "question": "", "start": 4, "end": 4},
    ]
    found = egoexolearn.load(written(tmp_path, "egoexolearn_test.json", rows))
    [sample] = found.samples
    assert sample.question == "when is it that C cuts the onion?" and sample.media[0].path == "a.mp4"
    assert (sample.target.start_s, sample.target.end_s) == (1.5, 4.0) and found.reasons == {"empty_span": 1}


@pytest.mark.parametrize("gt, unit", [([0.25, 0.5, 0.75, 1.0], "fractions"), ([480, 540, 1440, 1080], "pixels")])
def test_the_unit_of_visor_boxes_is_told_by_their_numbers(gt, unit, tmp_path):
    rows = [
        {"path": "P01/P01_01_frame_0000000140.jpg", "object": "plate", "gt": gt},
        {"path": "P01/P01_01_frame_0000000141.jpg", "object": "plate", "gt": [gt[2], gt[1], gt[0], gt[3]]},
    ]
    found = visor.load(written(tmp_path, "visor_test.json", rows))
    [sample] = found.samples
    assert sample.target.box_xyxy == (25.0, 50.0, 75.0, 100.0) and sample.subsets == (f"boxes in {unit}",)
    assert sample.video == "P01_01" and found.reasons == {"box_outside_image": 1}


def test_charades_ego_takes_the_likest_actions_that_the_film_does_not_show(tmp_path):
    names = ["closing a door", "opening a door", "fixing a door", "holding a book", "closing a book", "eating"]
    written(tmp_path, "Charades_v1_classes.txt", "".join(f"c{n:03} {name}\n" for n, name in enumerate(names)))
    head = "id,subject,actions,length\n"
    lines = "BHP3HEGO,,c000 1.5 4.0;c001 0.0 3.0;c009 0.0 1.0,28.25\nBHP3H,,c005 3.0 3.0,28.25\nEMPTY,,,3.0\n"
    found = charades_ego.load(written(tmp_path, "CharadesEgo_v0_test.csv", head + lines))
    first, second = found.samples
    assert set(first.target.options) == {names[0], *names[2:6]}, "what the film shows too is no wrong option"
    assert (
        first.target.options[first.target.index] == names[0] and second.target.options[second.target.index] == names[1]
    )
    assert (first.video, first.subsets, first.media[0].path) == ("BHP3H", ("ego",), "BHP3HEGO.mp4")
    assert found.reasons == {"empty_span": 1, "unknown_class": 1}
    with pytest.raises(RowError, match="too_few_wrong_options"):
        nearest("eating", ["Eating", "a door"], count=2)


def test_hd_epic_times_are_words_and_a_file_is_a_prototype(tmp_path):
    row = {
        "inputs": {"video 1": {"id": "P07-2024", "start_time": "00:01:00.500", "end_time": "00:01:02.500"}},
        "question": "What at <TIME 00:01:01.0 video 1>?", "choices": ["a", "b", "c", "d", "e"], "correct_idx": 4,
    }  # fmt: skip
    whole = row | {"inputs": {"video 1": {"id": "P07-2024"}, "video 2": {"id": "P07-2025"}}, "correct_idx": 5}
    written(tmp_path, "vqa-benchmark/recipe_step.json", {"recipe_step_0": row, "recipe_step_1": whole})
    listed = {"choices": [["oil", "egg"], ["egg", "oil"]], "correct_idx": 0}
    written(tmp_path, "vqa-benchmark/gaze.json", {"gaze_0": whole | listed})
    found = hd_epic.load(tmp_path)
    gaze, step = found.samples
    assert step.question == "What at 00:01:01.0 of video 1?" and step.subsets == ("recipe_step",)
    assert (step.media[0].path, step.media[0].start_s, step.length_s) == ("P07/P07-2024.mp4", 60.5, 2.0)
    assert gaze.target.options == ("oil, egg", "egg, oil")
    assert len(gaze.media) == 2 and gaze.length_s is None and found.reasons == {"no_such_answer": 1}
    with pytest.raises(ValueError, match=r"holds none of \['vqa-benchmark"):
        hd_epic.load(tmp_path / "vqa-benchmark")


def test_egoexo_fitness_pairs_lose_the_authors_disk_and_show_both_films(tmp_path):
    one = "/PATH/TO/VIDEO_FRAME/IlnyLs/ego_r/VID_1 5-1-3 10 20"
    lines = [
        f"{one} /PATH/TO/VIDEO_FRAME/zOfbr6/exo_l/WIN_2 5-1-3 0 5",
        f"{one} /PATH/TO/VIDEO_FRAME/zOfbr6/ego_m/GH_3 4-1-3 0 5",
        one,
        f"{one} /PATH/TO/zOfbr6/top/x 4-1-3 0 5",
    ]
    found = egoexo_fitness.load(written(tmp_path, "test_pairs_open.txt", "\n".join(lines)))
    same, other = found.samples
    assert [medium.path for medium in same.media] == ["IlnyLs/ego_r/VID_1", "zOfbr6/exo_l/WIN_2"]
    assert (same.media[0].start_s, same.media[0].end_s) == (10.0, 21.0)
    assert (same.target.index, same.subsets) == (0, ("cross-view",))
    assert (other.target.index, other.subsets) == (1, ("ego alone",))
    assert found.reasons == {"malformed_row": 1, "unknown_view": 1}


def test_egoexobench_lists_are_literals_and_nothing_is_run(tmp_path):
    medias = [
        {"type": "video", "video_path": "EgoExo4D/takes/cmu_1/cam01.mp4", "video_start": 1, "video_end": 3},
        {"type": "image", "image_paths": ["take/aria.jpg"]},
    ]
    head = "index\tquestion\toptions\tresponse_format\tmedias\tanswer\tsubtask_type\n"
    good = f"0\twhich <video>?\t['A. left', 'B. right']\tletter\t{medias}\tB\tego-exo\n"
    bad = "1\twhich?\t['left', 'right']\tletter\t__import__('os').getcwd()\tB\tego-exo\n"
    none = "2\twhich?\t['left', 'right']\tletter\t[]\tB\tego-exo\n"
    other = good.replace("0\t", "3\t", 1).replace("EgoExo4D/takes/cmu_1/cam01", "LEMMA/videos/27k-1-1")
    found = egoexobench.load(written(tmp_path, "EgoExoBench_MCQ.tsv", head + good + bad + none + other))
    sample, of_lemma = found.samples
    assert (sample.video, of_lemma.video) == ("cmu_1", "27k-1-1"), "a folder that is no take holds many recordings"
    assert sample.target.options == ("left", "right") and sample.target.index == 1
    assert [(medium.view, medium.start_s, medium.end_s) for medium in sample.media] == [("exo", 1, 3), ("ego", 0, None)]
    assert found.reasons == {"malformed_row": 1, "no_media": 1}
