"""The version of each part of training that can change what a stage learns. A stage's key holds those that it uses.

A key holds no digest of code: a comment, a new file or a faster way to the same numbers trains nothing again. What
holds the code to these versions are the golden values of tests/components/train/golden, of a few real steps and of
fixed inputs: they fail when behaviour moves. If it is meant to move, add the next number here with a line on what is
different now, and record them: `python -m tests.components.train.golden`. Then all stages that use the part train
anew, and all that stand on them; `egoflow adopt` lets an old checkpoint stand all the same.

Versions of libraries are in no key, for the same reason: an update is judged by the golden values as any other change
of the code is. stage.json names the libraries that trained (provenance.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from components.params import Qwen

if TYPE_CHECKING:
    from components.params import Recipe, Stage

# part -> number of the version -> what it is, or what is different since the one before
VERSIONS: dict[str, dict[int, str]] = {
    # algorithms
    "text": {1: "the language model learns sentences, questions and boxes of the world's grammar"},
    "contrastive": {1: "the tower learns captions, phrases and regions of pictures that are rendered on the way"},
    "supervised": {1: "the weighted sum of a stage's losses"},
    "grpo": {1: "completions are sampled, rewarded in groups, and held to a reference by KL"},
    "grpo/paired_views": {1: "the ego and the exo prompt of a query stand next to each other"},
    "grpo/vllm": {1: "completions are sampled by vLLM"},
    "distill": {1: "a teacher answers questions about segments once, and answers are samples"},
    "distill/endpoint": {1: "the teacher is behind an endpoint, and is sent frames as images"},
    # models
    "model/egoflow": {1: "two towers and their connectors in front of a language model"},
    "model/qwen": {1: "transformers' Qwen2-VL and Qwen2.5-VL; a tower reads equal frames once"},
    "connector/pool": {1: "patches pooled to the most tokens that an image or a video may have"},
    "connector/stc": {1: "VideoLLaMA2's"},
    "connector/mlp": {1: "VideoLLaMA3's"},
    "mapping": {1: "F and G between the views; F(x) stands beside x", 2: "both begin as the identity"},
    "ego_tokens": {1: "ego-adaptive tokens behind the frames of a clip"},
    "ego_tokens/qwen": {1: "the same on the vision tower of a Qwen model"},
    # what a model is shown
    "layout/egoflow": {1: "a conversation, its frames and the answers that are learned, as token ids"},
    "layout/qwen": {1: "the same in the chat format of the weights, several frames to a step of time"},
    "questions": {1: "the words around a question and an answer, by task"},
    "samples": {1: "which samples a stage shows, in which order, with which frames and which exo view"},
    "packing": {1: "several questions about the same frames in one row, which do not see one another"},
    # how weights move
    "optimiser": {1: "AdamW in groups by part, cosine after a warm-up, gradients clipped to 1"},
    "muon": {1: "Muon for the matrices of transformer layers, unclipped"},
    "lora": {1: "adapters on linear layers, merged when the stage ends"},
    "loss/vtg": {1: "cross-entropy of the tokens of answers"},
    "loss/ccl": {1: "L1 of both round trips through F and G"},
    "loss/ccl_forward": {1: "L1 of the round trip from ego"},
    "loss/kl": {1: "KL of each patch over channels, y to F(x)"},
    "loss/kl_pooled": {1: "the same of the means over space"},
    "loss/kl_reverse": {1: "KL of each patch over channels, F(x) to y"},
    "loss/kl_pooled_reverse": {1: "the same of the means over space"},
    "loss/feature_mse": {1: "squared distance of mean features to those of the ego clip in a frozen copy"},
    "loss/token_mse": {1: "the same of the mean ego-adaptive token"},
    # what completions earn
    "reward/format": {1: "one thought and one answer in their tags"},
    "reward/box_iou": {1: "IoU of the answered box"},
    "reward/temporal_iou": {1: "IoU of the answered interval"},
    "reward/temporal_iou_shaped": {1: "IoU of the interval times the nearness of both ends"},
    "reward/choice": {1: "the right letter"},
    "reward/key_frames_cite": {1: "frames that are cited lie inside the event"},
    "reward/key_frames_contrast": {1: "a right answer of a group that needs the key frames no less than one without"},
    "reward/rationale": {1: "the thought says what the reference says"},
    "reward/cross_view_structure": {1: "the thought tells of what a thought of the other view tells"},
    "reward/cross_view_answers": {1: "the answer agrees with the other view's, where that is right"},
    "reward/reasoning_consistency": {1: "a right answer that its thought makes likely"},
}

# A field that a schema gets later -> the value at which stages do what they did before it was there. With that value it
# stands in no key, or a new option would train everything anew: {"stage.video_last": 0.0, "stage.grpo.vllm": None}
ADDED_LATER: dict[str, object] = {"stage.distill.endpoint": None}


def of(recipe: Recipe, stage: Stage) -> dict[str, int]:
    """Return the newest version of each part that a stage uses.

    Args:
        recipe: has the model.
        stage: one of its stages.

    Raises:
        ValueError: a part has no version: a loss, a reward or a connector that this file does not know.
    """
    used = sorted(set(_used(recipe, stage)))
    if unknown := [part for part in used if part not in VERSIONS]:
        raise ValueError(f"stage {stage.name!r} uses {unknown}, which have no version: add them to {__file__}")
    return {part: max(VERSIONS[part]) for part in used}


def settings(block: str, values: Mapping[str, object]) -> dict[str, object]:
    """Return the values of a block of a recipe that tell what is learned, for a key or to compare with.

    Args:
        block: "stage", "model", or with a dot a block inside.
        values: of the block, as JSON.
    """
    kept = {}
    for name, value in values.items():
        path = f"{block}.{name}"
        if path not in ADDED_LATER or ADDED_LATER[path] != value:
            kept[name] = settings(path, value) if isinstance(value, dict) else value
    return kept


def digest(recipe: Recipe) -> str:
    """Return one sha256 that stands for the versions of the parts that each stage of a recipe uses."""
    used = {stage.name: of(recipe, stage) for stage in recipe.stages}
    return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()


def moved(was: Mapping[str, int] | None, now: Mapping[str, int]) -> dict[str, tuple[int | None, int | None]]:
    """Return the parts whose versions differ: part -> (was, is); None where it was or is not used.

    Args:
        was: member `versions` of stage.json; None for a checkpoint of before there were any.
        now: as `of` returns it.
    """
    before = was or {}
    parts = sorted({*before, *now})
    return {part: (before.get(part), now.get(part)) for part in parts if before.get(part) != now.get(part)}


def _used(recipe: Recipe, stage: Stage) -> Iterator[str]:
    yield stage.algorithm
    is_qwen = isinstance(recipe.model, Qwen)
    yield "model/qwen" if is_qwen else "model/egoflow"
    yield "layout/qwen" if is_qwen else "layout/egoflow"
    if not isinstance(recipe.model, Qwen):
        yield f"connector/{getattr(recipe.model, 'connector', 'pool')}"
        # all but base models, which give their F and G to nobody, hand on those that they begin with
        begins = "all" not in stage.parents and stage.algorithm not in ("text", "contrastive")
        if stage.guidance or stage.compares_views or begins:
            yield "mapping"
    if recipe.ego_tokens[stage.name]:
        yield "ego_tokens/qwen" if is_qwen else "ego_tokens"
    if stage.algorithm != "distill":
        yield "optimiser"
    if stage.muon_learning_rate:
        yield "muon"
    if stage.distill and stage.distill.endpoint:
        yield "distill/endpoint"
    if stage.lora:
        yield "lora"
    if stage.mixture:
        yield from ("samples", "questions")
    if stage.questions_per_context > 1:
        yield "packing"
    if stage.algorithm == "supervised":
        yield from (f"loss/{name}" for name in stage.loss_weights)
    if stage.grpo:
        yield from (f"reward/{name}" for name in stage.grpo.reward_weights)
        if stage.grpo.paired_views:
            yield "grpo/paired_views"
        if stage.grpo.vllm:
            yield "grpo/vllm"
