"""Register the last stage's model as a version, and make it the champion if the promotion gate lets it through."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from prefect import flow
from prefect.logging import get_run_logger

from components import params, tracking
from components.evaluation import paired_comparison, promotion_gate
from components.evaluation.promotion_gate import Decision
from components.train import plan
from flows import data, tasks
from flows.evaluate import evaluate_checkpoint, finished_stage
from flows.tasks import Job, Stop, TrainedStage


@flow(name="promote", task_runner=tasks.runner())
def promote(recipe: str = tasks.RECIPE) -> str:
    """Put the last stage of a recipe, trained and evaluated already, before the promotion gate."""
    job = tasks.open_job(recipe, dataset=data.digest(), promotes=True)
    with tasks.stopping() as stop:
        stage = finished_stage(job, job.recipe.stages[-1].name)
        return tasks.as_task(promote_stage, "promote")(job, stage, stop).reason


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
    version = tracking.register(stage.run_id, stage.checkpoint, promotion.model_name)
    champion = tracking.champion(promotion.model_name)
    if champion is not None and champion.version == version:
        return Decision(version, False, f"version {version} is the champion already")
    if champion is not None and not plan.is_finished(Path(champion.checkpoint)):
        reason = (
            f"the checkpoint of the champion, version {champion.version}, is gone: {champion.checkpoint}. Bring it "
            f"back, or take the alias `champion` from that version, and promote again"
        )
        decision = Decision(version, False, reason)
    else:
        decision = promotion_gate.decide(
            _scores(stage.checkpoint),
            None if champion is None else _scores(_evaluated_alike(job, stage, Path(champion.checkpoint), stop)),
            version=version,
            primary_metric=promotion.primary_metric,
            margins=promotion.guardrail_metrics,
        )
    tracking.record_decision(
        promotion.model_name, version, promoted=decision.promoted, reason=decision.reason, numbers=decision.numbers
    )
    logger.info(
        "version %s %s: %s", version, "is champion now" if decision.promoted else "not promoted", decision.reason
    )
    return decision


def _scores(checkpoint: Path) -> pd.DataFrame:
    return paired_comparison.read_scores(checkpoint / "evaluation" / "predictions.parquet")


def _evaluated_alike(job: Job, stage: TrainedStage, champion: Path, stop: Stop) -> Path:
    """Return the champion's checkpoint with an evaluation that differs from the candidate's in the checkpoint alone."""
    if _made_of(champion) != _made_of(stage.checkpoint):
        get_run_logger().info("the champion was evaluated otherwise: it is evaluated again, as the candidate was")
        evaluate_checkpoint(job, champion, stop, how=job.recipe.stages[-1], threads=tasks.cores())
    return champion


def _made_of(checkpoint: Path) -> dict | None:
    path = checkpoint / "evaluation" / "identity.json"
    return json.loads(path.read_text()) | {"checkpoint": None} if path.is_file() else None
