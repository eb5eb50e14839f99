"""Let a finished checkpoint stand for a stage whose key has changed: a person's decision, with a reason, on record.

Run as: python -m flows.adopt checkpoints/base_lm-e520f0f7efa9 --for base_lm --why "its data is the same"

A key covers all that a stage is made from. A parent that was trained again, a version that was raised for a case which
the stage has not, a value that says the same in other words: each gives another key, and a stage of thousands of GPU
hours need not train again for it. What differs is printed, kept in the checkpoint's stage.json and in MLflow, and
shown in every report. It is for training what `dvc commit` is for data.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from components import tracking
from components.records.single_writer import LOCKS, single_writer
from components.tracking.code import code_of
from components.train import plan, versions
from components.train.provenance import recorded
from flows import data, failure, options, tasks
from flows.tasks import Job

COPIED = ("model", "history.jsonl", "samples.parquet", "rejects.parquet")  # an evaluation is made anew


def adopt(checkpoint: Path, stage: str, why: str, *, recipe: str = tasks.RECIPE, overrides: Sequence[str] = ()) -> Path:
    """Copy a finished checkpoint to the folder of a stage as it is now, and let MLflow's cache know it.

    Args:
        checkpoint: folder of a finished stage, here or of another checkout.
        stage: name of the stage that it shall stand for.
        why: the reason, for those who read the report.
        recipe: that the stage is of.
        overrides: changes of it (components/params/overrides.py).

    Returns:
        The new checkpoint folder.

    Raises:
        ValueError: no such stage, a checkpoint that is not finished, damaged, or of another algorithm or model, or a
            stage that is finished or begun already (`single_writer.BusyError`: it is being trained).
    """
    job = _job(recipe, overrides)
    wanted = {one.name: one for one in job.recipe.stages}
    if stage not in wanted:
        raise ValueError(f"{job.recipe_path} has no stage {stage!r}, allowed are {sorted(wanted)}")
    if stage not in job.keys:
        raise ValueError(f"the key of {stage!r} is not known before the data is made: run `dvc repro`")
    if not plan.is_finished(checkpoint):
        raise ValueError(f"{checkpoint} has no {plan.FINISHED}: only a finished checkpoint can stand for a stage")
    made, to = plan.checked(checkpoint, whole=True), job.checkpoint(stage)
    if plan.is_finished(to):
        raise ValueError(f"{to} is finished already: {stage!r} needs no other checkpoint")
    changed = differences(made, job, stage)
    for name in ("algorithm", "model"):
        was, now = changed.get(name, (None, None))
        if was is not None:
            raise ValueError(f"{checkpoint} has the {name} {was}, {stage!r} has {now}: it cannot stand for that")
    with single_writer(job.root / LOCKS / f"{to.name}.lock", f"the checkpoint of stage {stage!r}"):
        if to.exists():
            raise ValueError(f"{to} is begun: let it go on by running the pipeline, or remove it")
        copy(checkpoint, to, made, {"stage": stage, "stage_key": job.keys[stage]}, why, changed)
        _record(job, stage, to, why, made)
    return to


def copy(checkpoint: Path, to: Path, made: dict, stands_for: dict, why: str, changed: dict[str, tuple]) -> None:
    """Copy what a checkpoint is for others, and say in its stage.json what it stands for, and why.

    Args:
        checkpoint: folder of a finished stage.
        to: folder to write; it appears whole.
        made: content of the checkpoint's stage.json.
        stands_for: members of stage.json that are those of the stage it stands for.
        why: the reason.
        changed: what differs (`differences`).
    """
    partial = to.with_name(f"{to.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in filter(lambda name: (checkpoint / name).exists(), COPIED):
        take = shutil.copytree if (checkpoint / name).is_dir() else shutil.copy2
        take(checkpoint / name, partial / name)
    adopted = {"from_key": made.get("stage_key"), "why": why, "differs": changed}
    files = {name: known for name, known in made.get("files", {}).items() if (partial / name).exists()}
    (partial / plan.FINISHED).write_text(json.dumps(made | stands_for | {"files": files, "adopted": adopted}, indent=2))
    plan.checked(partial, whole=True)
    partial.rename(to)


def differences(made: dict, job: Job, stage: str) -> dict[str, tuple]:
    """Return what the stage is made from now and the checkpoint was not: name -> what it was made from, what is now.

    Args:
        made: content of the checkpoint's stage.json.
        job: recipe and keys.
        stage: name of the stage.
    """
    wanted = next(one for one in job.recipe.stages if one.name == stage)
    now, was = wanted.model_dump(mode="json"), made["params"]
    changed = {
        name: (was.get(name), value) for name, value in now.items() if name != "parents" and was.get(name) != value
    }
    used = versions.moved(made.get("versions"), versions.of(job.recipe, wanted))
    changed |= {f"version of {part}": both for part, both in used.items()}
    if made.get("code_digest") != job.code:
        changed["code_digest"] = (made.get("code_digest"), job.code)
    if now["algorithm"] not in plan.WITHOUT_DATASET and made.get("dataset_digest") != job.dataset:
        changed["dataset_digest"] = (made.get("dataset_digest"), job.dataset)
    model = plan.settings(job.recipe, wanted)["model"]
    # None: of a release that did not write it down
    if (before := versions.settings("model", made["model"]) if made.get("model") else None) != model:
        changed["model"] = (before, model)
    parents = {part: job.checkpoint(parent).name for part, parent in now["parents"].items()}
    if (came := {part: Path(path).name for part, path in made["parents"].items()}) != parents:
        changed["parents"] = (came, parents)
    return changed


def _job(recipe: str, overrides: Sequence[str]) -> Job:
    return tasks.open_job(recipe, overrides, dataset=None if data.stale() else data.digest())


def _record(job: Job, stage: str, checkpoint: Path, why: str, made: dict) -> None:
    pipeline = tracking.open_pipeline_run(f"adopt {stage}", tags={"kind": "adoption", "recipe": str(job.recipe_path)})
    now = next(one for one in job.recipe.stages if one.name == stage)
    run_id = tracking.open_stage_run(
        pipeline,
        stage,
        params=now.model_dump(mode="json") | {"model": job.recipe.model.model_dump(mode="json")},
        tags=code_of(made) | {"stage_key": job.keys[stage], "checkpoint": str(recorded(checkpoint)), "adopted": why},
        dataset_digest=job.dataset if now.algorithm not in plan.WITHOUT_DATASET else None,
    )
    for run in (run_id, pipeline):
        tracking.finish(run, "FINISHED")


def main() -> int:
    """Read the command line, adopt, and say what differs; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.adopt(parser)
    given = parser.parse_args()
    try:
        folder = adopt(given.checkpoint, given.stage, given.why, recipe=given.recipe, overrides=given.overrides)
    except (ValueError, OSError) as error:
        failure.show(error)
        return 1
    differs = json.loads((folder / plan.FINISHED).read_text())["adopted"]["differs"]
    lines = [f"  {name}: was {was}, is {now}" for name, (was, now) in differs.items()]
    sys.stdout.write("\n".join([f"{folder} stands for {given.stage} now. What differs:", *lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
