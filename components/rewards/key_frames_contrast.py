"""Reward for an answer that rests on the frames that show it (K-contrast, systems §3)."""

from components.rewards.correctness import is_correct

_SHARE = 0.8  # of the second group's accuracy that the group with the key frames must reach, µ of systems §3


def key_frames_contrast_reward(completion: str, sample: dict) -> float | None:
    """Return 1.0 for a right answer of a group that answers about as well as one without the key frames, or better.

    Systems §3 gives such an answer 0.3: the weight of the reward.

    Args:
        completion: what the model wrote, shown all frames.
        sample: a row of `records.SAMPLE`, with `key_accuracy`, the share of right answers in the completion's group,
            and `rest_accuracy`, that of a second group which was shown other frames in the place of the key frames
            (components/train/grpo/contrast.py).

    Returns:
        None where no second group was sampled: the salient frames are not known, or there are no others.

    >>> choice = {"kind": "choice", "choices": ["red", "blue"], "answer_index": 0}
    >>> row = {"target": choice, "reasoned": False, "key_accuracy": 0.75, "rest_accuracy": 0.25}
    >>> key_frames_contrast_reward("red", row), key_frames_contrast_reward("blue", row)
    (1.0, 0.0)
    """
    if sample.get("rest_accuracy") is None:
        return None
    helped = sample["key_accuracy"] >= _SHARE * sample["rest_accuracy"]
    return float(helped and bool(is_correct(completion, sample)))
