"""On a schedule: bring the data up to date, and train again only if that changed the dataset."""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from components import tracking
from flows import data, recipes, tasks
from flows.pipeline import pipeline


@flow(name="retrain", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def retrain(recipe: str = tasks.RECIPE) -> State:
    """Run the pipeline of a recipe if the dataset is another than that of its last finished pipeline run.

    Args:
        recipe: YAML of the training run, or its bare name in params/recipes.
    """
    path = str(recipes.file_of(recipe))
    with tasks.stopping() as stop:
        data.refresh(stop)
    now, last = data.digest(), tracking.last_pipeline_digest(path)
    if now == last:
        message = f"Nothing to do: the dataset digest {now[:12]} is that of the last finished pipeline run of {path}."
    else:
        pipeline(recipe)
        message = f"Trained: the dataset digest moved from {(last or 'none')[:12]} to {now[:12]}."
    get_run_logger().info(message)
    return Completed(message=message)
