"""Open answers judged by a language model: whether they mean the same as the right one, and how nearly, 0 to 5.

EgoTempo's authors ask a model for these two values; the words of the prompt are this project's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from components import llm, params, prompts
from components.benchmarks.runner.rows import Answered
from components.benchmarks.shared.sample import Text

KIND = "benchmark_judge"
MOST = 5
SYSTEM = (
    "You compare an answer about a video with the right one. Words may differ; what is meant must be the same. Return "
    f"`correct`, and `score` from 0, nothing in common, to {MOST}, the same meaning."
)
SCHEMA = {
    "type": "object",
    "properties": {"correct": {"type": "boolean"}, "score": {"type": "integer", "enum": list(range(MOST + 1))}},
    "required": ["correct", "score"],
    "additionalProperties": False,
}


def by_rule(request: llm.Request) -> dict:
    """Judge by equal words, where `llm.generator` of params/data.yaml is `rules`: a lower bound without a model."""
    same = prompts.same_words(request.facts["answer"], request.facts["right"])
    return {"correct": same, "score": MOST if same else 0}


def judged(answers: Sequence[Answered], judge: params.Llm, *, ledger_path: Path) -> list[Answered]:
    """Return the answers with two more scores: `judge`, whether each is correct, and `judge_score`, 0 to 1.

    Rules are no model: their scores are `rule_judge` and `rule_judge_score`. What cannot be read is wrong, and not
    asked about.

    Args:
        answers: to open questions.
        judge: the language model (`llm` of params/data.yaml).
        ledger_path: keeps its replies, so that no answer is judged twice.

    Raises:
        llm.StoppedError: as `llm.generate`; or an answer could not be judged: run again to judge the rest.
    """
    name = "rule_judge" if judge.generator == "rules" else "judge"
    readable = [each for each in answers if each.answer is not None]
    settings = llm.settings_of(judge.model_dump())
    verdicts = llm.generate(map(_request, readable), settings, rules={KIND: by_rule}, ledger_path=ledger_path)
    of_items = {}
    for each, verdict in zip(readable, verdicts, strict=True):
        if isinstance(verdict, llm.Reject):
            raise llm.StoppedError(
                f"the answer to {each.sample.sample_id} was not judged ({verdict.reason}: {verdict.detail}); what was "
                f"judged is in {ledger_path}, run again to ask for the rest"
            )
        of_items[each.item.key] = {
            name: float(verdict.value["correct"]),
            f"{name}_score": verdict.value["score"] / MOST,
        }
    wrong = {name: 0.0, f"{name}_score": 0.0}
    return [replace(each, scores={**(each.scores or {}), **of_items.get(each.item.key, wrong)}) for each in answers]


def _request(each: Answered) -> llm.Request:
    target = each.sample.target
    if not isinstance(target, Text):
        raise TypeError(f"{type(target).__name__} came, a judge compares texts")
    right = " / ".join(target.answers)
    user = f"Question: {each.sample.question}\nRight answer: {right}\nAnswer: {each.answer}"
    facts = {"answer": each.answer, "right": target.answers[0]}
    return llm.Request("/".join(each.item.key), KIND, SYSTEM, user, SCHEMA, facts)
