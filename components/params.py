"""The door for configuration: `params/*.yaml` become frozen, typed values; an unknown key is an error.

Inner functions take plain values; only `__main__` modules and flows read these classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator
from ruamel.yaml import YAML

Task = Literal["caption_ego", "caption_exo", "qa", "ground_spatial", "ground_temporal"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class World(_Strict):
    """The miniature world (components/world)."""

    takes: int = Field(gt=0, description="takes in all; some are validation, test, dropped or without narrations")
    take_s: float = Field(gt=0, description="length of a take, seconds")
    fps: int = Field(gt=0, description="frames per second of every video")
    size_px: int = Field(gt=0, description="side of the square videos, pixels")
    val_fraction: float = Field(gt=0, lt=1, description="share of takes in Ego-Exo4D's val split")
    test_fraction: float = Field(ge=0, lt=1, description="share of takes in its test split (no annotations)")


class Sources(_Strict):
    """Where the source datasets lie, relative to the project root (or absolute)."""

    egoexo4d: Path
    visor: Path
    egoexolearn: Path


class Clips(_Strict):
    """Ego-ExoClip (systems §1.1)."""

    rule: Literal["fixed", "centred", "neighbours", "beta", "beta_over_alpha"] = Field(
        description="window around a narration; the formulas are in components/data/windows.py"
    )
    clamp: bool = Field(description="cut a window at the neighbouring narrations (Exo2Ego does, EgoVLP does not)")
    length_s: float | None = Field(
        gt=0, description="length of fixed and centred windows, seconds; null takes alpha, the mean narration distance"
    )
    annotators: Literal["merged", "per_annotator"] = Field(description="one timeline for all annotators, or one each")
    min_frames: int = Field(ge=1, description="shorter clips are rejected")


class EgoIT(_Strict):
    """Instruction templating (systems §1.2)."""

    instructions_per_dataset: int = Field(ge=1)


class EgoRe(_Strict):
    """EgoRe QA generation (systems §4.1)."""

    short_per_clip: int = Field(ge=0, description="short-term questions drawn for each ego clip")
    long_per_take: int = Field(ge=0, description="long-term questions drawn for each take")
    cot_fraction: float = Field(
        ge=0, le=1, description="share of short-term questions that also get a chain of thought"
    )
    choices: int = Field(ge=2, description="options of a multiple-choice question")
    box_grid: int = Field(ge=1, description="box answers are multiples of this percentage")
    time_step_s: float = Field(gt=0, description="interval answers are multiples of this, seconds")
    box_min_percent: float = Field(ge=0, description="boxes whose shorter side is below this are rejected")


class Dataset(_Strict):
    """Mixture: samples kept per `corpus/task`, as a share; 1.0 keeps all."""

    rates: dict[str, float]


class Frames(_Strict):
    """The sampling contract and the frame shards."""

    size_px: int = Field(gt=0, description="side of the stored square frames")
    image_frames: int = Field(ge=1, description="frames of an image sample (the same frame, repeated)")
    clip_frames: int = Field(ge=1, description="frames of a short clip")
    window_frames: int = Field(ge=1, description="frames of a long window")
    jpeg_quality: int = Field(ge=1, le=100)
    shard_frames: int = Field(gt=0, description="frames in one shard file")


class Data(_Strict):
    """params/data.yaml."""

    seed: int
    world: World
    sources: Sources
    clips: Clips
    egoit: EgoIT
    egore: EgoRe
    dataset: Dataset
    frames: Frames


class Model(_Strict):
    """The tiny architecture that plays CLIP and Mistral/Qwen2; a recipe at paper scale names downloaded folders."""

    image_px: int = Field(gt=0, description="side of the square input frames")
    patch_px: int = Field(gt=0)
    tubelet_frames: int = Field(ge=1, description="frames stacked into the channels of one encoder input")
    vision_width: int = Field(gt=0)
    vision_layers: int = Field(gt=0)
    vision_heads: int = Field(gt=0)
    image_tokens: int = Field(gt=0, description="most visual tokens of a still image")
    video_tokens: int = Field(gt=0, description="most visual tokens of a video; the grid per step shrinks to fit")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G")
    text_width: int = Field(gt=0)
    text_layers: int = Field(gt=0)
    text_heads: int = Field(gt=0)


class Lora(_Strict):
    """Low-rank adapters on every linear layer of the language model; merged when the stage ends."""

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)


class Grpo(_Strict):
    """Group-relative policy optimisation (systems §0.2)."""

    group: int = Field(ge=2, description="completions per prompt, G")
    beta: float = Field(ge=0, description="weight of the KL to the reference")
    temperature: float = Field(gt=0)
    max_completion_tokens: int = Field(ge=1)
    scale: Literal["group", "batch", "none"] = Field(
        default="group",
        description="whose standard deviation divides the advantages; that of a group blows small differences up",
    )
    rewards: dict[str, float] = Field(description="reward function of components/rewards -> weight")


class Stage(_Strict):
    """One training stage: a process of its own between checkpoint folders."""

    name: str
    algorithm: Literal["text", "contrastive", "supervised", "grpo"]
    parents: dict[str, str] = Field(
        default_factory=dict,
        description="part of the model -> the stage whose checkpoint gives it; `all` for every part",
    )
    train: dict[str, float] = Field(
        default_factory=dict, description="part -> learning rate; every other part is frozen"
    )
    muon: float | None = Field(
        default=None,
        gt=0,
        description="learning rate of Muon, which then trains the matrices of transformer layers in place of AdamW",
    )
    lora: Lora | None = None
    losses: dict[str, float] = Field(default_factory=lambda: {"vtg": 1.0}, description="loss -> weight: vtg, ccl, kl")
    guidance: bool = Field(default=False, description="put F(x) beside x in front of the language model")
    mixture: dict[str, float] = Field(
        default_factory=dict, description="`corpus/task/view` -> share of the stage's samples"
    )
    steps: int = Field(gt=0, description="optimiser steps")
    batch: int = Field(gt=0, description="samples per optimiser step over all ranks (prompts for grpo)")
    turns: int = Field(default=1, ge=1, description="most questions about the frames of a sample; none sees another")
    warmup: float = Field(ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(ge=0)
    save_steps: int = Field(gt=0, description="steps between resumable checkpoints")
    images: int = Field(default=0, ge=0, description="contrastive: rendered pairs in the pool")
    gate: float | None = Field(default=None, description="text: held-out score at which the stage may stop early")
    grpo: Grpo | None = None
    ranks: int = Field(default=1, ge=1)
    threads: int = Field(default=2, ge=1, description="threads of each rank")
    zero: Literal[0, 1, 2, 3] = Field(default=2, description="DeepSpeed ZeRO stage")
    timeout_minutes: float = Field(default=60, gt=0)
    evaluate: tuple[Task, ...] = Field(
        default=get_args(Task), description="what the checkpoint is measured in; all by default, [] for nothing"
    )
    seed: int = 0


class Recipe(_Strict):
    """params/recipes/*.yaml: one complete training run, stages in order."""

    name: str
    model: Model
    stages: tuple[Stage, ...]

    @model_validator(mode="after")
    def _parents_come_before(self) -> Recipe:
        seen: set[str] = set()
        for stage in self.stages:
            if stage.name in seen:
                raise ValueError(f"stage {stage.name!r} stands twice")
            for part, parent in stage.parents.items():
                if parent not in seen:
                    raise ValueError(
                        f"stage {stage.name!r} takes {part!r} from {parent!r}, allowed are the stages before it: "
                        f"{sorted(seen)}"
                    )
            if (stage.algorithm == "grpo") != (stage.grpo is not None):
                raise ValueError(f"stage {stage.name!r}: the `grpo` block belongs to algorithm grpo and to no other")
            seen.add(stage.name)
        return self


def load(path: Path, schema: type[_Strict]) -> _Strict:
    """Read a YAML 1.2 file into its schema.

    Raises:
        ValueError: every problem of the file at once, each with its key, what came and what is allowed.
    """
    # YAML 1.2, so that 1e-5 is a number as DVC reads it; PyYAML would give a string
    raw = YAML(typ="safe").load(path.read_text())
    try:
        return schema.model_validate(raw)
    except ValueError as error:
        raise ValueError(
            f"{path}: {error}\nMend it in {path}; the keys and their meaning are in components/params.py."
        ) from error


class Gate(_Strict):
    """When a new model version takes the alias `champion` (components/promotion.py)."""

    model_name: str = Field(description="name in the MLflow model registry")
    main: str = Field(description="`task/metric` that must be better beyond its 95 % interval")
    guards: tuple[str, ...] = Field(description="`task/metric`s, none of which may be worse beyond its interval")


class Eval(_Strict):
    """params/eval.yaml: how every checkpoint is measured on the held-out takes."""

    seed: int = Field(description="of the blind shuffle, the choice of samples and the bootstrap")
    bootstrap_resamples: int = Field(gt=0, description="draws of takes under each 95 % interval")
    batch: int = Field(gt=0, description="samples generated at once")
    max_new_tokens: int = Field(gt=0, description="longest answer, tokens")
    limits: dict[Task, int] = Field(description="task -> most held-out samples; a task not named is not measured")
    gate: Gate
