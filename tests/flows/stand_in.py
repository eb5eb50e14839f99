"""A small project with the real flows, DVC, MLflow and launching; only the heavy parts are stand-ins."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from ruamel.yaml import YAML

from components.params import Model

ROOT = Path(__file__).parents[2]
RECIPE = "params/recipes/miniature.yaml"  # the one that the deployments name

# Takes the place of the DeepSpeed launcher: the real one takes seconds to import (tests/components/train covers it).
LAUNCHER = """
import subprocess, sys
at = sys.argv.index("--module")
sys.exit(subprocess.call([sys.executable, "-m", *sys.argv[at + 1:]]))
"""
# Files in the root steer it: `fail` lets the stage it names fail once, `pause` pauses it while the file is there,
# `hang` sleeps with a child until ended, and then takes as many seconds as the file says to save a checkpoint.
TRAIN = """
import argparse, json, os, signal, subprocess, sys, time
from pathlib import Path
parser = argparse.ArgumentParser()
for name in ("recipe", "stage", "parents", "data", "output", "run-id", "provenance"):
    parser.add_argument("--" + name)
parser.add_argument("overrides", nargs="*")
given = parser.parse_args()
output = Path(given.output)
output.mkdir(parents=True, exist_ok=True)
(output / "pids").mkdir(exist_ok=True)
(output / "pids" / str(os.getpid())).write_text(given.run_id)
started_s = time.time()
for parent in json.loads(given.parents).values():
    assert (Path(parent) / "stage.json").is_file(), parent
if Path("fail").exists() and Path("fail").read_text() == given.stage:
    Path("fail").unlink()
    raise SystemExit("no luck this time")
if Path("pause").exists() and Path("pause").read_text() == given.stage:
    message = "a KL of 2; allowed is 1 at most; raise grpo.pause_rules.max_kl"
    (output / "paused.json").write_text(json.dumps({"message": message}))
    raise SystemExit(75)
if Path("hang").exists():
    child = subprocess.Popen(["sleep", "300"])
    def save(*_):
        time.sleep(save_s)
        (output / "saved").touch()
        sys.exit(143)
    if save_s := float(Path("hang").read_text() or 0):
        signal.signal(signal.SIGTERM, save)
    (output / "pids" / str(child.pid)).write_text("")
    time.sleep(300)
time.sleep(0.5)
(output / "model").mkdir(exist_ok=True)
config = {"model_type": "egoflow", "vision_config": {"image_size": 8}, "tubelet_frames": 2, "weights": given.provenance}
(output / "model" / "config.json").write_text(json.dumps(config))
(output / "history.jsonl").write_text(json.dumps({"step": 1, "time_s": time.time(), "loss": 1.0}) + "\\n")
from components import params
from components.models import checkpoint_files
from components.train.provenance import recorded_parents
stages = params.load_recipe(Path(given.recipe), given.overrides).stages
made = json.loads(given.provenance) | {"started_s": started_s, "ended_s": time.time()}
made |= {"parents": recorded_parents(json.loads(given.parents)), "stage": given.stage, "recipe": "tiny"}
made |= {"steps": 1, "seconds": 0.5, "frames_contract": "", "samples_digest": ""}
made["params"] = next(stage for stage in stages if stage.name == given.stage).model_dump(mode="json")
checkpoint_files.finish(output, made)
"""
EVALUATE = """
import argparse, itertools, json, time
from pathlib import Path
from components import records
parser = argparse.ArgumentParser()
for name in ("checkpoint", "data", "params"):
    parser.add_argument("--" + name)
parser.add_argument("--tasks", nargs="*")
parser.add_argument("--max-new-tokens")
for name in ("rank-options", "background"):
    parser.add_argument("--" + name, action="store_true")
folder = Path(parser.parse_args().checkpoint) / "evaluation"
folder.mkdir(exist_ok=True)
controls = dict(guesser=dict(value=0.2, n=9, difference=0.7, lo=0.6, hi=0.8))
entry = dict(value=0.9, lo=0.8, hi=1.0, n=9, chance=0.2, learned=True, reason=None)
entry |= dict(controls=controls, strongest="guesser")
scores = {"model": 0.9, "other_frames": 0.1, "guesser": 0.2}
names = ["ground_spatial/miou", "ground_temporal/miou", "qa/accuracy", "caption_ego/verb"]
(folder / "metrics.json").write_text(json.dumps(dict.fromkeys(names, entry)))
(folder / "skipped.json").write_text("[]")
(folder / "identity.json").write_text(json.dumps({"checkpoint": folder.parent.name}))
rows = []
for name, take, (condition, score) in itertools.product(names, range(8), scores.items()):
    task, _, metric = name.partition("/")
    row = dict.fromkeys(records.PREDICTION.names) | {"task": task, "score_name": metric, "condition": condition}
    rows.append(row | {"sample_id": f"{take}", "take_id": f"{take}", "score": score + take / 100})
records.write_table(folder / "predictions.parquet", rows, records.PREDICTION)
with open("evaluations.txt", "a") as log:
    log.write(folder.parent.name + "\\n")
