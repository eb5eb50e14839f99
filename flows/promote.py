"""Register the last stage's model as a version, and make it the champion if the promotion gate lets it through."""

from __future__ import annotations

import json
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from components import params, tracking
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


def promote_stage(job: Job, stage: TrainedStage, stop: Stop) -> tracking.PromotionDecision:
    """Register an evaluated checkpoint and decide about the alias `champion`.

    A champion from other data is evaluated on the present data first, so that both have seen the same held-out takes.

    Args:
        job: has the digest of the present data.
        stage: the candidate.
        stop: ends the evaluation of the champion.

    Raises:
        ValueError: the candidate has not been evaluated.
    """
    logger, promotion = get_run_logger(), params.load(tasks.EVALUATION, params.Eval).promotion
    version = tracking.register(stage.run_id, stage.checkpoint, promotion.model_name)
    champion, again = tracking.champion(promotion.model_name), None
    if champion is not None and champion.dataset_digest != job.dataset:
        if plan.is_finished(Path(champion.checkpoint)):
            logger.info("the champion, version %s, comes from other data: it is evaluated on these", champion.version)
            evaluate_checkpoint(
                job,
                Path(champion.checkpoint),
                stop,
                how=job.recipe.stages[-1],
                threads=tasks.cores(),
            )
            again = json.loads((Path(champion.checkpoint) / "evaluation" / "metrics.json").read_text())
        else:
            logger.warning("the champion's checkpoint %s is gone, it cannot be evaluated again", champion.checkpoint)
    decision = tracking.promote(
        promotion.model_name,
        version,
        primary_metric=promotion.primary_metric,
        guardrail_metrics=promotion.guardrail_metrics,
        champion_metrics=again,
    )
    logger.info(
        "version %s %s: %s", version, "is champion now" if decision.promoted else "not promoted", decision.reason
    )
    return decision
