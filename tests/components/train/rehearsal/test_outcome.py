"""What a rehearsal tells, also where it did not come to its end."""

import json
from dataclasses import replace

from rich.console import Console

from components.train.rehearsal import outcome
from components.train.rehearsal.outcome import Measured, Outcome, Part, TinyBase

PART = Part(
    part="egore/qa/ego", shown=3, drawn=50, beyond_context=0.0, beyond_text_tokens=0.1, answers_cut=0.36,
    answers_read=0.64, applies={"format": 0.04, "choice": 1.0}, earned={"choice": 0.5},
)  # fmt: skip
STAGE = Measured(
    stage="grpo", algorithm="grpo", steps=3, ranks=2, zero_stage=3,
    trained={"language_model": 38944, "vision_encoder (LoRA)": 512}, gradient={"vision_encoder": 0.2},
    first_loss=1.25, last_loss=1.0, seconds=12.0, evaluation_s=None, completions_cut=0.5,
    evaluated={"ground_spatial": 8, "ground_spatial/format": 0.25, "qa": 7}, answer_tokens=1024, mixture=[PART],
)  # fmt: skip
WHOLE = Outcome(
    recipe="egovlm", data="world", stages=[STAGE], missing=[], bases=[TinyBase("Qwen/X", "/tiny", "twin")],
    smaller=[("stages.grpo.max_steps", 1200, 3)], decision="first model", exported=["config.json"], seconds=61.0,
)  # fmt: skip


def printed(of: Outcome) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        for each in outcome.shown(of):
            console.print(each)
    return capture.get()


def cells(of: Outcome, name: str) -> list[tuple[str, ...]]:
    return next(rows for title, _, rows in outcome.tables(of) if title == name)


def test_every_table_has_its_numbers():
    assert cells(WHOLE, "Stages") == [
        (
            "grpo",
            "grpo, 3 steps, 2 × ZeRO-3",
            "language_model 38,944, no gradient; vision_encoder (LoRA) 512",
            "1.25 → 1",
            "12 s",
        )
    ]
    assert cells(WHOLE, "Samples") == [("grpo", "egore/qa/ego", "3", "0%", "10%", "36% at 1024", "64%")]
    assert cells(WHOLE, "Rewards") == [
        ("grpo", "egore/qa/ego", "format", "4%", "–", "50%"),
        ("grpo", "egore/qa/ego", "choice", "100%", "0.50", "50%"),
    ]
    assert cells(WHOLE, "Evaluation") == [("grpo", "ground_spatial", "8", "25%", "–"), ("grpo", "qa", "7", "–", "–")]
    assert all(len(row) == len(columns) for _, columns, rows in outcome.tables(WHOLE) for row in rows)


def test_a_stage_that_did_not_finish_is_named_with_what_stopped_it():
    broken = replace(WHOLE, missing=["sft2"], error="mixture names ['a/b/ego']", decision=None, exported=())
    for told in (printed(broken), outcome.markdown(broken)):
        assert "not finished: sft2" in told and "mixture names ['a/b/ego']" in told
        assert "38,944" in told, "the stages before it are shown"


def test_files_hold_every_number(tmp_path):
    as_json, as_markdown = outcome.write(WHOLE, tmp_path / "new")
    told = json.loads(as_json.read_text())
    assert told["stages"][0]["mixture"][0]["applies"] == {"format": 0.04, "choice": 1.0}
    assert told["smaller"] == [["stages.grpo.max_steps", 1200, 3]]
    assert "| stages.grpo.max_steps | 1200 | 3 |" in as_markdown.read_text()
