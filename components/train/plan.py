"""What identifies a training stage, and where its checkpoint lies. No torch.

Two stages with the same key would end in the same checkpoint, so a finished one is reused instead of trained again.
The code stands in a key by the versions of the parts that the stage uses (versions.py); its digest is provenance.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from components.models import checkpoint_files
from components.params import Model, Qwen
from components.train import versions

if TYPE_CHECKING:
    from components.params import Data, Frames, Recipe, Stage

TRAINING = "components/train/__main__.py"
EVALUATION = "components/evaluation/__main__.py"
# They carry numbers and do not make them; the values read by params.py stand in the keys themselves.
NOT_CODE = (
    "components/tracking",
    "components/params",
    "components/video/data_uri.py",
    "components/train/grpo/rollouts.py",
    "components/train/grpo/pause_rules.py",
    "components/train/grpo/pause_callback.py",
    "components/train/dry_run",
    "components/train/judge",
)
# These fields of a stage say when it is stopped, saved, shown, measured or planned, not what it learns.
NOT_IN_KEY = {
    **dict.fromkeys(
        ("timeout_minutes", "save_steps", "evaluate", "dataset_samples", "max_text_tokens", "feature_cache_gib"), True
    ),
    "published_hours": True,
    **dict.fromkeys(("rank_options", "max_new_tokens", "teacher"), True),  # of evaluation
    "ranks": True,  # moves weights by rounding only, and a run must be able to go on with what is left of a machine
    "grpo": {"rollout_page_steps", "pause_rules"},
}
FINISHED = "stage.json"  # of a checkpoint folder
SAMPLES = "samples"  # the parent that gives no part of a model, but a table of samples in its folder
SAMPLES_FILE = "samples.parquet"
ANSWERS_FILES = "answers-*.jsonl"  # of a stage of algorithm distill, one of each rank
DATASET_STAGES = ("dataset", "frames")
# The base models train on worlds rendered on the fly, so a change of the dataset leaves them as they are.
WITHOUT_DATASET = frozenset({"text", "contrastive"})


def code_files(root: Path, entry: str = TRAINING) -> dict[str, str]:
    """Return the source files that a program imports, however far, and the DeepSpeed jsons: name -> sha256.

    Args:
        root: project root; names are relative to it.
        entry: the program, relative to it.
    """
    files = {*_imported(root, root / entry), *(root / "infra" / "deepspeed").glob("*.json")}
    return digests_of(root, (file.relative_to(root).as_posix() for file in files))


def code_digest(files: Mapping[str, str]) -> str:
    """Return the one sha256 that stands for `code_files`."""
    digest = hashlib.sha256()
    for name, of_file in sorted(files.items()):
        digest.update(f"{name}\0{of_file}\n".encode())
    return digest.hexdigest()


def digests_of(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the sha256 of files below a root by their names, "" of those that are not there."""
    paths = {name: root / name for name in names}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for name, path in paths.items()
    }


def _imported(root: Path, entry: Path) -> set[Path]:
    """Return a file and all of `components` that it imports, read from the text: no list that someone could forget.

    To import a module runs the `__init__` of every package above it, so those are code too.
    """
    found, waiting = set(), [entry]
    while waiting:
        path = waiting.pop()
        if path in found or not path.is_file() or path.relative_to(root).as_posix().startswith(NOT_CODE):
            continue
        found.add(path)
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                # what is imported from a package may be a module of it
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        for name in names:
            parts = name.split(".")
            if parts[0] == "components":
                waiting.append(root.joinpath(*parts).with_suffix(".py"))
                waiting += [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return found


def frames_of(task: str, frames: Frames) -> set[int]:
    """Return the numbers of frames that samples of a task have."""
    clip, window = frames.clip_frames, frames.window_frames
    kinds = {"caption": {clip}, "verify": {clip}, "ground_spatial": {frames.image_frames}, "ground_temporal": {window}}
    return kinds.get(task, {clip, window})


def base_digest(base: str) -> str:
    """Return what tells downloaded weights from others under the same path: a name stands for itself.

    Of a folder, the sha256 of its json files and of the size and the last megabyte of each file of weights: to read
    all of them would take longer than to plan a stage may.
    """
    folder = Path(base)
    if not folder.is_dir():
        return base
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")]):
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - 2**20))
            digest.update(f"{path.name}\0{size}\0{hashlib.sha256(file.read()).hexdigest()}\n".encode())
    return digest.hexdigest()


def dataset_digest(lock: Path) -> str:
    """Return one sha256 over the outputs of the stages `dataset` and `frames` in `dvc.lock`.

    Raises:
        ValueError: the lock file or one of the stages is missing: the data graph has not been run.
    """
    stages = (YAML(typ="safe").load(lock.read_text()) or {}).get("stages", {}) if lock.is_file() else {}
    missing = [name for name in DATASET_STAGES if name not in stages]
    if missing:
        raise ValueError(
            f"{lock} has the stages {sorted(stages)}, but {missing} are needed: they are what a model learns from."
            "\nRun the data graph: dvc repro"
        )
    outs = sorted((out["path"], out["md5"]) for name in DATASET_STAGES for out in stages[name]["outs"] if "md5" in out)
    return _sha256(outs)


