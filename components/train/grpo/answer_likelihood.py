"""How likely the reference model finds each answer behind its own reasoning (GRPO-CARE's consistency, updates §1.2).

TRL has the reference's log-probabilities of the completions for the KL already, before the rewards are given: what they
say of the answer's tokens costs no pass of a model.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import cast

from torch import Tensor
from trl import GRPOTrainer

from components.rewards.correctness import is_correct

NAME = "reasoning_consistency"  # of the reward that reads the two log-probabilities


def answer_tokens(ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> slice:
    """Return which tokens of a completion are the answer, between its tags; none where a tag is missing.

    Args:
        ids: of the completion.
        decode: token ids to text.
    """

    def first_with(tag: str) -> int:
        return bisect_left(range(len(ids) + 1), True, key=lambda length: tag in decode(ids[:length]))

    begin, end = first_with("<answer>"), first_with("</answer>")
    if end > len(ids):
        return slice(0, 0)
    # a tag may be several tokens
    closing = (start for start in range(end - 1, begin - 1, -1) if "</answer>" in decode(ids[start:end]))
    return slice(begin, next(closing, begin))


def with_likelihoods(
    rows: Sequence[dict], texts: Sequence[str], likelihoods: Sequence[float | None], group: int
) -> list[dict]:
    """Return what the rewards read with `answer_log_prob` and `group_log_prob`, the mean of the group's right answers.

    Args:
        rows: one for each completion.
        texts: the completions, those of a prompt one after another.
        likelihoods: mean log-probability of each answer's tokens; None where there is no answer.
        group: completions of a prompt.
    """
    told = []
    for start in range(0, len(rows), group):
        places = range(start, start + group)
        right = [
            likelihood
            for place in places
            if (likelihood := likelihoods[place]) is not None and is_correct(texts[place], rows[place])
        ]
        mean = fmean(right) if right else None
        told += [rows[place] | {"answer_log_prob": likelihoods[place], "group_log_prob": mean} for place in places]
    return told


class LikelihoodTrainer(GRPOTrainer):
    """TRL's trainer; keeps what the reference model says of the completions until the rewards are given."""

    _of_reference: Tensor | None = None

    def _get_per_token_logps_and_entropies(self, model, *given, **others):
        found = super()._get_per_token_logps_and_entropies(model, *given, **others)
        if model is self.ref_model:
            self._of_reference = found[0]
        return found

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        if NAME in self.reward_func_names:
            texts = [completion[0]["content"] for completion in completions]
            likelihoods = self._likelihoods(completion_ids_list)
            size = cast(int, self.num_generations)  # None only in a configuration that was not yet checked
            rows = with_likelihoods([example["sample"] for example in inputs], texts, likelihoods, size)
            inputs = [example | {"sample": row} for example, row in zip(inputs, rows, strict=True)]
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

    def _decoded(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids)))  # of one list it is one text

    def _likelihoods(self, completion_ids_list: Sequence[Sequence[int]]) -> list[float | None]:
        """Return the mean log-probability of each answer's tokens; None where there is no answer."""
        found = []
        for ids, log_probs in zip(completion_ids_list, cast(Tensor, self._of_reference), strict=True):
            of_answer = log_probs[: len(ids)][answer_tokens(ids, self._decoded)]
            found.append(of_answer.mean().item() if len(of_answer) else None)
        return found
