"""The second group of K-contrast (systems §3): the same prompts without the frames that show the answer.

Its completions are sampled and judged, not trained on: what they earn says whether the key frames were needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from trl import GRPOTrainer
from trl.data_utils import prepare_multimodal_messages

from components.rewards.correctness import is_correct

NAME = "key_frames_contrast"  # of the reward that reads the two accuracies


def without_key_frames(frames: Sequence[np.ndarray], salient: Sequence[int]) -> list[np.ndarray] | None:
    """Put in the place of each key frame the nearest frame that is none; None where every frame is one.

    The number of frames and their times stay, so that the prompt stays as it is.

    Args:
        frames: of a sample, in order.
        salient: numbers of the key frames.
    """
    others = np.setdiff1d(np.arange(len(frames)), salient)
    if not len(others):
        return None
    nearest = others[np.abs(others - np.arange(len(frames))[:, None]).argmin(axis=1)]
    return [frames[place] for place in nearest]


def accuracies(completions: Sequence[str], rows: Sequence[dict], group: int) -> list[float]:
    """Return for each group of completions the share that answers right.

    Args:
        completions: those of a prompt one after another.
        rows: what the rewards read, one for each completion.
        group: completions of a prompt; their number is a multiple of it.
    """
    right = [bool(is_correct(text, row)) for text, row in zip(completions, rows, strict=True)]
    return np.reshape(right, (-1, group)).mean(axis=1).tolist()


class ContrastTrainer(GRPOTrainer):
    """TRL's trainer; where the rewards ask for it, a second group of each prompt is sampled before they are given."""

    def _calculate_rewards(self, inputs, prompts, completions, completion_ids_list):
        if NAME in self.reward_func_names:
            inputs = self._contrasted(inputs, [completion[0]["content"] for completion in completions])
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)

    def _contrasted(self, inputs: list[dict], completions: list[str]) -> list[dict]:
        """Return the rows with `key_accuracy` and `rest_accuracy` of their groups, where there is a second group."""
        size = cast(int, self.num_generations)  # None only in a configuration that was not yet checked
        firsts = inputs[::size]  # TRL repeats a row for each completion
        others = [
            without_key_frames(first["images"], salient) if (salient := first["sample"]["salient_frames"]) else None
            for first in firsts
        ]
        # every rank samples something, for under ZeRO-3 all of them are needed to gather the weights
        sampled = [number for number, frames in enumerate(others) if frames is not None] or [0]
        asked = [
            prepare_multimodal_messages(firsts[number]["prompt"], images=others[number] or firsts[number]["images"])
            for number in sampled
            for _ in range(size)
        ]
        prompt_ids, images, fields = self._tokenize_prompts(asked)
        ids, _ = self._generate_single_turn(prompt_ids, images, fields, size)
        said = self._tokenizer.batch_decode(ids, skip_special_tokens=True)
        rows = [firsts[number]["sample"] for number in sampled for _ in range(size)]
        rest = dict(zip(sampled, accuracies(said, rows, size), strict=True))
        key = accuracies(completions, [example["sample"] for example in inputs], size)
        contrasted = []
        for place, example in enumerate(inputs):
            number, row = place // size, example["sample"]
            if others[number] is not None:
                row = row | {"key_accuracy": key[number], "rest_accuracy": rest[number]}
            contrasted.append(example | {"sample": row})
        return contrasted
