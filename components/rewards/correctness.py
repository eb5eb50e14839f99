"""Whether a completion answers right: what the other rewards mean by R_acc. Not a reward itself."""

from components.metrics import box_iou, temporal_iou
from components.prompts import parse_box, parse_choice, parse_span, split_think_answer

OVERLAP = 0.5  # from this IoU on, a box or an interval counts as found, as in the evaluation's r1_50


def is_correct(completion: str, sample: dict) -> bool | None:
    """Return whether the answer is right; None for a caption, which is neither.

    What is asked to be reasoned is answered inside the answer tags; any other question may be answered bare.

    Args:
        completion: what the model wrote, or the option that ranking chose.
        sample: a row of `records.SAMPLE`, with `reasoned`, whether the prompt asks for a thought.
    """
    target, parts = sample["target"], split_think_answer(completion)
    if target["kind"] == "choice":
        if parts is None and sample["reasoned"]:
            return False
        answer = parts[1] if parts else completion
        return parse_choice(answer, target["choices"], lettered=sample["reasoned"]) == target["answer_index"]
    if target["kind"] == "span":
        span = parse_span(parts[1]) if parts else None
        truth = (target["span"]["start_s"], target["span"]["end_s"])
        return span is not None and temporal_iou(span, truth) >= OVERLAP
    if target["kind"] == "box":
        box_xyxy = parse_box(parts[1]) if parts else None
        return box_xyxy is not None and box_iou(box_xyxy, tuple(target["box_xyxy"])) >= OVERLAP
    return None
