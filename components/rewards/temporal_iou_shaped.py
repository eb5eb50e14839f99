"""Reward for temporal grounding that also draws each end to its place (EvoGround's, updates §1.1)."""

from components.metrics import temporal_iou
from components.prompts import parse_span, split_think_answer


def temporal_iou_shaped_reward(completion: str, sample: dict) -> float | None:
    """Return IoU · (1 - |Δstart| / d) · (1 - |Δend| / d), d the length of the window; 0.0 without a readable interval.

    Args:
        completion: `<think>...</think><answer>(start, end)</answer>`, seconds from the start of the window.
        sample: a row of `records.SAMPLE`.

    Returns:
        None unless the target is a span.

    >>> sample = {"target": {"kind": "span", "span": {"start_s": 2.0, "end_s": 4.0}}}
    >>> sample["media"] = [{"start_s": 30.0, "end_s": 46.0}]
    >>> temporal_iou_shaped_reward("<think>C cuts</think><answer>(2, 6)</answer>", sample)
    0.4375
    """
    target = sample["target"]
    if target["kind"] != "span":
        return None
    parts = split_think_answer(completion)
    span = parse_span(parts[1]) if parts else None
    if span is None:
        return 0.0
    truth = (target["span"]["start_s"], target["span"]["end_s"])
    window_s = sample["media"][0]["end_s"] - sample["media"][0]["start_s"]
    near_start, near_end = (max(0.0, 1 - abs(said - true) / window_s) for said, true in zip(span, truth, strict=True))
    return temporal_iou(span, truth) * near_start * near_end
