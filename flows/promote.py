"""Register the last stage's model as a version, and make it the champion if the promotion gate lets it through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from prefect import flow
from prefect.logging import get_run_logger

from components import params, tracking
from components.evaluation import paired_comparison, promotion_gate, request_example
from components.evaluation.promotion_gate import Decision
from components.train import plan
from components.train.provenance import recorded
from flows import data, supervisor, tasks
from flows.evaluate import evaluate_checkpoint, finished_stage
from flows.tasks import Job, Stop, TrainedStage


@flow(name="promote", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def promote(recipe: str = tasks.RECIPE, overrides: Sequence[str] = ()) -> str:
    """Put the last stage of a recipe, trained and evaluated already, before the promotion gate."""
    job = tasks.open_job(recipe, overrides, dataset=data.digest(), promotes=True)
    with tasks.stopping() as stop:
        stage = finished_stage(job, job.recipe.stages[-1].name)
        return tasks.as_task(promote_stage, "promote")(tasks.unseen(job), stage, stop).reason


def promote_stage(job: Job, stage: TrainedStage, stop: Stop) -> Decision:
    """Register an evaluated checkpoint and decide about the alias `champion`.

    A champion whose evaluation was made on other data, by other code or with other limits is evaluated again first, so
    that both have answered the same samples in the same way.

    Args:
        job: has the recipe, whose last stage says how both are evaluated.
        stage: the candidate.
        stop: ends the evaluation of the champion.

    Raises:
        ValueError: the candidate has not been evaluated.
    """
    logger, promotion = get_run_logger(), params.load(tasks.EVALUATION, params.Eval).promotion
    scores = _scores(stage.checkpoint)  # before anything is registered
    example = request_example.example(stage.checkpoint)
    version = tracking.register(stage.run_id, recorded(stage.checkpoint), promotion.model_name, example=example)
    champion = tracking.champion(promotion.model_name)
    if champion is not None and champion.version == version:
        return Decision(version, False, f"version {version} is the champion already", champion_version=version)
    rule = {"primary_metric": promotion.primary_metric, "margins": promotion.guardrail_metrics}
    try:
        others = None
        if champion is not None:
            others = _scores(_evaluated_alike(job, stage, champion, stop))
            scores = _scores(stage.checkpoint)
            logger.info("the gate: %s", promotion_gate.foresee(scores, others, **rule))
        decision = promotion_gate.decide(scores, others, version=version, **rule)
    except (supervisor.StageFailed, ValueError) as error:
        # all training is done: what cannot be compared is no champion, and the report is written all the same
        decision = Decision(version, False, f"cannot be compared: {error}")
    if champion is not None:
        folder = Path(champion.checkpoint)
        decision = replace(decision, champion_version=champion.version, champion_checkpoint=folder)
    tracking.record_decision(
        promotion.model_name, version, promoted=decision.promoted, reason=decision.reason, numbers=decision.numbers
    )
    logger.info(
        "version %s %s: %s", version, "is champion now" if decision.promoted else "not promoted", decision.reason
    )
    return decision


def _scores(checkpoint: Path) -> pd.DataFrame:
    return paired_comparison.read_scores(checkpoint / "evaluation" / "predictions.parquet")


def _evaluated_alike(job: Job, stage: TrainedStage, champion: tracking.Champion, stop: Stop) -> Path:
    """Return the champion's checkpoint, when both evaluations differ in the checkpoint alone."""
    folder = Path(champion.checkpoint)
    if not plan.is_finished(folder):
        raise ValueError(
            f"the checkpoint of the champion, version {champion.version}, is gone: {folder}. Bring it back, or take "
            "the alias `champion` from that version, and promote again"
        )
    plan.checked(folder)
    # the candidate too may have been evaluated by other code
    for each in (folder, stage.checkpoint):
        if _made_of(folder) != _made_of(stage.checkpoint):
            get_run_logger().info("%s was evaluated otherwise than the other: it is evaluated again", each.name)
            evaluate_checkpoint(job, each, stop, how=job.recipe.stages[-1], threads=tasks.cores())
    if (theirs := _made_of(folder)) != (ours := _made_of(stage.checkpoint)):
        raise ValueError(f"champion and candidate cannot be evaluated alike: {theirs} and {ours}")
    return folder


def _made_of(checkpoint: Path) -> dict | None:
    path = checkpoint / "evaluation" / "identity.json"
    return json.loads(path.read_text()) | {"checkpoint": None} if path.is_file() else None
