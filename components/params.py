"""The door for configuration: `params/*.yaml` become frozen, typed values; an unknown key is an error.

Inner functions take plain values; only `__main__` modules and flows read these classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
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
    # corpora of captions, questions and narrations whose media are not takes; what is left out is not read
    egoclip: Path | None = None
    ego4d: Path | None = None
    epic100: Path | None = None
    egtea: Path | None = None
    ssv2: Path | None = None
    egotimeqa: Path | None = None
    openeqa: Path | None = None
    htm_aa: Path | None = None
    interlink7m: Path | None = None
    panda70m: Path | None = None
    webvid: Path | None = None
    internvid: Path | None = None
    vidal: Path | None = None
    cc3m: Path | None = None
    dci: Path | None = None

    def given(self) -> dict[str, Path]:
        """Give the folders of the sources that are not left out, by name."""
        return {name: path for name, path in self if path is not None}


class Clips(_Strict):
    """Ego-ExoClip (systems §1.1)."""

    rule: Literal["beta_over_alpha"] = Field(description="window rule")
    annotators: Literal["merged", "per_annotator"] = Field(description="one timeline for all annotators, or one each")
    min_frames: int = Field(ge=1, description="shorter clips are rejected")


class LlmBudget(_Strict):
    """What the replies in one ledger may cost over all runs; null sets no limit."""

    calls: int | None = Field(ge=0, description="replies in the ledger, and failed calls of this run")
    tokens: int | None = Field(ge=0, description="tokens in and out, as the server counts them")


class Llm(_Strict):
    """Text generation (components/llm). Where the endpoint is and its key come from the environment."""

    generator: Literal["rules", "openai"] = Field(
        description="deterministic rules, or the OpenAI-compatible endpoint at OPENAI_BASE_URL"
    )
    model: str = Field(description="name of the model at the endpoint; rules need none")
    temperature: float | None = Field(ge=0, description="null leaves it to the server, here and below")
    top_p: float | None = Field(gt=0, le=1)
    seed: int | None = Field(description="of the server's sampling; a second try adds one")
    max_tokens: int = Field(gt=0, description="longest answer, tokens; with reasoning, where a model reasons")
    concurrency: int = Field(gt=0, description="calls under way at once")
    requests_per_minute: float | None = Field(gt=0, description="null for no limit")
    timeout_s: float = Field(gt=0, description="of one call, to its last byte")
    tries: int = Field(gt=0, description="most calls for one request; what is wrong then is rejected")
    backoff_s: float = Field(ge=0, description="first wait after a failed call; it doubles, up to a minute")
    budget: LlmBudget

    @model_validator(mode="after")
    def _an_endpoint_has_a_model(self) -> Llm:
        if self.generator == "openai" and not self.model:
            raise ValueError("generator openai needs `model`, the name that the endpoint knows it by; it is empty")
        return self


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
    box_jitter: float = Field(
        ge=0, description="noise of the boxes that are taught, share of their side; what is rewarded stays exact"
    )
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
    llm: Llm
    egoit: EgoIT
    egore: EgoRe
    dataset: Dataset
    frames: Frames


class Model(_Strict):
    """The tiny architecture that plays CLIP and Mistral/Qwen2; its base stages train what others download."""

    architecture: Literal["miniature"] = "miniature"
    image_px: int = Field(gt=0, description="side of the square input frames")
    patch_px: int = Field(gt=0)
    tubelet_frames: int = Field(ge=1, description="frames stacked into the channels of one encoder input")
    vision_width: int = Field(gt=0)
    vision_layers: int = Field(gt=0)
    vision_heads: int = Field(gt=0)
    image_tokens: int = Field(gt=0, description="most visual tokens of a still image")
    video_tokens: int = Field(gt=0, description="most visual tokens of a video; the grid per step shrinks to fit")
    mapping: Literal["resnet", "fc"] = Field(default="resnet", description="F and G; fc: each patch by itself")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G, where they are resnet")
    text_width: int = Field(gt=0)
    text_layers: int = Field(gt=0)
    text_heads: int = Field(gt=0)


class Egoflow(_Strict):
    """The same classes around downloaded towers and a downloaded language model (systems §1.3)."""

    architecture: Literal["egoflow"]
    base: dict[Literal["ego_encoder", "exo_encoder", "language_model"], str] = Field(
        min_length=3, description="part -> where its weights come from: a name on the Hugging Face Hub, or a folder"
    )
    tubelet_frames: int = Field(ge=1)
    vision_layer: int = Field(lt=0, description="hidden layer of the towers that is read")
    image_tokens: int = Field(gt=0, description="most visual tokens of a still image")
    video_tokens: int = Field(gt=0, description="most visual tokens of a video; the grid per step shrinks to fit")
    mapping: Literal["resnet", "fc"] = Field(default="resnet", description="F and G; fc: each patch by itself")
    mapping_blocks: int = Field(ge=1, description="residual blocks of F and of G, where they are resnet")


class Qwen(_Strict):
    """A Qwen vision-language model by transformers' own classes; its parts: vision_encoder, merger, language_model."""

    architecture: Literal["qwen2_vl", "qwen2_5_vl"]
    base: str = Field(description="where its weights come from: a name on the Hugging Face Hub, or a folder")