"""
REPORT = '''
"""A page."""
def build(pipeline_run_id, stages, *, data, output, decision, data_steps):
    assert decision.reason
    output.mkdir(parents=True)
    (output / "index.html").write_text(str(stages))
    return output / "index.html"
'''
DRIFT_PAGE = '''
"""A page."""
def write(output, changes, **words):
    raise NotImplementedError
'''
PROFILE = '''
"""A profile."""
TEXT = "all texts: words"
def write(data, path):
    path.write_text((data / "dataset").name)
def read(path):
    raise NotImplementedError
totals = read
'''
STAGE = {
    "algorithm": "supervised",
    "max_steps": 1,
    "train_batch_size": 1,
    "warmup_ratio": 0,
    "weight_decay": 0,
    "save_steps": 1,
    "threads_per_rank": 1,
}
TRAINED = {**STAGE, "learning_rates": {"language_model": 0.001}}
SEEN = {**TRAINED, "mixture": {"egore/qa/ego": 1.0}}
STAGES = [
    {**TRAINED, "name": "text", "algorithm": "text", "evaluate": []},
    {**TRAINED, "name": "images", "algorithm": "contrastive", "rendered_images": 1, "evaluate": []},
    {**SEEN, "name": "first", "parents": {"language_model": "text", "ego_encoder": "images"}},
    {**SEEN, "name": "second", "parents": {"all": "first"}, "threads_per_rank": 2},
]


def make(root: Path) -> Path:
    """Write the project into an empty folder and give it back."""
    leave_out = shutil.ignore_patterns("__pycache__", "report", "report.py", "evaluate.py")
    for folder in ("components", "flows", "infra", "params"):
        shutil.copytree(ROOT / folder, root / folder, ignore=leave_out)
    shutil.copy(ROOT / "flows" / "evaluate.py", root / "flows")
    for path, text in {
        "deepspeed/__init__.py": "",
        "deepspeed/launcher/__init__.py": "",
        "deepspeed/launcher/launch.py": LAUNCHER,
        "components/train/__main__.py": TRAIN,
        "components/evaluation/__main__.py": EVALUATE,
        "components/report/__init__.py": REPORT,
        "components/report/drift.py": DRIFT_PAGE,
        "components/data/drift/profile.py": PROFILE,
        "seed.txt": "1",
        "unused.txt": "1",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    recipe(root, RECIPE, STAGES)
    (root / "mlflow.db").write_bytes(_database())
    (root / ".prefect").mkdir()
    (root / ".prefect" / "prefect.db").write_bytes(_prefect_database())
    # written in the wrong order on purpose
    write_yaml(
        root / "dvc.yaml",
        {
            "stages": {
                "frames": copying("data/dataset", "data/frames"),
                "dataset": copying("data/raw", "data/dataset"),
                "world": copying("seed.txt", "data/raw/seed.txt", "data/raw"),
            }
        },
    )
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=root, env=environment(root), check=True)
    return root


def recipe(root: Path, path: str, stages: list[dict]) -> str:
    """Write a recipe of the smallest model and return its path, relative to the root."""
    sizes = {name: 1 for name, field in Model.model_fields.items() if field.is_required()}
    write_yaml(root / path, {"name": "tiny", "model": sizes, "stages": stages})
    return path


@functools.cache
def _database() -> bytes:
    """Make an empty MLflow database once: its migrations take seconds."""
    from mlflow import MlflowClient

    with tempfile.TemporaryDirectory() as folder:
        MlflowClient(f"sqlite:///{folder}/mlflow.db").search_experiments()
        return Path(folder, "mlflow.db").read_bytes()


@functools.cache
def _prefect_database() -> bytes:
    """Make an empty database of Prefect's server once: its migrations take ten seconds, and are of a machine."""
    code = "import asyncio; from prefect.server.database import provide_database_interface as of"
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder))
        subprocess.run([sys.executable, "-c", f"{code}; asyncio.run(of().create_db())"], env=env, check=True)
        whole = Path(folder, "whole.db")
        with closing(sqlite3.connect(Path(folder, ".prefect", "prefect.db"))) as database:
            database.execute("VACUUM INTO ?", (str(whole),))  # with what lies in its write-ahead log
        return whole.read_bytes()


def copying(source: str, target: str, out: str | None = None) -> dict:
    """Give a DVC stage that copies a file or folder, and fails where the source says `broken`."""
    command = f"! grep -rq broken {source} && mkdir -p {Path(target).parent} && cp -rT {source} {target}"
    return {"cmd": command, "deps": [source], "outs": [out or target]}


def write_yaml(path: Path, value: dict) -> None:
    """Write a YAML file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        YAML(typ="safe").dump(value, file)


def environment(root: Path, **more: str) -> dict[str, str]:
    """Give the environment of a process in the project: nothing of the outer one that could lead elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    home = {"PREFECT_HOME": str(root / ".prefect"), "DVC_NO_ANALYTICS": "1", "DS_ACCELERATOR": "cpu"}
    quiet = {"DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "COLUMNS": "200"}
    return {**kept, **home, **quiet, "PYTHONDONTWRITEBYTECODE": "1", **more}


def python(root: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the project's Python to its end and keep what it printed."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment(root, **env),
        capture_output=True,
        text=True,
        timeout=480,
    )


def pid_files(root: Path) -> list[Path]:
    """Give a file for each process that the stand-in for training has started so far, named by its number."""
    return list(root.glob("checkpoints/*/pids/*"))


def spans(root: Path) -> dict[str, tuple[float, float]]:
    """Give stage -> (start, end) of its training, seconds since 1970."""
    read = {
        path.parent.name.rsplit("-", 1)[0]: json.loads(path.read_text())
        for path in root.glob("checkpoints/*/stage.json")
    }
    return {name: (times["started_s"], times["ended_s"]) for name, times in read.items()}
