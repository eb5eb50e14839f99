"""Instructions of the source datasets, by rule and by an endpoint."""

import json

import pytest

from components import llm
from components.data import __main__ as command
from components.data.clips import step as clips
from components.data.egoit import instruction_generation
from components.data.egoit import step as egoit
from tests.components.data.conftest import changed, read, write_annotations
from tests.components.llm.misbehaving import said, says, status


def writes(handler, body) -> None:
    """Ten instructions that begin with the one in the prompt's example."""
    example = body["messages"][1]["content"].split("Example of an instruction: ")[1].split("\n")[0]
    made = {"instructions": [f"{example} ({number})" for number in range(10)]}
    handler.send(200, said(json.dumps(made)))


@pytest.fixture
def asking(data_params):
    """The parameters of a person who lets a model write the instructions."""
    return changed(data_params, "llm", generator="openai", model="tiny", concurrency=1, backoff_s=0.0, tries=2)


@pytest.fixture
def clipped(annotated, data_params):
    clips.run(data_params, annotated)
    return annotated


def test_every_source_with_instructions_is_described():
    assert {source for written in egoit.TEMPLATES.values() for source in written} == set(
        instruction_generation.DATASETS
    )
    assert set(egoit.TEMPLATES) == set(instruction_generation.TASKS)


def test_the_prompt_has_dataset_task_and_example():
    request, *_ = instruction_generation.requests("captioning", egoit.CAPTIONING, count=10)
    assert request.user.startswith("Dataset: Ego-Exo4D")
    assert "Task: Given a short clip" in request.user
    assert f"Example of an instruction: {egoit.CAPTIONING['egoexo4d'][0]}" in request.user
    assert "Write 10 instructions" in request.user


def test_the_rules_give_what_is_written_by_hand(tmp_path):
    asked = [
        request
        for task, written in egoit.TEMPLATES.items()
        for request in instruction_generation.requests(task, written, count=10)
    ]
    made, failed = instruction_generation.generated(asked, llm.Settings(), ledger_path=tmp_path / "l.jsonl")
    assert made == egoit.TEMPLATES
    assert failed.empty and not list(tmp_path.iterdir())


def test_an_endpoint_writes_the_instructions_once(server, clipped, asking):
    server.otherwise = writes
    counts = egoit.run(asking, clipped)["counts"]
    asked = {row["question"] for row in read(clipped, "egoit/samples")}
    assert asked >= {f"what does C do? ({number})" for number in range(10)}
    assert all(question.endswith(")") for question in asked)
    assert len(server.calls) == 3
    samples = (clipped / "egoit/samples.parquet").read_bytes()
    # DVC deletes the outputs before a run; the ledger is none
    (clipped / "egoit/samples.parquet").unlink()
    assert egoit.run(asking, clipped)["counts"] == counts
    assert (len(server.calls), (clipped / "egoit/samples.parquet").read_bytes()) == (3, samples)
    assert len((clipped / "ledger/egoit.jsonl").read_text().splitlines()) == 3


def test_only_sources_that_the_data_has_are_asked_about(server, tmp_path, rows, data_params, asking):
    for row in rows["intervals"]:
        row["source"] = "unheard-of"
    data_dir = write_annotations(tmp_path, rows)
    clips.run(data_params, data_dir)
    server.otherwise = writes
    egoit.run(asking, data_dir)
    assert len(server.calls) == 1


def test_a_source_without_instructions_is_rejected_row_by_row(server, clipped, asking):
    server.script = [writes, writes, says(None, refusal="no")]
    made = egoit.run(asking, clipped)
    rejects = {row["row_id"]: row["reason"] for row in read(clipped, "egoit/rejects")}
    assert rejects.pop("egoit.instructions/recognition/egoexolearn") == "refused"
    assert len(rejects) == 60 and set(rejects.values()) == {"no_instructions"}
    assert ("requests", 3, 2, 1) in made["row_counts"]
    assert all(before == after + rejected for _, before, after, rejected in made["row_counts"])


def test_instructions_that_repeat_are_no_ten(server, clipped, asking):
    server.otherwise = says(json.dumps({"instructions": ["what?"] * 10}))
    egoit.run(asking, clipped)
    rejects = {row["reason"]: row["detail"] for row in read(clipped, "egoit/rejects")}
    assert "has non-unique elements" in rejects["wrong_schema"]
    assert len(server.calls) == 6


def test_a_failing_network_makes_no_data(server, clipped, asking):
    server.script, server.otherwise = [writes, writes], status(503)
    with pytest.raises(llm.StoppedError, match=r"1 of 3 requests.*egoexolearn \(http_503.*run again"):
        egoit.run(asking, clipped)
    assert not (clipped / "egoit").exists()
    server.otherwise = writes
    egoit.run(asking, clipped)
    assert len(server.calls) == 5


def test_a_model_may_write_more_than_a_hand_did(server, clipped, asking):
    made = {"instructions": [f"instruction {number}" for number in range(12)]}
    server.otherwise = says(json.dumps(made))
    egoit.run(changed(asking, "egoit", instructions_per_dataset=12), clipped)
    assert {row["question"] for row in read(clipped, "egoit/samples")} == set(made["instructions"])


def test_a_dry_run_calls_nobody(server, clipped, asking, data_params):
    before = sorted(clipped.rglob("*"))
    assert "3 requests, 3 of them distinct, 0 in the ledger: 3 calls, about" in command.dry_run(
        "egoit", asking, clipped
    )
    assert "rules: 3 requests" in (told := command.dry_run("egoit", data_params, clipped)) and ": 0 calls" in told
    assert "asks nothing of a language model" in command.dry_run("clips", asking, clipped)
    assert (sorted(clipped.rglob("*")), server.calls) == (before, [])
