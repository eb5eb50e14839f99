"""A pipeline run that would only repeat the last one is told in seconds, without Prefect, its server and a new page.

Asked are those who own the answer: DVC about the data, MLflow about runs and champion, the folders about checkpoints
and evaluations. Where any of them says otherwise, or nothing is known, the flow itself looks.

Code is compared byte by byte. The versions of components/train/versions.py would not serve: they speak of what is
learned, while a run also evaluates, decides and writes a page, and no version stands for the code of these. A comment
costs a run of the flow, which trains nothing.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components import params, storage, tracking
from components.train import plan
from components.train.provenance import recorded
from flows import data_graph, evaluation_key, jobs, summary
from flows.jobs import Job, NestedStage, Outcome


@functools.cache  # the console command asks before it imports the flow, and the flow's own program asks again
def is_shown(recipe: str, overrides: Sequence[str] = ()) -> bool:
    """Print the last pipeline run of a recipe if nothing changed since; return whether that was so.

    Args:
        recipe: see `recipes.file_of`.
        overrides: changes of it from the command line.

    Raises:
        DamagedError: a finished checkpoint is not what its stage left; says what to do.
        RuntimeError: DVC cannot say what is stale.
    """
    started_s = time.monotonic()
    standing = standing_run(recipe, overrides)
    if standing is not None:
        summary.show_standing(standing, time.monotonic() - started_s)
    return standing is not None


def standing_run(recipe: str, overrides: Sequence[str] = ()) -> summary.Standing | None:
    """Return the last pipeline run of a recipe if another would do nothing but reuse; None where it may do more.

    Raises:
        DamagedError, RuntimeError: as `is_shown`.
    """
    if storage.place("checkpoints") is not None:
        return None  # what is kept elsewhere may have to be copied
    try:
        job = jobs.open_job(recipe, overrides, dataset=data_graph.digest(), promotes=True)
    except ValueError:
        return None  # data that was never made whole, or a mistake, which the flow tells
    if not all(plan.is_finished(job.checkpoint(stage.name)) for stage in job.recipe.stages):
        return None
    with ThreadPoolExecutor(1) as beside:
        stale = beside.submit(data_graph.stale)  # DVC and MLflow take seconds each to load
        run_id, stages, champion = _last_run(job), _stages(job), _champion(job)
    page = job.root / "reports" / str(run_id) / "index.html"
    if stale.result() or run_id is None or stages is None or champion is None or not page.is_file():
        return None
    steps = [Outcome(name, "reused", 0.0) for name in data_graph.stage_names(Path("dvc.yaml"))]
    return summary.Standing(steps, stages, champion, page, run_id)


def _last_run(job: Job) -> str | None:
    """Return the last finished pipeline run of the recipe, if code, parameters and data were these."""
    last = tracking.last_pipeline_run(str(job.recipe_path))
    now = jobs.digest_tags(job) | {"source_digest": jobs.source_digest(job.root)}
    return last.run_id if last is not None and now.items() <= last.tags.items() else None


def _stages(job: Job) -> list[NestedStage] | None:
    """Return the finished stages, if each is known to MLflow and evaluated as the recipe says."""
    found = []
    for stage in job.recipe.stages:
        run_id, checkpoint = tracking.finished_stage(job.keys[stage.name]), job.checkpoint(stage.name)
        if run_id is None:
            return None
        plan.checked(checkpoint, stage)
        done = NestedStage(stage.name, "reused", 0.0, checkpoint, run_id, nested_run_id=run_id)
        if stage.evaluate and not evaluation_key.is_evaluated(job, done):
            return None
        found.append(done)
    return found


def _champion(job: Job) -> str | None:
    """Return the version of the champion, if it is the last stage: the gate has nothing to decide then."""
    champion = tracking.champion(params.load(jobs.EVALUATION, params.Eval).promotion.model_name)
    last = job.checkpoint(job.recipe.stages[-1].name)
    return champion.version if champion and champion.checkpoint == str(recorded(last)) else None
