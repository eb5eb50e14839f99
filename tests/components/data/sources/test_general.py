import io
import json
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from ruamel.yaml import YAML

from components import params
from components.data.sources import general
from components.train.dry_run import report
from components.train.judge import verdict
from tests.components.data.sources.written import (
    HOSTILE_PLACES,
    as_json,
    as_json_lines,
    gathered_tables,
    refuses_missing,
    round_trip,
)
from tests.components.data.sources.written import texts as any_text

PAGES = Path(__file__).parents[4] / "docs"
ASKED = {"from": "human", "value": "<image>\nWhat colour is the cup?"}
ANSWERED = {"from": "gpt", "value": "red"}
LLAVA = {"id": "1", "image": "coco/1.jpg", "conversations": [ASKED, ANSWERED]}
MESSAGES = {
    "messages": [
        {"role": "system", "content": "You are kind."},
        {
            "role": "user",
            "content": [{"type": "video", "video": "v/1.mp4"}, {"type": "text", "text": "What is cut?"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "an onion"}]},
    ]
}
OPTIONS = "\n(A) Heat it.\n(B) Wash it.\n(C) Cut it.\n(D) Pour it.\n"
LETTER = "Answer with the option's letter from the given choices directly."
# as a line of EgoExoLearn's Video_QA is written
VIDEO_QA = {
    "id": "2d566674-56c4-11ee_0",
    "conversations": [
        {"from": "human", "value": f"<video>\nHow is the pan used?{OPTIONS}{LETTER}"},
        {"from": "gpt", "value": "C"},
    ],
    "image": {"video": "2d566674-56c4-11ee.mp4"},
}


def told(root, *records, name="a.jsonl"):
    (as_json_lines if name.endswith(".jsonl") else as_json)(root / name, records)
    tables, rejects = gathered_tables(general.read(root))
    return tables["captions"], tables["questions"], rejects


def changed(record, **edit):
    return {**record, **edit}


def talk(*values, start="human"):
    other = {"human": "gpt", "gpt": "human"}[start]
    return [{"from": (start, other)[n % 2], "value": value} for n, value in enumerate(values)]


def typed(kind):
    content = [{"type": kind, "video": "a.mp4"}, {"type": "text", "text": "What?"}]
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "x"}]}


@pytest.mark.parametrize("name", ["llava.json", "llava.jsonl", "below/llava.json"])
def test_a_conversation_of_llava_is_a_question_about_an_image(tmp_path, name):
    captions, (row,), rejects = told(tmp_path, LLAVA, name=name)
    assert captions == rejects == []
    folder = "below/" if "/" in name else ""
    assert (row["path"], row["media"]) == (f"{folder}coco/1.jpg", "image")
    assert (row["question"], row["answer"], row["wrong_answers"]) == ("What colour is the cup?", "red", [])
    assert (row["view"], row["split"], row["category"]) == ("exo", "train", None)
    assert row["start_s"] != row["start_s"]


def test_an_object_of_records_is_read_too(tmp_path):
    as_json(tmp_path / "a.json", {"first": LLAVA, "second": LLAVA})
    tables, rejects = gathered_tables(general.read(tmp_path))
    assert len(tables["questions"]) == 2 and rejects == []


def test_messages_with_parts_are_a_question_about_a_video(tmp_path):
    _, (row,), rejects = told(tmp_path, MESSAGES)
    assert rejects == []
    assert (row["path"], row["media"], row["question"], row["answer"]) == (
        "v/1.mp4",
        "video",
        "What is cut?",
        "an onion",
    )


@pytest.mark.parametrize(
    ("edit", "media"),
    [
        ({"image": ["coco/1.jpg"]}, ("coco/1.jpg", "image")),
        ({"images": ["coco/1.jpg"]}, ("coco/1.jpg", "image")),
        ({"images": [{"path": "coco/1.jpg", "bytes": None}]}, ("coco/1.jpg", "image")),
        ({"video": "a.mp4", "image": None}, ("a.mp4", "video")),
        ({"videos": ["a.mp4"], "image": None}, ("a.mp4", "video")),
        ({"image": {"video": "a.mp4"}}, ("a.mp4", "video")),
        ({"images": ["coco/1.jpg", "coco/1.jpg"]}, ("coco/1.jpg", "image")),
    ],
)
def test_a_medium_is_named_in_many_ways(tmp_path, edit, media):
    _, (row,), _ = told(tmp_path, changed(LLAVA, **edit))
    assert (row["path"], row["media"]) == media


def test_members_that_are_null_are_not_there(tmp_path):
    asked, answered = ({"from": None, "value": None, **turn} for turn in MESSAGES["messages"][1:])
    _, (row,), rejects = told(tmp_path, {"conversations": None, "image": None, "messages": [asked, answered]})
    assert rejects == [] and (row["path"], row["answer"]) == ("v/1.mp4", "an onion")


