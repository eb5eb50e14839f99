"""Compare the arms of an ablation over seeds: train and evaluate each, then write one table with intervals.

Run as: python -m flows.compare --comparison params/ablations/exo2ego.yaml --seeds 3

Stages that arms have in common are trained once. Stopped at any time, the same command goes on: finished stages and
evaluations are reused. The table is written again after every run, to reports/compare-<name>/.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger

from components import params, tracking
from components.evaluation import comparison_power, comparison_scores, paired_comparison
from components.params.comparison import Comparison, with_overrides
from components.params.overrides import title
from components.report import comparison as page
from components.train.provenance import git_commit
from flows import (
    arm_recipes,
    arms,
    compare_summary,
    data,
    evaluate,
    failure,
    options,
    preflight,
    supervisor,
    tasks,
    train,
)
from flows.arm_recipes import Run
from flows.compare_summary import Compared
from flows.tasks import Job, NestedStage

COMPARISON = options.COMPARISON


@flow(name="compare", flow_run_name=tasks.run_name, task_runner=tasks.runner())
def compare(
    comparison: str = COMPARISON, seeds: int = 3, only: Sequence[str] = (), overrides: Sequence[str] = ()
) -> Compared:
    """Train and evaluate every arm with every seed, and compare them.

    Args:
        comparison: YAML of the comparison, or its bare name in params/ablations.
        seeds: repetitions of every arm.
        only: names of the arms to run, beside the one that they are compared with; all where none is named.
        overrides: changes of the recipe for every arm, before the arm's own (components/params/overrides.py).
    """
    wanted, source = _load(comparison, overrides)
    folder = folder_of(wanted)
    runs = arm_recipes.write_recipes(wanted, folder / "recipes", source=source, seeds=seeds, arms=only)
    at_start = tasks.open_job(str(wanted.recipe), dataset=None)
    with tasks.stopping() as stop:
        data.refresh(stop)
    arm_recipes.judge(runs, source=source, data=tasks.DATA)
    for foreseen in _foresee(wanted, seeds):
        get_run_logger().info("%s", foreseen)
    made_of = arms.made_of(wanted)
    tags = {"kind": "comparison", "recipe": source, "overrides": " ".join(overrides)}
    run_id = tracking.open_pipeline_run(f"compare {wanted.name}", tags=tags)
    status = "KILLED"
    try:
        run_arm = partial(train_and_evaluate, at_start=at_start)
        compared = compare_runs(wanted, runs, folder, run_id, made_of=made_of, run_arm=run_arm)
        status = "FAILED" if compared.failed else "FINISHED"
    finally:
        tracking.finish(run_id, status)
    return compared


def compare_runs(
    comparison: Comparison,
    runs: Sequence[Run],
    folder: Path,
    run_id: str,
    *,
    made_of: Mapping[str, object],
    run_arm: Callable[[Run, dict[str, str]], list[NestedStage]],
) -> Compared:
    """Do one run after the other; a run that fails or pauses is recorded, and the others go on.

    Args:
        comparison: has the arms.
        runs: in this order.
        folder: takes the page, the table and the scores.
        run_id: MLflow run of the comparison.
        made_of: as `arms.made_of` returns it, when the comparison began.
        run_arm: trains and evaluates a run, whose MLflow run gets these tags; returns its stages.

    Raises:
        StageStopped: the flow run was cancelled.
        ChangedMeanwhile: code or parameters changed between two runs; see `train_and_evaluate`.
    """
    logger = get_run_logger()
    places = {arm: comparison.places(arm) for arm in dict.fromkeys(run.arm for run in runs)}
    scores: dict[tuple[str, int], paired_comparison.Scores] = {}
    failed: dict[tuple[str, int], str] = {}
    finished: list[page.Finished] = []
    took_s: dict[Path, float] = {}  # of each checkpoint, which arms may share
    for number, run in enumerate(runs, start=1):
        logger.info("run %d of %d: arm %r, seed %d (%s)", number, len(runs), run.arm, run.seed, run.recipe)
        started_s = time.monotonic()
        tags = {"comparison": comparison.name, "arm": run.arm, "seed": str(run.seed), "mlflow.parentRunId": run_id}
        try:
            stages = run_arm(run, tags)
        except supervisor.StageStopped:
            raise
        except supervisor.StageFailed as error:
            failed[run.arm, run.seed] = str(error)
            logger.error("arm %r, seed %d has no scores: %s", run.arm, run.seed, error)
        else:
            compared = {stage for parts in places[run.arm].values() for stage, _, _ in parts}
            scores[run.arm, run.seed] = {
                stage.name: paired_comparison.read_scores(stage.checkpoint / "evaluation" / "predictions.parquet")
                for stage in stages
                if stage.name in compared
            }
            took_s |= {stage.checkpoint: arms.seconds_of(stage.checkpoint) for stage in stages}
            listed: list[tuple[str, str, str]] = [(stage.name, stage.how, stage.checkpoint.name) for stage in stages]
            finished.append(page.Finished(run.arm, run.seed, time.monotonic() - started_s, listed))
        rows = paired_comparison.compare(
            scores,
            places,
            against=comparison.against,
            published={arm: values.published for arm, values in comparison.arms.items()},
        )
        page.write(
            folder,
            comparison.model_dump(mode="json"),
            rows,
            finished,
            failed,
            of=len(runs),
            run_id=run_id,
            recorded_in=git_commit(Path.cwd()),
            stages_s=sum(took_s.values()),
            made_of=made_of,
        )
        comparison_scores.write(folder / comparison_scores.FILE, scores, places)
    for path in [*page.files(folder), folder / comparison_scores.FILE]:
        tracking.log_artifacts(run_id, path, "comparison")
    return Compared(rows, failed, folder / "index.html", run_id)


def train_and_evaluate(run: Run, tags: dict[str, str], *, at_start: Job) -> list[NestedStage]:
    """Train and evaluate the stages of a run as the pipeline does; its MLflow run gets the scores of the last stage.

    Args:
        run: arm, seed and recipe.
        tags: of its MLflow run.
        at_start: opened when the comparison began, so that all arms are trained by the same code.

    Raises:
        ChangedMeanwhile: code or parameters are not those of `at_start`.
    """
    tasks.check_unchanged(at_start)
    job = tasks.open_job(str(run.recipe), dataset=data.digest())
    with tasks.stopping() as stop, tasks.pipeline_run("compare", job) as run_id:
        tracking.set_tags(run_id, tags)
        stages = train.train_stages(job, run_id, stop, after=evaluate.Background(job, run_id, stop))
        tracking.log_evaluation(run_id, stages[-1].checkpoint / "evaluation" / "metrics.json")
    return stages


def _load(comparison: str, overrides: Sequence[str]) -> tuple[Comparison, str]:
    """Return a comparison with the changes of the command line, and how it is called in messages."""
    path = params.find_comparison(comparison)
    return with_overrides(params.load(path, Comparison), overrides), title(path, overrides)


def show_plan(comparison: str, *, seeds: int, only: Sequence[str] = (), overrides: Sequence[str] = ()) -> None:
    """Print what `compare` would train, without training anything.

    Args:
        comparison: as in `compare`, like the others.
        seeds: repetitions of every arm.
        only: names of the arms.
        overrides: changes of the recipe.
    """
    wanted, source = _load(comparison, overrides)
    runs = arm_recipes.write_recipes(wanted, folder_of(wanted) / "recipes", source=source, seeds=seeds, arms=only)
    if not (stale := data.stale()):
        arm_recipes.judge(runs, source=source, data=tasks.DATA)
    # no checkpoint has this digest, so nothing is reused; the stages that arms have in common still have equal keys
    digest = "not known before the data is made" if stale else data.digest()
    compare_summary.show_plan(
        source,
        arms.plan_runs(runs, dataset=digest),
        stale=stale,
        foreseen=[] if stale else _foresee(wanted, seeds),
    )


def _foresee(comparison: Comparison, seeds: int) -> list[comparison_power.Foreseen]:
    return comparison_power.foresee(
        comparison,
        seeds=seeds,
        data=tasks.DATA,
        checkpoints=Path("checkpoints"),
        evaluation=params.load(tasks.EVALUATION, params.Eval),
    )


def folder_of(comparison: Comparison) -> Path:
    """Return the folder of a comparison's recipes, page and table."""
    return Path("reports") / f"compare-{arm_recipes.file_name(comparison.name)}"


def main() -> int:
    """Compare in this process and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.compare(parser)
    given = parser.parse_args()
    try:
        if given.dry_run:
            show_plan(given.comparison, seeds=given.seeds, only=given.arms, overrides=given.overrides)
            return 0
        preflight.compare(given)  # without this, a mistake would come behind the start of Prefect's server
        compared = compare(given.comparison, given.seeds, given.arms, given.overrides)
    except (RuntimeError, ValueError, OSError) as error:
        failure.show(error)
        return 1
    compare_summary.show(compared)
    return 1 if compared.failed else 0


if __name__ == "__main__":
    sys.exit(main())
