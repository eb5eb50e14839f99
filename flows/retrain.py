"""On a schedule: bring the data up to date, and train again only if data, recipe or versions are not what they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed

from components import tracking
from flows import data, drift, missed, tasks
from flows.pipeline import pipeline

DATASET = "dataset_digest"
# tags of a pipeline run; code that moves no version (components/train/versions.py) trains nothing anew
COMPARED = {DATASET: "dataset", "recipe_digest": "recipe", "versions_digest": "versions of what trains"}


@flow(name="retrain", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def retrain(recipe: str = tasks.RECIPE, trigger: Literal["digest", "drift"] = "digest") -> State:
    """Run the pipeline of a recipe if anything of `COMPARED` is not that of its last finished pipeline run.

    Args:
        recipe: YAML of the training run, or its bare name in params/recipes.
        trigger: what of the dataset counts: any change ("digest"), or only one by which a feature drifted ("drift",
            with the limits of params/drift.yaml). A change of the others always counts.
    """
    logger = get_run_logger()
    if count := missed.collapse():
        logger.info("%d runs that were missed are cancelled: this one does their work", count)
    with tasks.stopping() as stop:
        data.refresh(stop)
    job = tasks.open_job(recipe, dataset=data.digest())
    last, now = tracking.last_pipeline_tags(str(job.recipe_path)), tasks.digest_tags(job)
    if trigger == "digest" or last is None:
        moved, still = differences(now, last), "dataset, recipe and versions of what trains are those of"
    else:
        moved = differences({tag: value for tag, value in now.items() if tag != DATASET}, last)
        found, has_moved = drifted(last.get(DATASET, "unknown"), now[DATASET], recipe=str(job.recipe_path))
        moved, still = (
            [*moved, *([found] if has_moved else [])],
            f"{found}; recipe and versions of what trains are those of",
        )
    if moved:
        pipeline(recipe)
        message = f"Trained: {'; '.join(moved)}."
    else:
        message = f"Nothing to do: {still} the last finished pipeline run of {job.recipe_path}."
    logger.info(message)
    return Completed(message=message)


def differences(now: Mapping[str, str], last: Mapping[str, str] | None) -> list[str]:
    """Return why to train again, a part of a sentence each; empty where nothing moved.

    Args:
        now: tags of `COMPARED` -> digest, of those that count.
        last: the same of the last finished pipeline run, None where there is none.
    """
    if last is None:
        return ["no pipeline run of this recipe has finished before"]
    return [
        f"the {what} moved from {last.get(tag, 'unknown')[:12]} to {now[tag][:12]}"
        for tag, what in COMPARED.items()
        if tag in now and now[tag] != last.get(tag)
    ]


def drifted(reference: str, now: str, *, recipe: str) -> tuple[str, bool]:
    """Return how the dataset lies to that of the last run, in words, and whether that is a reason to train again.

    The last run is compared with, not the champion: data on which a candidate was trained and not promoted would else
    be a reason every night. Where no profile of its data is kept nobody can tell, and the run that follows keeps one.

    Args:
        reference: digest of the dataset of the last run.
        now: digest of the dataset at hand.
        recipe: file of the recipe.
    """
    try:
        compared = drift.since(reference, now, against="the last run")
    except drift.NoProfileError:
        return f"no profile is kept of dataset {reference[:12]}, which the last run of {recipe} learned from", True
    return str(compared), bool(compared.drifted)
