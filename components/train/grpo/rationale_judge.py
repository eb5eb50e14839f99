"""A language model as the judge of rationales, in the place of the match of facts (View-GRPO's r_sem, systems §5.2)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from trl import GRPOTrainer

from components import llm, params
from components.prompts import split_think_answer
from components.rewards.thought_facts import facts_of, likeness

NAME = "rationale"  # of the reward that takes the verdicts
KIND = "rationale_judge"
MOST = 10
SYSTEM = (
    "You compare how two people reasoned about a video: a reference, and a thought that is to be graded. Return "
    f"`score` from 0, nothing of the reference is in the thought, to {MOST}, it names the same actions, objects, order "
    "and times. What the thought adds that the reference does not say lowers the score; words and length do not matter."
)
SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "enum": list(range(MOST + 1))}},
    "required": ["score"],
    "additionalProperties": False,
}

logger = logging.getLogger(__name__)


def by_rule(request: llm.Request) -> dict:
    """Judge by the match of facts, where `generator` is `rules`: to try the path without a model."""
    return {"score": round(MOST * likeness(facts_of(request.facts["thought"]), facts_of(request.facts["reference"])))}


def verdicts(
    completions: Sequence[str], rows: Sequence[dict], judge: params.Llm, *, ledger_path: Path
) -> list[float | None]:
    """Return how like its reference each thought is, 0 to 1; None where there is no thought or no reference.

    Args:
        completions: what the model wrote.
        rows: what the rewards read of each.
        judge: the language model.
        ledger_path: keeps its replies, so that a resumed step asks for none of them twice.

    Raises:
        llm.StoppedError: as `llm.generate`; or a request failed in a way that another run may mend.
    """
    requests = dict(_requests(completions, rows))
    settings = llm.settings_of(judge.model_dump())
    results = llm.generate(requests.values(), settings, rules={KIND: by_rule}, ledger_path=ledger_path)
    settled = llm.all_settled(results, what="verdicts about thoughts", ledger_path=ledger_path)
    rejected = Counter(result.reason for result in settled if isinstance(result, llm.Reject))
    if rejected:
        logger.warning(
            "%d of %d thoughts earn 0, for they were not judged: %s", rejected.total(), len(settled), rejected
        )
    scores: list[float | None] = [None] * len(rows)
    for place, result in zip(requests, settled, strict=True):
        scores[place] = 0.0 if isinstance(result, llm.Reject) else result.value["score"] / MOST
    return scores


def _requests(completions: Sequence[str], rows: Sequence[dict]) -> Iterable[tuple[int, llm.Request]]:
    for place, (completion, row) in enumerate(zip(completions, rows, strict=True)):
        said, reference = split_think_answer(completion), split_think_answer(row["answer"])
        if said and said[0] and reference and reference[0]:
            user = f"Reference: {reference[0]}\nThought: {said[0]}"
            facts = {"thought": said[0], "reference": reference[0]}
            yield place, llm.Request(f"{KIND}/{place}", KIND, SYSTEM, user, SCHEMA, facts)


class JudgedTrainer(GRPOTrainer):
    """TRL's trainer; where a language model judges rationales, it does before the rewards are given.

    Args:
        judge: the language model; None: facts are matched.
        verdicts_folder: takes a ledger for each rank, `rank-0.jsonl`.
        given: what TRL's trainer takes.
    """

    def __init__(self, *, judge: params.Llm | None = None, verdicts_folder: Path, **given):
        super().__init__(**given)
        self.judge, self.verdicts_folder = judge, verdicts_folder

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        if self.judge and NAME in self.reward_func_names:
            texts = [completion[0]["content"] for completion in completions]
            path = self.verdicts_folder / f"rank-{self.accelerator.process_index}.jsonl"
            judged = verdicts(texts, [example["sample"] for example in inputs], self.judge, ledger_path=path)
            inputs = [
                example | {"sample": example["sample"] | {"judged": score}}
                for example, score in zip(inputs, judged, strict=True)
            ]
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
