"""On a schedule: bring the data up to date, and train again only if data, recipe or versions are not what they were."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from components import tracking
from flows import data, missed, tasks
from flows.pipeline import pipeline

# tags of a pipeline run; code that moves no version (components/train/versions.py) trains nothing anew
COMPARED = {"dataset_digest": "dataset", "recipe_digest": "recipe", "versions_digest": "versions of what trains"}


@flow(name="retrain", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def retrain(recipe: str = tasks.RECIPE) -> State:
    """Run the pipeline of a recipe if anything of `COMPARED` is not that of its last finished pipeline run.

    Args:
        recipe: YAML of the training run, or its bare name in params/recipes.
    """
    logger = get_run_logger()
    if count := missed.collapse():
        logger.info("%d runs that were missed are cancelled: this one does their work", count)
    with tasks.stopping() as stop:
        data.refresh(stop)
    job = tasks.open_job(recipe, dataset=data.digest())
    last = tracking.last_pipeline_tags(str(job.recipe_path))
    if moved := differences(tasks.digest_tags(job), last):
        pipeline(recipe)
        message = f"Trained: {'; '.join(moved)}."
    else:
        message = (
            "Nothing to do: dataset, recipe and versions of what trains are those of the last finished pipeline run of "
            f"{job.recipe_path}."
        )
    logger.info(message)
    return Completed(message=message)


def differences(now: Mapping[str, str], last: Mapping[str, str] | None) -> list[str]:
    """Return why to train again, a part of a sentence each; empty where nothing moved.

    Args:
        now: tag of `COMPARED` -> digest.
        last: the same of the last finished pipeline run, None where there is none.
    """
    if last is None:
        return ["no pipeline run of this recipe has finished before"]
    return [
        f"the {what} moved from {last.get(tag, 'unknown')[:12]} to {now[tag][:12]}"
        for tag, what in COMPARED.items()
        if now[tag] != last.get(tag)
    ]
