"""A budget that would cut perfect answers is told before anything is answered; the default one cuts none."""

import logging
from pathlib import Path

import pyarrow.compute as pc
import pytest

from components import params, records
from components.evaluation import budget
from components.evaluation.items import of_task
from components.evaluation.replies import batches
from tests.components import tiny_qwen

ROOT = Path(__file__).parents[3]
BOX = "<think>the red cup is on the left</think><answer>[12, 32, 40, 56]</answer>"


def words(texts: list[str]) -> list[int]:
    return [len(text.split()) + 1 for text in texts]


def sample(answer: str, kind: str, *, reasoned: bool = False) -> dict:
    return {"answer": answer, "target": {"kind": kind}, "reasoned": reasoned}


def test_answers_that_do_not_fit_even_without_a_thought_are_refused_all_tasks_at_once():
    options = [sample("a " * n, "choice") for n in (3, 5, 7, 9)]
    asked = {"what": options, "where": [sample(BOX.replace(", ", " , "), "box")]}
    budget.check(asked, count_tokens=words, max_new_tokens=10)
    with pytest.raises(
        ValueError,
        match=r"max_new_tokens 7 came.*what: 50.0% of answers are longer, up to 10 tokens; where: 100.0%.*"
        "`max_new_tokens` of the stage in the recipe.*params/eval.yaml",
    ):
        budget.check(asked, count_tokens=words, max_new_tokens=7)


def test_a_caption_and_a_thought_that_would_be_cut_are_only_warned_of(caplog):
    asked = {"caption_ego": [sample("a " * 8, "text")], "where": [sample(BOX, "box")] * 2}
    with caplog.at_level(logging.WARNING):
        budget.check(asked, count_tokens=words, max_new_tokens=8)
    assert "caption_ego: max_new_tokens 8 is little: 100.0% of perfect answers are longer, up to 9" in caplog.text
    assert "where: max_new_tokens 8 is little: 100.0% of perfect answers are longer, up to 11 tokens" in caplog.text


def test_an_answer_behind_a_thought_needs_its_tags():
    assert budget.shortest_answer(sample("cup", "choice")) == "cup"
    assert budget.shortest_answer(sample("cup", "choice", reasoned=True)) == "<think></think><answer>A</answer>"
    assert budget.shortest_answer(sample(BOX, "box")) == "<think></think><answer>[12, 32, 40, 56]</answer>"


def test_the_default_budget_cuts_no_perfect_answer_of_a_qwen_tokenizer(tiny_data, caplog):
    tokenizer = tiny_qwen.tokenizer()
    table = records.read_table(tiny_data / "dataset" / "samples.parquet", records.SAMPLE)
    held_out = table.filter(pc.equal(table["split"], "test"))
    settings = params.load(ROOT / "params" / "eval.yaml", params.Eval)
    asked = {task: of_task(held_out, task).to_pylist() for task in ("caption_ego", "qa", "ground_spatial")}
    asked |= {task: of_task(held_out, task).to_pylist() for task in ("ground_temporal", "verify_ego", "verify_exo")}
    asked = {task: [row | {"reasoned": True} for row in rows] for task, rows in asked.items()}
    assert all(asked.values())

    def count(texts: list[str]) -> list[int]:
        return [len(ids) + 1 for ids in tokenizer(texts)["input_ids"]]

    with caplog.at_level(logging.WARNING):
        budget.check(asked, count_tokens=count, max_new_tokens=settings.max_new_tokens)
        assert not caplog.records
        with pytest.raises(ValueError, match="max_new_tokens 16 came.*ground_spatial: 100.0%"):
            budget.check(asked, count_tokens=count, max_new_tokens=16)
    assert "ground_spatial: max_new_tokens 16 is little: 100.0%" in caplog.text


@pytest.mark.parametrize(
    ("most", "answers", "expected"),
    [
        (1, 1, [[1], [3], [0], [4]]),  # one alone is a batch, whatever it holds
        (59, 1, [[1], [3], [0], [4]]),
        (60, 1, [[1, 3], [0], [4]]),
        (180, 1, [[1, 3, 0], [4]]),
        (280, 1, [[1, 3, 0, 4]]),
        (279, 1, [[1, 3, 0], [4]]),
        (80, 2, [[1, 3], [0], [4]]),
        (79, 2, [[1], [3], [0], [4]]),
    ],
)
def test_a_batch_holds_a_budget_of_tokens_padding_and_answers_counted(most, answers, expected):
    found = batches([50, 10, 91, 20, 60], new_tokens=10, most_tokens=most, context_tokens=100, answers=answers)
    assert found == expected, "that of 91 does not fit the context"
