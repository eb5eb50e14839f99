"""The completions of the other view, for the rewards that compare views (View-GRPO, systems §5.2).

Both views of a query are sampled in one step and on one rank (paired_samples.py), so they meet here, where all
completions of a rank's prompts are, before the rewards are given. Groups stay those of TRL, one for each prompt:
advantages compare completions of one view alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from trl import GRPOTrainer

_OTHER = {"ego": "exo", "exo": "ego"}


def with_other_view(inputs: Sequence[dict], completions: Sequence[str]) -> list[dict]:
    """Return the rows with `other_view` in what the rewards read: all completions of the query in the other view.

    Args:
        inputs: TRL's rows, one for each completion, of paired samples.
        completions: as text.

    Raises:
        ValueError: a query is asked of one view alone.
    """
    said = defaultdict(list)
    for example, text in zip(inputs, completions, strict=True):
        said[example["sample"]["query"], example["sample"]["view"]].append(text)
    rows = []
    for example in inputs:
        row = example["sample"]
        other = _OTHER[row["view"]]
        if not (others := said.get((row["query"], other))):
            raise ValueError(
                f"{row['view']} sample {example['sample_id']} came to a rank without its {other} view; "
                "`train_batch_size` divided by the ranks must be even"
            )
        rows.append(example | {"sample": row | {"other_view": others}})
    return rows


class CrossViewTrainer(GRPOTrainer):
    """TRL's trainer; where prompts come in pairs of views, a reward reads what the other view was answered."""

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        if "query" in inputs[0]["sample"]:
            inputs = with_other_view(inputs, [completion[0]["content"] for completion in completions])
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
