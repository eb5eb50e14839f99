"""The last stage's model becomes a registered version, and the champion if the gate lets it through."""

from __future__ import annotations

import json
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from components import params, tracking
from components.train import plan
from flows import data, tasks
from flows.evaluate import measure, trained
from flows.tasks import Job, Outcome, Stop


@flow(name="promote", task_runner=tasks.runner())
def promote(recipe: str = tasks.RECIPE) -> str:
    """Put the last stage of a recipe, trained and measured already, before the gate."""
    job = tasks.open_job(recipe, dataset=data.digest())
    check_gate(job)
    with tasks.stopping() as stop:
        outcome = trained(job, job.recipe.stages[-1].name)
        return tasks.as_task(promote_stage, "promote")(job, outcome, stop).reason


def check_gate(job: Job) -> None:
    """Refuse a job whose last stage is not measured in what the gate compares: it could not be promoted in the end.

    Raises:
        ValueError: names the metrics, the stage, and what it is evaluated in.
    """
    last, promotion = job.recipe.stages[-1], params.load(tasks.EVALUATION, params.Eval).promotion
    tracking.check_measured(
        last.name,
        last.evaluate,
        primary_metric=promotion.primary_metric,
        guardrail_metrics=promotion.guardrail_metrics,
    )


def promote_stage(job: Job, outcome: Outcome, stop: Stop) -> tracking.PromotionDecision:
    """Register a measured checkpoint and decide about the alias `champion`.

    A champion from other data is measured on the present data first, so that both stand on the same held-out takes.

    Raises:
        ValueError: the candidate has not been measured.
    """
    logger, promotion = get_run_logger(), params.load(tasks.EVALUATION, params.Eval).promotion
    version = tracking.register(outcome.run_id, outcome.checkpoint, promotion.model_name)
    champion, again = tracking.champion(promotion.model_name), None
    if champion is not None and champion.dataset_digest != job.dataset:
        if plan.is_finished(Path(champion.checkpoint)):
            logger.info("the champion, version %s, comes from other data: it is measured on these", champion.version)
            measure(job, Path(champion.checkpoint), stop, named=job.recipe.stages[-1].evaluate, threads=tasks.cores())
            again = json.loads((Path(champion.checkpoint) / "evaluation" / "metrics.json").read_text())
        else:
            logger.warning("the champion's checkpoint %s is gone, it cannot be measured again", champion.checkpoint)
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
