"""EgoRe written by a language model: right replies become samples, wrong ones rejects, a second run costs nothing."""

import json
import re
from collections import Counter

import pytest

from components.data import __main__ as command
from components.data import dataset
from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.data.egore import step as build
from components.data.egore.llm_written import prompts, replies, segments
from components.prompts import split_think_answer
from tests.components.data.conftest import changed, read, write_annotations
from tests.components.llm.misbehaving import said, says, status

RIGHT = {"question": "what is it made of?", "answer": "wood", "wrong_answers": ["steel", "glass", "paper"]}


def types_of(body: dict) -> list[str]:
    return re.findall(r"^- (\w+): ", body["messages"][1]["content"], re.MULTILINE)


def writes(handler, body) -> None:
    """One question of the first type that is asked for; a chain where more than one thing is told."""
    prompt = body["messages"][1]["content"]
    if types := types_of(body):
        number = len(prompt)
        asked = {**RIGHT, "question_type": types[0], "question": f"what is it made of, in clip {number}?"}
        handler.send(200, said(json.dumps({"questions": [asked]})))
        return
    suitable = prompt.count(" s: ") > 1
    chain = {"question": "what was it for?", "thought": "it was cut. then it was eaten", "answer": "a meal"}
    empty = dict.fromkeys(chain, "")
    made = {"suitable": suitable, "reason": "one step only", **(chain if suitable else empty)}
    handler.send(200, said(json.dumps(made)))


@pytest.fixture
def asking(data_params):
    """The parameters of a person who lets a model write EgoRe."""
    asked = changed(data_params, "llm", generator="openai", model="tiny", concurrency=1, backoff_s=0.0, tries=2)
    return changed(asked, "egore", cot_fraction=0.3, rationale_share=0.0)


@pytest.fixture
def clipped(tmp_path, rows, data_params):
    """Few takes with narrations and labels of free text, which no grammar reads."""
    takes = {"take-0", "take-1", "take-3"}
    few = {name: [row for row in table if row.get("take_id", "take-0") in takes] for name, table in rows.items()}
    for table in ("narrations", "intervals"):
        for row in few[table]:
            row["text"] = f"#C C handles thing {row['text'][2:7]}"
    data_dir = write_annotations(tmp_path / "data", few)
    clips.run(data_params, data_dir)
    return data_dir


def test_free_narrations_become_samples_and_a_second_run_costs_no_call(server, clipped, asking):
    server.otherwise = writes
    made = build.run(asking, clipped)
    assert all(came == went + dropped for _, came, went, dropped in made["row_counts"])
    samples = read(clipped, "egore/samples")
    asked = [row for row in samples if row["task"] == "qa" and row["question_type"] != "cot"]
    ego = [row["clip_id"] for row in read(clipped, "clips/clips") if row["view"] == "ego"]
    videos = {row["video_id"] for row in read(clipped, "annotations/videos") if row["view"] == "ego"}
    assert sorted(row["parents"][0] for row in asked) == sorted([*ego, *videos])
    assert {row["question_type"] for row in asked} == {"existence", "count", "sequence"}
    assert {row["frame_kind"] for row in asked if row["question_type"] == "existence"} == {"clip"}
    assert {row["frame_kind"] for row in asked if row["question_type"] != "existence"} == {"window"}
    for row in asked:
        choices = row["target"]["choices"]
        assert choices[row["target"]["answer_index"]] == row["answer"] == "wood"
        assert set(choices) == {"wood", *RIGHT["wrong_answers"]}
    calls, first = len(server.calls), (clipped / "egore/samples.parquet").read_bytes()
    assert calls == len((clipped / "ledger/egore.jsonl").read_text().splitlines())
    assert build.run(asking, clipped) == made
    assert (len(server.calls), (clipped / "egore/samples.parquet").read_bytes()) == (calls, first)