def test_every_pair_of_turns_is_a_row(tmp_path):
    said = talk("<image>\nDescribe the image.", "a cup", "What colour?", "red", "Where is it?", "here")
    captions, questions, rejects = told(tmp_path, changed(LLAVA, conversations=said))
    assert [row["text"] for row in captions] == ["a cup"] and rejects == []
    assert [(row["question"], row["answer"]) for row in questions] == [
        ("What colour?", "red"),
        ("Where is it?", "here"),
    ]


def test_an_image_without_words_is_captioned(tmp_path):
    (row,), _, _ = told(tmp_path, changed(LLAVA, conversations=talk("<image>", "a red cup")))
    assert (row["text"], row["media"], row["view"]) == ("a red cup", "image", "exo")


@pytest.mark.parametrize(
    "wording",
    [
        "Describe the image concisely.",
        "Render a clear and concise summary of the photo.",
        "Analyze the image in a comprehensive and detailed manner.",
        "Give an elaborate explanation of the image you see",
        "Characterize the image using a well-detailed description.",
        "Can you describe what you see in the picture?",
        "Describe this in detail.",
        "What is happening in the video?",
    ],
)
def test_a_wordingfor_a_description_alone_makes_a_caption(tmp_path, wording):
    (row,), questions, _ = told(tmp_path, changed(LLAVA, conversations=talk(wording, "a red cup")))
    assert row["text"] == "a red cup" and questions == []


@pytest.mark.parametrize(
    "question",
    [
        "Describe the video in one word: what colour is the cup?",
        "Summarize the video. Then answer: who wins?",
        "Provide a description of the scene and count the chairs.",
        "Describe what happens after the man sits.",
        "Describe this man's shirt.",
        "Describe it as a poem about the sea.",
        "Describe the image and how the cup is held.",
    ],
)
def test_a_wordingfor_more_is_a_question(tmp_path, question):
    captions, (row,), _ = told(tmp_path, changed(LLAVA, conversations=talk(question, "red")))
    assert captions == [] and row["question"] == question


def test_what_a_record_may_say_besides(tmp_path):
    edit = {"start": 1.5, "end": 4, "view": "ego", "split": "test", "question_type": "cause"}
    video = {"video": "a.mp4", "image": None}
    captions, questions, rejects = told(
        tmp_path,
        changed(LLAVA, **video, **edit),
        changed(LLAVA, **video, **edit, conversations=talk("Describe the video.", "a dog")),
        changed(LLAVA, start=None, end=None, view=None, split=None, question_type=None),
    )
    assert rejects == []
    first, whole = sorted(questions, key=lambda row: row["view"])
    for row in (first, *captions):
        assert (row["start_s"], row["end_s"], row["view"], row["split"]) == (1.5, 4.0, "ego", "test")
    assert first["category"] == "cause" and whole["category"] is None
    assert (whole["view"], whole["split"]) == ("exo", "train") and whole["start_s"] != whole["start_s"]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ({"image": None}, "no_medium"),
        ({"image": ["a.jpg", "b.jpg"]}, "several_images"),
        ({"video": "a.mp4"}, "several_media"),
        ({"image": "https://example.org/a.jpg"}, "not_a_path"),
        ({"image": "data:image/png;base64,iVBO"}, "not_a_path"),
        ({"image": 7}, "no_path"),
        ({"image": {"height": 3}}, "no_path"),
        *(({"image": place}, "path_outside_root") for place in HOSTILE_PLACES if place != "C:/a"),
        ({"view": "top"}, "unknown_view"),
        ({"split": "val"}, "unknown_split"),
        ({"question_type": 7}, "bad_question_type"),
        ({"start": 3.0}, "not_a_time"),
        ({"start": 3.0, "end": 3.0}, "zero_span"),
        ({"start": "soon", "end": 3.0}, "not_a_time"),
        ({"conversations": []}, "no_turns"),
        ({"conversations": "What?"}, "no_turns"),
        ({"conversations": talk("What?")}, "no_answer"),
        ({"conversations": talk("red", start="gpt")}, "no_question"),
        ({"conversations": [{"from": "tool", "value": "x"}]}, "unknown_role"),
        ({"conversations": ["What?"]}, "unknown_role"),
        ({"conversations": talk("What?", "")}, "empty_text"),
        ({"conversations": talk("What?", 7)}, "empty_text"),
        ({"image": None, "conversations": None, **typed(["video"])}, "no_medium"),
        ({"conversations": talk("What is in 1.jpg?", "a cup")}, "names_its_medium"),
    ],
)
def test_what_is_wrong_has_a_reason(tmp_path, edit, reason):
    captions, questions, rejects = told(tmp_path, LLAVA, changed(LLAVA, **edit))
    assert captions == [] and len(questions) == 1
    assert [(row["row_id"].split("/")[0], row["reason"]) for row in rejects] == [("a.jsonl:2", reason)]