def _architecture(model: object) -> object:
    return model.get("architecture", "miniature") if isinstance(model, dict) else model.architecture


AnyModel = Annotated[
    Annotated[Model, Tag("miniature")]
    | Annotated[Egoflow, Tag("egoflow")]
    | Annotated[Qwen, Tag("qwen2_vl")]
    | Annotated[Qwen, Tag("qwen2_5_vl")],
    Discriminator(_architecture),
]


class Lora(_Strict):
    """Low-rank adapters on every linear layer of the language model; merged when the stage ends."""

    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    lr: float = Field(gt=0)


class Watch(_Strict):
    """When a GRPO run pauses itself with a checkpoint (components/train/watch.py); raise a limit to go on."""

    window: int = Field(default=10, ge=2, description="logged records that are looked at")
    trade: float = Field(
        default=0.1,
        ge=0,
        description="the format reward may not rise by more while a reward of accuracy falls by more, in a window",
    )
    kl: float = Field(default=1.0, ge=0, description="highest KL to the reference, median of three records; needs beta")
    shortest: float = Field(default=0.5, ge=0, le=1, description="least completion length, as a share of the start's")
    cut: float = Field(default=0.9, ge=0, le=1, description="greatest share of completions cut at the longest length")


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
    rollouts_every: int = Field(
        default=0, ge=0, description="optimiser steps between two pages that show what is sampled; 0 for none"
    )
    watch: Watch | None = Field(default=Watch(), description="when the run pauses itself; null for never")


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
    losses: dict[str, float] = Field(
        default_factory=lambda: {"vtg": 1.0}, description="loss -> weight: vtg, words of train/losses.py"
    )
    guidance: bool = Field(default=False, description="put F(x) beside x in front of the language model")
    mixture: dict[str, float] = Field(
        default_factory=dict, description="`corpus/task/view` -> share of the stage's samples"
    )
    steps: int | None = Field(default=None, gt=0, description="optimiser steps; either these or `epochs`")
    epochs: float | None = Field(default=None, gt=0, description="passes over the mixture; training counts its samples")
    samples: int | None = Field(default=None, gt=0, description="samples of the mixture where the data is not here")
    batch: int = Field(gt=0, description="samples per optimiser step over all ranks (prompts for grpo)")
    micro_batch: int | None = Field(
        default=None, ge=1, description="samples of a rank at once, the rest of its share by accumulation; null: all"
    )
    checkpointing: bool = Field(default=False, description="compute activations again in the backward pass")
    frames: int | None = Field(default=None, ge=1, description="frames of a sample; null: those of params/data.yaml")
    pixels: int | None = Field(default=None, gt=0, description="most pixels of a frame, where the model takes any size")
    text_tokens: int = Field(default=64, ge=0, description="most tokens of question and answer; read by the dry run")
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

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(f"stage {self.name!r}: steps {self.steps}, epochs {self.epochs}; give exactly one of them")
        if self.epochs is not None and self.algorithm in ("text", "contrastive"):
            raise ValueError(f"stage {self.name!r}: {self.algorithm} makes its own samples without end; give `steps`")
        return self


class Recipe(_Strict):
    """params/recipes/*.yaml: one complete training run, stages in order."""

    name: str
    model: AnyModel
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