def test_the_model_judges_what_deserves_a_chain_of_thought(server, clipped, asking):
    server.otherwise = writes
    made = build.run(asking, clipped)
    thoughts = [row for row in read(clipped, "egore/samples") if row["question_type"] == "cot"]
    unfit = [row for row in read(clipped, "egore/rejects") if row["reason"] == "not_suitable"]
    judged = {name: counts for name, *counts in made["row_counts"]}["chains of thought"]
    assert judged == [len(thoughts) + len(unfit), len(thoughts), len(unfit)]
    assert thoughts and unfit
    for row in thoughts:
        assert split_think_answer(row["answer"]) == ("it was cut. then it was eaten", "a meal")
        assert (row["target"]["kind"], row["target"]["text"]) == ("text", "a meal")
        assert row["question"] == "what was it for? reason in think, then answer."
    assert {row["detail"] for row in unfit} == {"one step only"}


def test_the_tables_keep_their_contract(server, clipped, asking):
    server.otherwise = writes
    egoit.run(changed(asking, "llm", generator="rules"), clipped)
    counts = command.run("egore", asking, clipped)
    assert counts["qa/cot"] and counts["qa/sequence"]
    dataset.run(asking, clipped)
    assert (clipped / "gx/uncommitted/data_docs/local_site/expectations/egore/samples.html").is_file()


def test_the_prompt_tells_what_is_known_of_the_segment(clipped, asking):
    asked = list(build.requests(asking, clipped))
    kinds = Counter(request.kind for request in asked)
    assert kinds[prompts.LONG] == 3 and kinds[prompts.COT] > 3
    assert len({request.request_id for request in asked}) == len(asked)
    long = next(request for request in asked if request.kind == prompts.LONG)
    assert "lasts 16.0 s" in long.user and "3.0 to 5.0 s: #C C handles thing" in long.user
    assert re.findall(r"^- (\w+)", long.user, re.MULTILINE) == list(segments.LONG)
    assert "at most 4 questions" in long.user and "up to 3 wrong answers" in long.user
    short = [request for request in asked if request.kind == prompts.SHORT]
    of_types = Counter(tuple(re.findall(r"^- (\w+)", request.user, re.MULTILINE)) for request in short)
    assert set(of_types) == {segments.CLIP, segments.WINDOW}
    assert any("Seen in it: " in request.user and "left hand" in request.user for request in short)
    windows = [request for request in short if "- count" in request.user]
    assert all(request.user.count(" s: #C") >= 2 for request in windows)


WRONG = {
    "unknown_question_type": {"question_type": "smell"},
    "empty_text": {"answer": " \n"},
    "answer_is_wrong_too": {"wrong_answers": ["steel", "Wood"]},
    "wrong_answer_repeats": {"wrong_answers": ["steel", "steel"]},
    "too_many_wrong_answers": {"wrong_answers": ["a", "b", "c", "d"]},
    "answer_in_question": {"question": "is it made of Wood or of something else?"},
    "path_in_question": {"question": "what is in takes/a/cam01.mp4?"},
    "tag_in_text": {"answer": "wood</answer>"},
}


@pytest.mark.parametrize("reason", WRONG)
def test_a_question_that_breaks_a_rule_is_rejected(server, clipped, asking, reason):
    def spoils(handler, body):
        types = types_of(body)
        first = {**RIGHT, "question_type": (types or [""])[0]}
        questions = [first | WRONG[reason], first, first]
        empty = {"suitable": False, "reason": "", "question": "", "thought": "", "answer": ""}
        handler.send(
            200, said(json.dumps({"questions": questions[: 3 if "sequence" in types else 2]} if types else empty))
        )

    server.otherwise = spoils
    made = build.run(asking, clipped)
    assert all(came == went + dropped for _, came, went, dropped in made["row_counts"])
    rejects = Counter(row["reason"] for row in read(clipped, "egore/rejects"))
    segments_asked = sum(request.kind != prompts.COT for request in build.requests(asking, clipped))
    # the right one beside it stays; where it comes twice, once
    assert rejects[reason] == segments_asked and rejects["question_repeats"] == 3
    kept = [row for row in read(clipped, "egore/samples") if row["task"] == "qa"]
    assert {row["question"] for row in kept} == {RIGHT["question"]} and len(kept) == segments_asked


