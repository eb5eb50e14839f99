"""Processes that begin at once on one database without tables; a program, which prints their runs."""

import json
import multiprocessing
import subprocess
import sys
from pathlib import Path

import mlflow  # noqa: F401 - once, in the parent of all

from components import tracking
from components.tracking.store import ROOT, client

STEPS = 20


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
    tracking.log_artifacts(stage, Path(folder, str(number), "history.jsonl"), "curves")
    tracking.finish(stage, "FINISHED")
    tracking.finish(run_id, "FINISHED")
    return stage


def check_written_at_once(writers: int, folder: Path) -> None:
    """Let some processes write into the store that the environment names, and read all of it back."""
    program = [sys.executable, "-m", __name__, str(folder), str(writers)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    for number, run_id in enumerate(json.loads(done.stdout.splitlines()[-1])):
        run = client().get_run(run_id)
        assert (run.info.status, run.data.params) == ("FINISHED", {"number": str(number)})
        assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36
        points = [(point.step, point.value) for point in client().get_metric_history(run_id, "loss")]
        assert points == [(step, step * number) for step in range(STEPS)]
        spool = folder / str(number) / "history.jsonl"
        kept = client().download_artifacts(run_id, "curves/history.jsonl", str(spool.parent))
        assert Path(kept).read_bytes() == spool.read_bytes()


if __name__ == "__main__":
    writers = int(sys.argv[2])
    with multiprocessing.get_context("fork").Pool(writers) as pool:
        print(json.dumps(pool.map(write, range(writers), chunksize=1)))
