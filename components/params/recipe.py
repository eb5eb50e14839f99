"""params/recipes/*.yaml: one complete training run each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from components.params.distill import Distill
from components.params.evaluation import AlignmentTask, MappingTask, MomentTask, PairTask, PerceptionTask, Task
from components.params.grpo import Grpo
from components.params.mistakes import meant
from components.params.model import AnyModel
from components.params.strict import Strict

LearningRate = Annotated[float, Field(gt=0, lt=1)]
# vtg is the token loss over answers; the others are the functions of components/train/losses.py
Loss = Literal[
    "vtg",
    "ccl",
    "ccl_forward",
    "kl",
    "kl_pooled",
    "kl_reverse",
    "kl_pooled_reverse",
    "feature_mse",
    "token_mse",
]
FEATURE_LOSSES = ("feature_mse", "token_mse")  # they compare an exo clip with its ego clip, in a copy of the model

# what a stage needs that takes optimiser steps, for one that asks each question once and is no checkpoint to evaluate
_ASKED_ONCE = {"num_train_epochs": 1.0, "warmup_ratio": 0.0, "weight_decay": 0.0, "save_steps": 1, "evaluate": ()}


def _token_loss() -> dict[Loss, float]:
    return {"vtg": 1.0}


class Lora(Strict):
    """Low-rank adapters on every linear layer of the language model, or of other parts; merged when the stage ends."""

    r: int = Field(ge=1, description="rank of the added matrices")
    lora_alpha: int = Field(gt=0, description="what the adapters add is multiplied by lora_alpha / r")
    lora_dropout: float = Field(ge=0, lt=1, description="share of an adapter's inputs that is dropped in training")
    learning_rate: LearningRate | dict[str, LearningRate] = Field(
        description="of the language model's adapters; or part -> learning rate, and each of these parts gets adapters"
    )

    @property
    def learning_rates(self) -> dict[str, float]:
        """Part that gets adapters -> their learning rate."""
        return self.learning_rate if isinstance(self.learning_rate, dict) else {"language_model": self.learning_rate}


class Stage(Strict):
    """One training stage: a process of its own between checkpoint folders."""

    name: str = Field(
        pattern=r"^\w[\w-]*$",
        max_length=64,
        description="of the stage in its recipe, of letters, digits, `_` and `-`; its checkpoint folder begins with it",
    )
    algorithm: Literal["text", "contrastive", "supervised", "grpo", "distill"] = Field(
        description="text and contrastive pre-train the miniature's parts; supervised learns answers; grpo from "
        "rewards; distill learns nothing: its model answers, and the answers are samples"
    )
    parents: dict[str, str] = Field(
        default_factory=dict,
        description="part of the model -> the stage whose checkpoint gives it; `all` for every part; `samples` -> the "
        "stage of algorithm distill whose answers the mixture names `distilled` and `captioned`",
    )
    learning_rates: dict[str, LearningRate] = Field(
        default_factory=dict, description="part -> learning rate; every other part is frozen"
    )
    muon_learning_rate: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="learning rate of Muon, which then trains the matrices of transformer layers in place of AdamW",
    )
    lora: Lora | None = Field(default=None, description="low-rank adapters; null: none are trained")
    loss_weights: dict[Loss, NonNegativeFloat] = Field(
        default_factory=_token_loss,
        description="loss -> weight: vtg, words of train/losses.py; feature_mse draws the mean features, behind the "
        "connector, of exo clips that a teacher answered about to those of their ego clips in the model that the stage "
        "begins with; token_mse likewise the mean of their ego-adaptive tokens",
    )
    mapping: Literal["resnet", "fc"] | None = Field(
        default=None, description="begin here with fresh F and G of this kind; null: those of the parents"
    )
    guidance: bool = Field(default=False, description="put F(x) beside x in front of the language model")
    ego_tokens: int | None = Field(
        default=None,
        ge=1,
        description="begin here with so many fresh ego-adaptive tokens for each clip, behind its frames; null: those "
        "of the parents, if any",
    )
    freeze_ego_queries: bool = Field(
        default=False, description="an ablation: ego_tokens trains its attention and projector, and not its queries"
    )
    exo_views: Literal["draw", "each"] = Field(
        default="draw",
        description="where a loss compares views. draw: an ego clip comes with another of its exo views each time; "
        "each: it is as many samples as it has exo views, and epochs count these pairs",
    )
    mixture: dict[str, PositiveFloat] = Field(
        default_factory=dict, description="`corpus/task/view` -> share of the stage's samples"
    )
    max_steps: int | None = Field(default=None, gt=0, description="optimiser steps; either these or `num_train_epochs`")
    num_train_epochs: float | None = Field(
        default=None,
        gt=0,
        description="an epoch shows as many samples as the parts of the mixture hold together, in the mixture's shares "
        "(components/train/sample_order.py)",
    )
    dataset_samples: int | None = Field(
        default=None,
        gt=0,
        description="samples of an epoch, of distill its questions, for a dry run where the data is not here",
    )
    train_batch_size: int = Field(
        gt=0,
        description="samples per optimiser step over all ranks (prompts for grpo; contexts where "
        "`questions_per_context` is more than 1); for distill questions that are answered at once",
    )
    per_device_train_batch_size: int | None = Field(
        default=None, ge=1, description="samples of a rank at once, the rest of its share by accumulation; null: all"
    )
    gradient_checkpointing: bool = Field(default=False, description="compute activations again in the backward pass")
    max_frames: int | None = Field(default=None, ge=1, description="most frames of a sample; null: as params/data.yaml")
    feature_cache_gib: float = Field(
        default=16, ge=0, description="disk for the features of a frozen exo tower that come again, in Stage 2"
    )
    reasoned: bool = Field(
        default=False,
        description="grpo and evaluation ask closed questions for <think>…</think><answer>letter</answer>; chains of "
        "thought, boxes and intervals are in any stage, and supervised training teaches no other thought",
    )
    max_pixels: int | None = Field(
        default=None, gt=0, description="most pixels of a frame, where the model takes any size"
    )
    max_text_tokens: int = Field(
        default=64, ge=0, description="most tokens of question and answer; read by the dry run"
    )
    questions_per_context: int = Field(
        default=1, ge=1, description="most questions about the frames of a sample; none sees another"
    )
    video_last: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the samples whose frames stand behind the question (Ego2ExoVLM: .5); elsewhere, and in "
        "evaluation, they stand before it",
    )
    warmup_ratio: float = Field(ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(ge=0, description="of matrices; norms and biases do not decay")
    save_steps: int = Field(gt=0, description="steps between resumable checkpoints")
    rendered_images: int = Field(default=0, ge=0, description="contrastive: rendered pairs in the pool")
    stop_at_score: float | None = Field(
        default=None, gt=0, le=1, description="text: held-out score at which the stage may stop early"
    )
    grpo: Grpo | None = Field(default=None, description="settings of algorithm grpo, and of no other")
    distill: Distill | None = Field(default=None, description="settings of algorithm distill, and of no other")
    ranks: int = Field(default=1, ge=1, description="training processes: GPUs, or CPU processes")
    threads_per_rank: int = Field(default=2, ge=1, description="threads of each rank")
    zero_stage: Literal[0, 1, 2, 3] = Field(default=2, description="DeepSpeed ZeRO stage")
    timeout_minutes: float = Field(default=60, gt=0, description="after which the stage is ended")
    published_hours: float | None = Field(
        default=None, gt=0, description="what the paper says that the stage took on `ranks` GPUs; read by the dry run"
    )
    evaluate: tuple[Literal[Task, MappingTask, MomentTask, PairTask, PerceptionTask, AlignmentTask], ...] = Field(
        strict=False,
        default=get_args(Task),
        description="what the checkpoint is measured in; all by default, [] for nothing",
    )
    teacher: str | None = Field(
        default=None,
        description="this stage, or one that it stands on: its model, which sees ego, is what the task `alignment` "
        "compares with",
    )
    rank_options: bool = Field(
        default=False, description="evaluation ranks the options of a closed question; else the model writes its answer"
    )
    max_new_tokens: int | None = Field(
        default=None, gt=0, description="longest answer in evaluation; null: of grpo its completions', else eval.yaml's"
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="of the order of samples, fresh parts, dropout and sampled completions"
    )

    @property
    def answer_tokens(self) -> int | None:
        """Longest answer in evaluation, tokens; None where params/eval.yaml says it."""
        return self.max_new_tokens or (self.grpo.max_completion_length if self.grpo else None)

    @property
    def compares_views(self) -> bool:
        """Whether a loss needs the exo view of the same ego moment: any but that over answers and that of features."""
        return bool(set(self.loss_weights) - {"vtg", *FEATURE_LOSSES})

    @property
    def distils_features(self) -> bool:
        """Whether a loss draws exo features to those of the ego clip that a sample's answer is about."""
        return any(name in self.loss_weights for name in FEATURE_LOSSES)

    @model_validator(mode="before")
    @classmethod
    def _an_asking_stage_has_no_optimiser(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("algorithm") == "distill":
            return _ASKED_ONCE | {"distill": {}} | given
        return given

    @model_validator(mode="after")
    def _one_length(self) -> Stage:
        if (self.max_steps is None) == (self.num_train_epochs is None):
            raise ValueError(
                f"stage {self.name!r}: max_steps {self.max_steps}, num_train_epochs {self.num_train_epochs}; give "
                "exactly one of them"
            )
        if self.num_train_epochs is not None and self.algorithm in ("text", "contrastive"):
            raise ValueError(
                f"stage {self.name!r}: {self.algorithm} makes its own samples without end; give `max_steps`"
            )
        return self

    @model_validator(mode="after")
    def _block_belongs_to_algorithm(self) -> Stage:
        for name, block in (("grpo", self.grpo), ("distill", self.distill)):
            if (self.algorithm == name) != (block is not None):
                raise ValueError(f"stage {self.name!r}: the `{name}` block belongs to algorithm {name} and to no other")
        return self

    @model_validator(mode="after")
    def _views_are_compared(self) -> Stage:
        if self.exo_views == "each" and not self.compares_views:
            raise ValueError(
                f"stage {self.name!r}: `exo_views: each` came with loss_weights {self.loss_weights}, of which none "
                "compares views; leave `exo_views` out, or add a loss of components/train/losses.py"
            )
        return self


class Recipe(Strict):
    """params/recipes/*.yaml: one complete training run, stages in order."""

    name: str = Field(pattern=r"^\w[^/\\]*$", max_length=128, description="of the training run")
    model: AnyModel = Field(description="the model that all stages train; `architecture` says which block it is")
    stages: tuple[Stage, ...] = Field(strict=False, min_length=1, description="in the order in which they are trained")

    @property
    def ego_tokens(self) -> dict[str, int]:
        """Stage -> how many ego-adaptive tokens its model has: those that it begins with, or those of its parents."""
        counts: dict[str, int] = {}
        for stage in self.stages:
            giver = stage.parents.get("ego_tokens", stage.parents.get("all"))
            counts[stage.name] = stage.ego_tokens or (counts[giver] if giver else 0)
        return counts

    @model_validator(mode="after")
    def _parents_come_before(self) -> Recipe:
        seen: set[str] = set()
        wrong = []
        for stage in self.stages:
            if stage.name in seen:
                wrong.append(f"stage {stage.name!r} stands twice; allowed is each name once")
            wrong += [
                f"stage {stage.name!r}, `parents.{part}`: {parent!r} came{meant(parent, seen)}, allowed are the stages "
                f"before it: {sorted(seen)}"
                for part, parent in stage.parents.items()
                if parent not in seen
            ]
            seen.add(stage.name)
        if wrong:
            raise ValueError("\n".join(wrong))
        return self