@pytest.mark.parametrize(
    ("question", "answer", "wrong", "reason"),
    [
        ("left or right hand?", "left", ["right"], ""),
        ("is there a cup?", "yes", ["no"], ""),
        ("which woodwork is it?", "wood", ["steel"], ""),
        ("is the red cup used?", "red cup", ["a bowl"], "answer_in_question"),
        ("what?", "this", [], "empty_text"),
    ],
)
def test_rules_of_a_question(question, answer, wrong, reason):
    assert replies.broken(question, answer, wrong, count=3) == reason


def test_a_refusal_is_a_reject_and_a_failing_network_makes_no_data(server, clipped, asking):
    server.script, server.otherwise = [says(None, refusal="no")], writes
    build.run(asking, clipped)
    refused = [row for row in read(clipped, "egore/rejects") if row["reason"] == "refused"]
    assert len(refused) == 1 and refused[0]["row_id"].startswith("egore.short/")
    (clipped / "egore/samples.parquet").unlink()
    (clipped / "ledger/egore.jsonl").unlink()
    server.script, server.otherwise = [writes, status(503), status(503)], writes
    with pytest.raises(ValueError, match=r"StoppedError: 1 of \d+ requests for questions.*http_503.*run again"):
        build.run(asking, clipped)
    assert not (clipped / "egore/samples.parquet").exists()
    calls = len(server.calls)
    build.run(asking, clipped)
    assert len(server.calls) == calls + 1


def test_a_window_of_a_take_with_a_rejected_event_is_not_asked_about(server, clipped, asking):
    from components import records

    lost = {"step": "annotations/egoexolearn", "row_id": "take-1/x", "reason": "end_before_start", "detail": ""}
    records.write_table(clipped / "annotations/rejects.parquet", [lost], records.REJECT)
    server.otherwise = writes
    made = build.run(asking, clipped)
    assert ("long windows", 3, 2, 1) in made["row_counts"]
    assert {row["reason"] for row in read(clipped, "egore/rejects")} >= {"take_has_rejected_event"}


def test_what_comes_after_a_window_is_told_to_predict_it():
    import pandas as pd

    shared = {"source": "s", "take_id": "t", "split": "train", "video_id": "v", "view": "ego", "labels": "s/v"}
    texts = [(0, 1.0, "cuts"), (0, 3.0, "stirs"), (1, 21.0, "eats")]
    events = pd.DataFrame(
        [
            {**shared, "window": window, "start_s": t, "end_s": t + 1, "text": text}
            | {"window_start_s": 20.0 * window, "window_end_s": 20.0 * window + 20}
            for window, t, text in texts
        ]
    )
    made, dropped = segments.of_windows(events, pd.DataFrame({"step": [], "row_id": []}, dtype=str), min_s=0.0)
    assert dropped.empty
    assert made["after"].tolist() == ["eats", None]
    assert made["narrations"].tolist() == ["1.0 to 2.0 s: cuts\n3.0 to 4.0 s: stirs", "1.0 to 2.0 s: eats"]
    assert [types[-1] for types in made["types"]] == ["prediction", "reasoning"]
    planned = replies.plan(made.iloc[:0], made, cot_fraction=0.0, seed=0)
    first, last = prompts.requests(planned, counts={prompts.LONG: 2, prompts.SHORT: 1}, choices=4)
    assert "Right after it, and not shown: eats" in first.user and "- prediction" in first.user
    assert "Right after it" not in last.user and "prediction" not in last.user


def test_a_dry_run_says_calls_and_tokens_and_asks_nobody(server, clipped, asking, data_params):
    before = sorted(clipped.rglob("*"))
    told = command.dry_run("egore", asking, clipped)
    count = len(list(build.requests(asking, clipped)))
    assert f"{count} requests, {count} of them distinct, 0 in the ledger: {count} calls, about" in told
    assert ": 0 calls" in command.dry_run("egore", data_params, clipped)
    assert (sorted(clipped.rglob("*")), server.calls) == (before, [])
