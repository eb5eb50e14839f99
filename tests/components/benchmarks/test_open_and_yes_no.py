"""EgoTempo's open answers and POPE's yes and no: documented forms, released files, what guesses score."""

import json

import pytest

from components.benchmarks import egotempo, pope
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.parsers import UNREAD
from tests.components.benchmarks import released

UID = "0d270946-95c5-4e71-ae49-b9e802548147"


def test_an_open_question_shows_the_seconds_of_its_clip(tmp_path):
    row = {
        "question_id": "q",
        "clip_id": f"{UID}_120.5_180.0",
        "question_type": "t",
        "question": "what?",
        "answer": "A cup. ",
    }
    rows = [row, row | {"question_id": "r", "answer": " "}, row | {"question_id": "s", "clip_id": UID}]
    (tmp_path / "egotempo_openQA.json").write_text(json.dumps({"info": {}, "annotations": rows}))
    found = egotempo.load(tmp_path)
    [sample] = found.samples
    assert (sample.video, sample.media[0].start_s, sample.length_s) == (UID, 120.5, 59.5)
    assert found.reasons == {"malformed_row": 1, "no_answer": 1}
    metric = METRICS["open"]
    assert metric.score(sample, "a cup.") == {"anls": 1.0, "exact": 1.0}
    assert metric.score(sample, None) == {"anls": 0.0, "exact": 0.0}
    assert metric.read(sample, "<think>hm</think><answer>a cup</answer>", reasoned=True) == ("a cup", "text")


def test_the_released_open_questions_cannot_be_guessed_by_their_letters():
    row = released.row("egotempo")
    assert (row["rows"], row["samples"], row["videos"]) == (500, 500, 222)
    assert set(row["subsets"].values()) == {50} and len(row["subsets"]) == 10
    assert row["constant"]["value"] < 0.08 and row["text_only"]["value"] < 0.08


def test_version_2_asks_of_each_image_as_it_is_and_painted_over(tmp_path):
    row = {"image_id": 46207, "target_object": "remote", "query": "Is there a remote in the image?"}
    rows = [
        row | {"image_name": "/images/000000046207.jpg", "label": "No"},
        row | {"image_name": "/coco/train2017/000000046207.jpg", "label": "Yes"},
        row | {"image_name": "/coco/train2017/000000046207.jpg", "label": "Maybe"},
    ]
    (tmp_path / "POPEv2/dataset").mkdir(parents=True)
    (tmp_path / "POPEv2/dataset/annotations.json").write_text(json.dumps(rows))
    found = pope.load_2(tmp_path)
    no, yes = found.samples
    assert (no.target.index, no.media[0].path) == (1, "images/000000046207.jpg")
    assert (yes.target.index, yes.media[0].path) == (0, "coco/train2017/000000046207.jpg")
    assert no.video == yes.video == "000000046207" and found.reasons == {"no_such_answer": 1}


def test_the_yes_no_files_of_all_ways_to_draw_objects_are_read(tmp_path):
    row = {"question_id": 1, "image": "COCO_1.jpg", "text": "Is there a cup in the image?", "label": "yes"}
    lines = [row, row | {"question_id": 2, "label": "no"}, row | {"question_id": 3, "label": "maybe"}]
    (tmp_path / "coco_pope_popular.json").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "coco_pope_random.json").write_text(json.dumps(lines[:2]))
    found = pope.load(tmp_path)
    assert [sample.subsets[0] for sample in found.samples] == ["random", "random", "popular", "popular"]
    assert found.reasons == {"no_such_answer": 1} and {sample.video for sample in found.samples} == {"COCO_1.jpg"}
    yes, no = found.samples[:2]
    metric = METRICS["yes_no"]
    for completion, strictly, officially in (
        ("Yes, there is.", 0, 0), ("no", 1, 1), ("There is not.", None, 1), ("A cup.", None, 0),
    ):  # fmt: skip
        assert metric.read(yes, completion, reasoned=False)[0] == strictly
        assert metric.official(yes, completion, parser="yes_unless_no")[0] == officially
    assert metric.read(yes, "A cup.", reasoned=False)[1] == UNREAD
    assert metric.score(no, 0) == {"accuracy": 0.0, "said_yes": 1.0}
    assert metric.whole([yes, no], [0, 0]) == {"precision": 0.5, "recall": 1.0, "f1": pytest.approx(2 / 3)}


def test_the_released_yes_no_questions_are_half_yes_and_told_by_the_object_alone():
    row = released.row("pope")
    assert (row["samples"], row["videos"]) == (3000, 500)
    assert row["constant"]["scores"]["f1"] == pytest.approx(2 / 3) and row["constant"]["value"] == 0.5
    # "popular" objects are asked for whether they are there or not; which these are, other images tell
    assert row["text_only"]["lo"] > 0.8