def test_a_question_that_nobody_answers_costs_no_other(tmp_path):
    said = [ASKED, ASKED, ANSWERED, ANSWERED, {"from": "system", "value": "x"}, ASKED]
    _, questions, rejects = told(tmp_path, changed(LLAVA, conversations=said))
    assert len(questions) == 1
    assert [(row["row_id"], row["reason"]) for row in rejects] == [
        ("a.jsonl:1/0", "no_answer"),
        ("a.jsonl:1/3", "no_question"),
        ("a.jsonl:1/5", "no_answer"),
    ]


def test_a_line_that_cannot_be_read_costs_only_itself(tmp_path):
    content = [json.dumps(LLAVA).encode(), b'{"image": "x', b"[]", b'"text"', b"\xff", b"", b"[" * 99_999]
    content.append(b'{"image": "x.jpg", "image": "y.jpg"}')  # one of the two would be lost
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*content, content[0]]))
    tables, rejects = gathered_tables(general.read(tmp_path))
    assert len(tables["questions"]) == 2
    reasons = ["malformed_line", "not_an_object", "not_an_object", *["malformed_line"] * 3]
    assert [row["reason"] for row in rejects] == reasons
    assert [row["row_id"] for row in rejects] == [f"a.jsonl:{number}" for number in (2, 3, 4, 5, 7, 8)]


@round_trip
@given(answers=st.lists(any_text, min_size=1, max_size=5))
def test_rows_in_are_rows_out_and_rejects(tmp_path_factory, answers):
    said = [one for answer in answers for one in talk("What is it?", answer)]
    captions, questions, rejects = told(tmp_path_factory.mktemp("general"), changed(LLAVA, conversations=said))
    assert len(captions) + len(questions) + len(rejects) == len(answers)
    assert [row["answer"] for row in questions] == answers


def test_no_file_is_an_error_that_says_where_to_mend_it(tmp_path):
    (tmp_path / "a.json").mkdir()
    refuses_missing(general.read, tmp_path, "jsonl is missing")


def test_a_broken_json_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "a.json").write_text('[{"image": "a.jpg"')
    refuses_missing(general.read, tmp_path, "a.json: .*broken or cut off")
    (tmp_path / "a.json").write_text(f"{json.dumps(LLAVA)}\n{json.dumps(LLAVA)}\n")
    refuses_missing(general.read, tmp_path, "a.json: .*something follows .*jsonl")


def blocks(language):
    """The blocks of a language on the page for people who bring data of their own."""
    page = (PAGES / "your-own-data.md").read_text()
    found = re.findall(rf'^( *)```{language} title="[^"]+"\n(.*?)^ *```', page, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(text) if indent else text for indent, text in found]


def test_the_example_of_the_page_is_read_whole(tmp_path):
    (example,) = blocks("json")
    (tmp_path / "talk.jsonl").write_text(example)
    tables, rejects = gathered_tables(general.read(tmp_path))
    assert rejects == [] and [row["text"] for row in tables["captions"]] == ["A red cup stands by the sink."]
    asked = {row["question"]: row for row in tables["questions"]}
    assert asked["Which hand holds it?"]["answer"] == "the left"
    assert (asked["What is cut?"]["start_s"], asked["What is cut?"]["view"]) == (3.5, "ego")
    assert (asked["Why is the pan moved?"]["category"], asked["Why is the pan moved?"]["split"]) == ("reason", "test")


def test_the_parameters_and_the_recipe_of_the_page_are_allowed(tmp_path):
    named, recipe, rule = blocks("yaml")
    assert params.data.Sources(**YAML(typ="safe").load(named)["sources"]).given() == {"general": Path("/data/mine")}
    (tmp_path / "mine.yaml").write_text(recipe)
    mine = params.load(tmp_path / "mine.yaml", params.Recipe)
    assert mine.stages[0].mixture.keys() == {"general/caption/exo", "general/qa/exo"}
    data, plan = params.load(PAGES.parent / "params/data.yaml", params.Data), Console(file=io.StringIO(), width=200)
    assert report.run(mine, data, report.Machine(gpus=None, memory_gib=80.0, tokens_per_second=None), plan) == []
    gate = params.Promotion(**YAML(typ="safe").load(rule)["promotion"])
    evaluation = params.load(PAGES.parent / "params/eval.yaml", params.Eval).model_copy(update={"promotion": gate})
    assert verdict.problems(mine, data, evaluation, promotes=True, counts=True) == []
