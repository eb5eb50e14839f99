"""Reward for spatial grounding."""

from components.metrics import box_iou
from components.prompts import parse_box, split_think_answer


def box_iou_reward(completion: str, sample: dict) -> float | None:
    """Return the IoU of the answered box with the true one; 0.0 where the completion holds no readable box.

    Args:
        completion: `<think>...</think><answer>[x1, y1, x2, y2]</answer>`, integers in percent of the frame.
        sample: a row of `records.SAMPLE`.

    Returns:
        None unless the target is a box.

    >>> sample = {"target": {"kind": "box", "box_xyxy": [0, 0, 20, 20]}}
    >>> box_iou_reward("<think>left</think><answer>[10, 0, 30, 20]</answer>", sample)
    0.3333333333333333
    """
    target = sample["target"]
    if target["kind"] != "box":
        return None
    parts = split_think_answer(completion)
    box_xyxy = parse_box(parts[1]) if parts else None
    return box_iou(box_xyxy, tuple(target["box_xyxy"])) if box_xyxy else 0.0
