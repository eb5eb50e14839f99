"""One stage of a stand-in project, without Prefect's engine."""

from prefect.logging import disable_run_logger

from components import tracking
from flows import train
from flows.tasks import Job, TrainedStage


def go(job: Job, name: str, parent: str, stop=lambda: None) -> TrainedStage:
    """Train a stage of the job's recipe, or reuse it."""
    stage = next(stage for stage in job.recipe.stages if stage.name == name)
    with disable_run_logger():
        return train.train_stage(job, stage, parent, stop)


def status(run_id: str) -> tuple[str, dict[str, str]]:
    """Give the status and the tags of an MLflow run."""
    described = tracking.describe(run_id)
    return described.status, described.tags
