"""What one sample of a stage asks of the model: frames, tokens, passes of mappings and connectors.

Numbers of tokens are the most that a sample may have, so memory and time are those of the longest batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from transformers import PretrainedConfig

from components import params
from components.models.configuration import EgoflowConfig
from components.models.processing import layout
from components.train.plan import frames_of


@dataclass(frozen=True)
class Demand:
    """What one sample (one prompt, for grpo) asks of the model.

    Args:
        towers: vision part -> (frames, tokens of each).
        visual_tokens, text_tokens: of a sequence in front of the language model; completions are text.
        sequences: sequences of a sample: the group of grpo, else 1.
        scored_tokens: positions of a sequence whose logits are kept for the loss.
        mapped: how often a frame's grid passes F or G.
        connected: how often a connector takes the grids of a sample, and how many they are (`steps`).
    """

    towers: dict[str, tuple[int, int]]
    visual_tokens: int
    text_tokens: int
    sequences: int
    scored_tokens: int
    mapped: int
    connected: int = 0
    steps: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of the language model: all completions of a group stand behind one prompt, on one row."""
        return self.visual_tokens + self.text_tokens + (self.sequences - 1) * self.scored_tokens


def demand(stage: params.Stage, config: PretrainedConfig, frames: params.Frames) -> Demand:
    """Return what the largest sample of a stage's mixture asks of the model.

    Args:
        stage: of a recipe.
        config: the model's.
        frames: frame counts of the samples where the stage names none.

    Raises:
        ValueError: the stage lacks a value that counting needs.
    """
    sequences = stage.grpo.num_generations if stage.grpo else 1
    completion = stage.grpo.max_completion_length if stage.grpo else 0
    completion = stage.distill.max_new_tokens if stage.distill else completion
    text = stage.questions_per_context * stage.max_text_tokens + completion
    if not isinstance(config, EgoflowConfig):
        shown, patches = _qwen_frames(stage, config, frames)
        merged = patches // config.vision_config.spatial_merge_size**2
        visual = shown * (merged + 2) + getattr(config, "ego_tokens", 0)  # between a start and an end token
        towers = {"vision_encoder": (shown, patches)}
        return Demand(towers, visual, text, sequences, completion or visual + text, mapped=0)
    if stage.algorithm == "contrastive":
        tower = (1, config.tower_tokens)
        return Demand({"ego_encoder": tower}, 0, 0, sequences=1, scored_tokens=0, mapped=0)
    if stage.algorithm == "text":
        visual = layout(config, "ego", frames.window_frames).count("<")
        return Demand({}, visual, text, sequences=1, scored_tokens=visual + text, mapped=0)
    towers = {}
    visual, mapped, connected, most = 0, 0, 0, 0
    for key in stage.mixture:
        _, task, view = key.split("/")
        shown = stage.max_frames or max(frames_of(task, frames))
        steps = shown // config.tubelet_frames
        guided = stage.guidance and view == "ego"
        paired = stage.compares_views
        tower = (steps, config.tower_tokens)
        twins = ("ego",) if stage.distils_features else ()
        shown_views = {view, *(("exo",) if paired else twins), *(stage.distill.views if stage.distill else ())}
        for part in {f"{config.branch(each)}_encoder" for each in shown_views}:
            towers[part] = max(towers.get(part, tower), tower)
        visual = max(visual, layout(config, view, shown, guidance=guided).count("<"))
        # F(x) once; the cycles are G(F(x)), G(y), F(G(y)), and F(x) where it is no guidance
        mapped = max(mapped, steps * (4 if paired else int(guided)))
        connected, most = max(connected, 1 + guided), max(most, steps)
    return Demand(towers, visual, text, sequences, completion or visual + text, mapped, connected, most)


def _qwen_frames(stage: params.Stage, config: PretrainedConfig, frames: params.Frames) -> tuple[int, int]:
    """Return the most frames of a sample, and the patches of each: every frame goes in as an image of its own."""
    if not stage.mixture:
        raise ValueError(f"stage {stage.name!r} has no `mixture`, and this model trains on samples alone; add one")
    if stage.max_pixels is None:
        raise ValueError(f"stage {stage.name!r}: this model takes frames of any size, so `max_pixels` is needed")
    vision = config.vision_config
    merged = stage.max_pixels // (vision.patch_size * vision.spatial_merge_size) ** 2
    shown = max(stage.max_frames or max(frames_of(key.split("/")[1], frames)) for key in stage.mixture)
    return shown, merged * vision.spatial_merge_size**2
