"""Verifiable rewards: pure `(completion, sample) -> float | None`, the same numbers as the evaluation metrics.

`None` means that the reward does not apply to the sample's kind of target; an answer that cannot be read scores 0.
To add one: a file beside these and a line below.
"""

from collections.abc import Callable

from components.rewards.box_iou import box_iou_reward
from components.rewards.choice import choice_reward
from components.rewards.cross_view_answers import cross_view_answers_reward
from components.rewards.cross_view_structure import cross_view_structure_reward
from components.rewards.format import format_reward
from components.rewards.key_frames_cite import key_frames_cite_reward
from components.rewards.key_frames_contrast import key_frames_contrast_reward
from components.rewards.rationale import rationale_reward
from components.rewards.reasoning_consistency import reasoning_consistency_reward
from components.rewards.temporal_iou import temporal_iou_reward
from components.rewards.temporal_iou_shaped import temporal_iou_shaped_reward

REWARDS: dict[str, Callable[[str, dict], float | None]] = {
    "format": format_reward,
    "box_iou": box_iou_reward,
    "temporal_iou": temporal_iou_reward,
    "temporal_iou_shaped": temporal_iou_shaped_reward,
    "choice": choice_reward,
    "key_frames_cite": key_frames_cite_reward,
    "key_frames_contrast": key_frames_contrast_reward,
    "rationale": rationale_reward,
    "cross_view_structure": cross_view_structure_reward,
    "cross_view_answers": cross_view_answers_reward,
    "reasoning_consistency": reasoning_consistency_reward,
}
# those that say whether the answer is right: none of them may fall while the form gets better
ACCURACY = frozenset({"box_iou", "temporal_iou", "temporal_iou_shaped", "choice"})
# those that read what the other view of a query was answered in the same step
CROSS_VIEW = frozenset({"cross_view_structure", "cross_view_answers"})
