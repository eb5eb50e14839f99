"""The whole path, once: data → train → evaluate → promote → report. Read this file first.

`python -m flows.pipeline` runs it without any server; `prefect deployment run pipeline/pipeline` on a worker.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from prefect import flow

from components import report, tracking
from components.evaluation.promotion_gate import Decision
from flows import (
    data,
    drift,
    evaluate,
    failure,
    options,
    preflight,
    promote,
    rehearse,
    shown,
    summary,
    tasks,
    train,
    unchanged,
)
from flows.summary import Finished
from flows.tasks import NestedStage, Outcome


@flow(name="pipeline", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def pipeline(
    recipe: str = tasks.RECIPE, overrides: Sequence[str] = (), dry_run: bool = False, refresh_data: bool = True
) -> Finished | None:
    """Bring everything up to date: what did not change is reused, and says so.

    Args:
        recipe: YAML of the training run, or its bare name in params/recipes.
        overrides: changes of it, such as "stages.sft.max_steps=60" (components/params/overrides.py).
        dry_run: only say what would run.
        refresh_data: make the data anew where it is stale; else it is taken as it is.
    """
    if dry_run:
        summary.show_plan(recipe, overrides)
        return None
    started_s = time.monotonic()
    # a mistake in the recipe comes out before the data is made
    job = tasks.open_job(recipe, overrides, dataset=None, trains=True, promotes=True)
    made_by = {"source_digest": tasks.source_digest(job.root)}
    with tasks.stopping() as stop, tasks.pipeline_run("pipeline", job) as run_id:
        base = train.start_without_data(job, run_id, stop)  # the base models train while the data is made
        data_stages = data.refresh(stop) if refresh_data else []
        dataset = data.digest()
        job = tasks.with_dataset(job, dataset)
        tracking.set_tags(run_id, made_by | {"dataset_digest": dataset})
        tracking.log_dataset(run_id, dataset)
        profile = tasks.as_task(drift.keep, "profile").submit(run_id, dataset)
        # each stage is evaluated beside the training of the next
        stages = train.train_stages(job, run_id, stop, after=evaluate.Background(job, run_id, stop), started=base)
        profile.result()
        decision = tasks.as_task(promote.promote_stage, "promote")(tasks.unseen(job), stages[-1], stop)
        page = tasks.as_task(write_report, "report")(
            tasks.unseen(job), stages, run_id, decision, tasks.unseen(data_stages)
        )
        # those of its last stage are those of the run, so that MLflow compares whole runs
        tracking.log_evaluation(run_id, stages[-1].checkpoint / "evaluation" / "metrics.json")
    finished = Finished(data_stages, stages, decision, page, run_id, time.monotonic() - started_s)
    shown.publish(finished)
    return finished


def write_report(
    job: tasks.Job, stages: list[NestedStage], run_id: str, decision: Decision, data_stages: list[Outcome]
) -> Path:
    """Write the page of this pipeline run with those beside it, and log them to its MLflow run.

    Args:
        job: has the project root.
        stages: every stage of the recipe, finished.
        run_id: MLflow run of the pipeline.
        decision: of the promotion gate.
        data_stages: what became of each step of the data.

    Returns:
        The page, an HTML file.
    """
    rows = [(stage.name, stage.checkpoint, stage.nested_run_id, stage.how == "reused") for stage in stages]
    page = report.build(
        run_id,
        rows,
        data=job.root / tasks.DATA,
        output=job.root / "reports" / run_id,
        decision=decision,
        data_steps=[(step.name, step.how, step.seconds) for step in data_stages],
    )
    tracking.log_artifacts(run_id, page.parent, "report")
    return page


def main() -> int:
    """Run the pipeline in this process, where there is anything to do, and say where everything is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.run(parser)
    arguments = parser.parse_args()
    scale = rehearse.Scale(arguments.on, arguments.ranks, arguments.zero_stage)
    if scale != rehearse.Scale() and not arguments.rehearse:
        parser.error("--on, --ranks and --zero-stage are of a rehearsal; add --rehearse, or leave them out")
    try:
        if arguments.dry_run:
            summary.show_plan(arguments.recipe, arguments.overrides)
        elif arguments.rehearse:
            return rehearse.rehearse(pipeline, arguments.recipe, scale, arguments.overrides)
        else:
            preflight.run(arguments)  # without this, a mistake would come behind the start of Prefect's server
            if unchanged.is_shown(arguments.recipe, tuple(arguments.overrides)):
                return 0
            finished = pipeline(arguments.recipe, arguments.overrides)
            assert finished is not None, "only a dry run returns nothing"
            summary.show(finished)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
