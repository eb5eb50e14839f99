"""params/eval.yaml: how checkpoints are measured, and when a model becomes champion."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from components.params.strict import Strict

# `reasoning`: the questions with a chain of thought, which `qa` leaves out
Task = Literal["caption_ego", "caption_exo", "qa", "reasoning", "ground_spatial", "ground_temporal"]

# of Exo2Ego's mapping F (components/evaluation/mapping.py); measured where a recipe asks for them
MappingTask = Literal[
    "retrieval_fx", "retrieval_identity", "retrieval_oracle", "caption_fx", "caption_identity", "caption_true_exo"
]

# of moments in both views (EgoExo-Con, systems §5.1); measured where a recipe asks for them
MomentTask = Literal["ground_temporal_exo", "verify_ego", "verify_exo"]
# the same, by pairs of views (components/evaluation/pairs.py) -> `task` of the samples; limits and controls count pairs
PairTask = Literal["con_verify", "con_ground"]
PAIRS: dict[str, str] = {"con_verify": "verify", "con_ground": "ground_temporal"}
# of a student that sees exo beside a teacher that sees ego (components/evaluation/alignment.py); likewise
AlignmentTask = Literal["alignment"]

# of Ego-in-Exo Perception (components/evaluation/perception.py): what ego captions say, asked of each view; likewise
PerceptionTask = Literal["perception_exo", "perception_ego"]

# what every score stands beside: the model's answers with the frames of another take, with mid-grey pictures, with the
# mean training frame; and those of a guesser that has read the training text alone (components/evaluation/guesser.py)
Control = Literal["other_frames", "grey", "mean_frame", "guesser"]

CUT = "cut"  # share of written answers that the token budget ended: of every task whose answers may be written
FORMAT = "format"  # share of answers that can be read at all; the guesser's always can, so it is none of its controls
# metrics of which higher is not better: a model that always says the same agrees in both views
NO_SKILL = (CUT, "said_yes", "agreement", "excess", "mutual_tiou", "log_perplexity", "kl")
# the score of a pair depends on all pairs of its condition, of which controls have fewer: they are no pairs to subtract
CENTRED = ("excess",)
LOWER = ("log_perplexity", "kl")  # of these, metrics of which lower is better
_CAPTION = ("meteor", "verb", "colour", "type", "hand", "all", CUT)
_PAIR = ("ego", "exo", "consistent", "agreement", "excess")
_INTERVAL = ("miou", "r1_30", "r1_50", FORMAT, CUT)
# task -> the metrics that components/evaluation/score.py and mapping.py compute for it
METRICS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("caption_ego", "caption_exo", "caption_fx", "caption_identity", "caption_true_exo"), _CAPTION),
    "qa": ("accuracy", CUT),
    "reasoning": ("accuracy", FORMAT, CUT),
    "ground_spatial": ("miou", "r1_50", FORMAT, CUT),
    **dict.fromkeys(("ground_temporal", "ground_temporal_exo"), _INTERVAL),
    **dict.fromkeys(("verify_ego", "verify_exo"), ("accuracy", "said_yes", CUT)),
    "con_verify": (*_PAIR, "said_yes", CUT),
    "con_ground": (*_PAIR, "mutual_tiou", FORMAT, CUT),
    **dict.fromkeys(get_args(PerceptionTask), ("accuracy", "action", "region", "interaction", "hand")),
    **dict.fromkeys(("retrieval_fx", "retrieval_identity", "retrieval_oracle"), ("top1",)),
    "alignment": ("log_perplexity", "kl"),
}


class Promotion(Strict):
    """When a new model version takes the alias `champion` (components/evaluation/promotion_gate.py)."""

    model_name: str = Field(description="name in the MLflow model registry")
    primary_metric: str = Field(description="`task/metric` that must be better, by a paired one-sided test at 5 %")
    guardrail_metrics: dict[str, PositiveFloat] = Field(
        description="`task/metric` -> margin, in units of the score: a fall by as much must be ruled out, at 95 %"
    )

    @model_validator(mode="after")
    def _metrics_exist(self) -> Promotion:
        # of every metric of a gate, higher is better
        known = [
            f"{task}/{metric}" for task, metrics in METRICS.items() for metric in metrics if metric not in NO_SKILL
        ]
        if unknown := sorted({self.primary_metric, *self.guardrail_metrics} - set(known)):
            raise ValueError(f"the promotion rule compares {unknown}, which nothing computes; allowed are {known}")
        return self


class Eval(Strict):
    """params/eval.yaml: how every checkpoint is measured on the held-out takes."""

    seed: int = Field(description="of the choice of samples, of other takes for their frames, and of the bootstrap")
    bootstrap_resamples: int = Field(gt=0, description="draws of takes under the 95 % interval of a score")
    max_batch_tokens: int = Field(
        gt=0, description="tokens answered at once on each device: prompts, padding and answers"
    )
    max_new_tokens: int = Field(gt=0, description="longest answer, tokens, where the recipe's stage says nothing")
    sentence_model: str | None = Field(
        default=None,
        description="folder of a sentence-transformers model that chooses wrong options for benchmarks that have none; "
        "without it shared words choose",
    )
    limits: dict[Task | MappingTask | MomentTask | PairTask | PerceptionTask | AlignmentTask, PositiveInt] = Field(
        description="task -> most held-out samples, or pairs of views; a task not named is not measured"
    )
    controls: dict[Control, PositiveInt] = Field(
        min_length=1,
        description="control -> most samples of each task, or pairs, that it answers, in retrieval and alignment all "
        "that the model does; one not named is not measured",
    )
    promotion: Promotion
