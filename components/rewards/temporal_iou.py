"""Reward for temporal grounding."""

from components.metrics import temporal_iou
from components.prompts import parse_span, split_think_answer


def temporal_iou_reward(completion: str, sample: dict) -> float | None:
    """Return the IoU of the answered interval with the true one; 0.0 where the completion holds no readable interval.

    Args:
        completion: `<think>...</think><answer>(start, end)</answer>`, seconds from the start of the window.
        sample: a row of `records.SAMPLE`.

    Returns:
        None unless the target is a span.

    >>> sample = {"target": {"kind": "span", "span": {"start_s": 2.0, "end_s": 4.0}}}
    >>> temporal_iou_reward("<think>C cuts</think><answer>(2, 6)</answer>", sample)
    0.5
    """
    target = sample["target"]
    if target["kind"] != "span":
        return None
    parts = split_think_answer(completion)
    span = parse_span(parts[1]) if parts else None
    return temporal_iou(span, (target["span"]["start_s"], target["span"]["end_s"])) if span else 0.0
