"""Eight processes that begin at once on one database that is not there yet; run as a program, it prints their ends."""

import json
import multiprocessing
import sys
from pathlib import Path

import mlflow  # noqa: F401 - once, in the parent of all

from components import tracking

WRITERS, STEPS = 8, 20


def write(number: int) -> str:
    """Do what a pipeline run does, and give its id."""
    run_id = tracking.open_pipeline_run(f"pipeline {number}", tags={"recipe": f"{number}"})
    stage = tracking.open_stage_run(
        run_id, "stage", params={"number": number}, tags={"stage_key": f"{number}"}, dataset_digest="f" * 64
    )
    folder = sys.argv[1]
    log = tracking.MetricLog(stage, Path(folder, str(number), "history.jsonl"), interval_s=60)
    for step in range(STEPS):
        log.log(step, {"loss": step * number})
    assert log.close() == 0
    tracking.finish(stage, "FINISHED")
    tracking.finish(run_id, "FINISHED")
    return stage


if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(WRITERS) as pool:
        print(json.dumps(pool.map(write, range(WRITERS), chunksize=1)))
