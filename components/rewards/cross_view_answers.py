"""Reward for answering as the other view does, where that is right (ours, systems §8)."""

from statistics import fmean

from components.metrics import temporal_iou
from components.prompts import parse_span, split_think_answer
from components.rewards.correctness import is_correct


def cross_view_answers_reward(completion: str, sample: dict) -> float | None:
    """Return how much the answer agrees with one of the other view, times the mean accuracy of both; the mean of all.

    Two intervals agree by their IoU, and are accurate by that with the true one; two options agree where they are the
    same. So agreeing on what is wrong earns nothing, and neither does being right alone.

    Args:
        completion: what the model wrote.
        sample: a row of `records.SAMPLE` with `reasoned`, whether the prompt asks for a thought, and `other_view`, all
            completions of the same query asked of the other view (components/train/grpo/cross_view.py).

    Returns:
        None where the query is not asked of another view in this step, or its target is neither span nor choice.

    >>> target = {"kind": "span", "span": {"start_s": 2.0, "end_s": 6.0}}
    >>> sample = {"target": target, "other_view": ["<think>so</think><answer>(2, 4)</answer>"]}
    >>> cross_view_answers_reward("<think>so</think><answer>(2, 6)</answer>", sample)
    0.375
    """
    target, others = sample["target"], sample.get("other_view")
    if not others or target["kind"] not in ("span", "choice"):
        return None
    agreement = _of_spans if target["kind"] == "span" else _of_options
    return fmean(agreement(completion, other, sample) for other in others)


def _of_spans(one: str, other: str, sample: dict) -> float:
    truth = (sample["target"]["span"]["start_s"], sample["target"]["span"]["end_s"])
    mine, theirs = (parse_span(parts[1]) if (parts := split_think_answer(text)) else None for text in (one, other))
    if mine is None or theirs is None:
        return 0.0
    return temporal_iou(mine, theirs) * (temporal_iou(mine, truth) + temporal_iou(theirs, truth)) / 2


def _of_options(one: str, other: str, sample: dict) -> float:
    # the same option is right for both or for neither
    return float(bool(is_correct(one, sample) and is_correct(other, sample)))