def world_values(data: Data) -> dict[str, float]:
    """Return the values of params/data.yaml that base stages read (train/text.py:answer_rules, train/stages.py)."""
    return {
        "render_px": data.world.size_px,
        "window_frames": data.frames.window_frames,
        "box_grid": data.egore.box_grid,
        "time_step_s": data.egore.time_step_s,
    }


def stage_key(
    recipe: Recipe,
    stage: Stage,
    *,
    dataset: str | None,
    world: Mapping[str, float],
    parents: Mapping[str, str],
) -> str:
    """Return the sha256 that stands for the checkpoint a stage ends in.

    Args:
        recipe: gives the model.
        stage: one of its stages.
        dataset: digest of the data; not looked at for a base stage, which makes its own.
        world: what a base stage makes its data from (`world_values`); not looked at for others.
        parents: stage name -> key, at least for the parents of `stage`.

    Raises:
        ValueError: a stage that reads the dataset came without its digest, or uses a part that has no version.
    """
    reads_dataset = stage.algorithm not in WITHOUT_DATASET
    if reads_dataset and dataset is None:
        raise ValueError(
            f"stage {stage.name!r} ({stage.algorithm}) reads the dataset, so its key needs the dataset digest"
        )
    bases = {part: base_digest(base) for part, base in _downloaded(recipe, stage).items()}
    return _sha256(
        {
            **({"bases": bases} if bases else {}),
            **settings(recipe, stage),
            "data": dataset if reads_dataset else dict(world),
            "parents": {part: parents[name] for part, name in stage.parents.items()},
            "versions": versions.of(recipe, stage),
        }
    )


def settings(recipe: Recipe, stage: Stage) -> dict[str, dict]:
    """Return the values of a stage and of its model that tell what it learns: "model" and "stage" -> name -> value."""
    blocks = {"model": recipe.model.model_dump(mode="json"), "stage": stage.model_dump(mode="json", exclude=NOT_IN_KEY)}
    return {block: versions.settings(block, values) for block, values in blocks.items()}


def _downloaded(recipe: Recipe, stage: Stage) -> dict[str, str]:
    """Return the bases that a stage starts from: part -> folder or name, of a Qwen model "all" of its parts."""
    model = recipe.model
    if isinstance(model, Model) or "all" in stage.parents:
        return {}
    if isinstance(model, Qwen):
        return {"all": model.base}
    return {part: base for part, base in model.base.items() if part not in stage.parents}


def stage_keys(recipe: Recipe, *, dataset: str | None, world: Mapping[str, float]) -> dict[str, str]:
    """Return stage name -> key for a whole recipe.

    Args:
        recipe: the whole training run.
        dataset: digest of the dataset; with None (the data is stale) the stages that depend on it are left out.
        world: the numbers of params/data.yaml that the base models read.
    """
    keys: dict[str, str] = {}
    for stage in recipe.stages:
        known = set(stage.parents.values()) <= keys.keys()
        if known and (dataset is not None or stage.algorithm in WITHOUT_DATASET):
            keys[stage.name] = stage_key(recipe, stage, dataset=dataset, world=world, parents=keys)
    return keys


def checkpoint_dir(root: Path, stage: str, key: str) -> Path:
    """Return the folder of a stage's checkpoint; `stage.json` in it means finished.

    Args:
        root: the project root.
        stage: name of the stage.
        key: of the stage, see `stage_key`.
    """
    return root / "checkpoints" / f"{stage}-{key[:12]}"


def checked(checkpoint: Path, stage: Stage | None = None, *, whole: bool = False) -> dict:
    """Return the content of stage.json of a checkpoint, which must be undamaged.

    Args:
        checkpoint: its folder.
        stage: of the recipe, whose name and algorithm it must have; None for any.
        whole: compare the digests of all files.

    Raises:
        DamagedError: it is not; says which file, what it should be, and what to do.
    """
    wanted = {"stage": stage.name, "algorithm": stage.algorithm} if stage else {}
    return checkpoint_files.check(checkpoint, whole=whole, **wanted)


def check_parents(recipe: Recipe, stage: Stage, folders: Mapping[str, Path]) -> None:
    """Make sure that the parents of a stage are undamaged, and of the stages that the recipe names.

    Args:
        recipe: the whole training run.
        stage: of it.
        folders: part of the model -> checkpoint folder that gives it; one that the recipe leaves open may be of any
            stage.

    Raises:
        DamagedError: as `checked`.
    """
    stages = {one.name: one for one in recipe.stages}
    for part, folder in folders.items():
        checked(folder, stages[stage.parents[part]] if part in stage.parents else None)


def is_finished(checkpoint: Path) -> bool:
    """Return whether a checkpoint folder is complete: `stage.json` is written last."""
    return (checkpoint / FINISHED).is_file()


def pause_of(checkpoint: Path) -> str:
    """Return the words with which a stage paused itself: what came, what is allowed, where to change it."""
    return json.loads((checkpoint / "paused.json").read_text())["message"]


def _sha256(value: object) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
