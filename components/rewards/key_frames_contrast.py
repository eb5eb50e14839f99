"""Reward for answers that the key frames carry (K-contrast, systems §3)."""

from components.rewards.right import is_right

BONUS = 0.3  # of Video-R1's ordered against shuffled frames
MARGIN = 0.8  # the key frames need only reach this share of the other frames' accuracy


def key_frames_contrast_reward(completion: str, sample: dict) -> float | None:
    """Return 0.3 to a right answer seen on key frames, where a group shown the other frames does no better; else 0.0.

    Both accuracies belong to the whole group, so whoever calls this must have let two groups answer the prompt: one
    shown the salient frames, whose completions are rewarded, and one shown the others, which is only counted. The
    accuracy of a group is the mean of `right.is_right` over its completions.

    Args:
        completion: an answer of the group that was shown the key frames.
        sample: a row of `records.SAMPLE`, with `accuracy_key_frames` and `accuracy_other_frames`, 0 to 1.

    Returns:
        None for a caption, and where one of the two groups did not answer.

    >>> sample = {"question_type": "hand", "accuracy_key_frames": 0.5, "accuracy_other_frames": 0.6}
    >>> sample["target"] = {"kind": "choice", "choices": ["left", "right"], "answer_index": 0}
    >>> key_frames_contrast_reward("left", sample), key_frames_contrast_reward("right", sample)
    (0.3, 0.0)
    """
    key, other = sample.get("accuracy_key_frames"), sample.get("accuracy_other_frames")
    right = is_right(completion, sample)
    if key is None or other is None or right is None:
        return None
    return BONUS if right and key >= MARGIN * other else 0.0
