"""Whether a checkpoint has been evaluated: once per (checkpoint, data, parameters). No Prefect."""

from __future__ import annotations

import hashlib
import json

from components import params
from components.train import plan
from flows import jobs
from flows.jobs import Job, TrainedStage

KEY_FILE = "evaluation/key.txt"  # of a checkpoint folder, written last


def max_new_tokens(stage: params.Stage) -> int:
    """Return the token budget of a stage's answers: its own, else of grpo its completions', else params/eval.yaml's."""
    return stage.answer_tokens or params.load(jobs.EVALUATION, params.Eval).max_new_tokens


def recipe_of(job: Job, trained: TrainedStage) -> params.Stage:
    """Return the stage of the recipe that a finished one is of."""
    return next(stage for stage in job.recipe.stages if stage.name == trained.name)


def key(job: Job, trained: TrainedStage) -> str:
    """Return what tells the evaluation of a stage, with its numbers, from every other.

    The numbers stand in it because a person may have evaluated the same checkpoint otherwise since.
    """
    # the gate decides on numbers, it does not make them
    settings = params.load(jobs.EVALUATION, params.Eval).model_dump(mode="json", exclude={"promotion"})
    code = plan.code_digest(plan.code_files(job.root, plan.EVALUATION))
    stage = recipe_of(job, trained)
    asked = [stage.evaluate, stage.rank_options, max_new_tokens(stage), stage.teacher and job.keys[stage.teacher]]
    numbers = plan.digests_of(trained.checkpoint / "evaluation", ("metrics.json",))
    parts = [trained.checkpoint.name, trained.run_id, job.dataset, settings, asked, code, numbers]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def is_evaluated(job: Job, trained: TrainedStage) -> bool:
    """Return whether the evaluation that lies in a checkpoint is what the recipe asks for, on this data and code."""
    written = trained.checkpoint / KEY_FILE
    return written.is_file() and written.read_text() == key(job, trained)
