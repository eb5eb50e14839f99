"""The command line and the environment of a training stage, on one host or many. No torch: flows import it."""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path


def command(
    *,
    recipe: Path,
    stage: str,
    ranks: int,
    parents: Mapping[str, Path],
    data: Path,
    output: Path,
    run_id: str,
    provenance: Mapping[str, str | None],
) -> list[str]:
    """Return the command line of one training stage on `ranks` local processes.

    Args:
        recipe: YAML of the whole training run.
        stage: name of the stage in it.
        ranks: training processes (GPUs, or CPU processes).
        parents: part of the model -> checkpoint folder that gives it.
        data: folder of the data graph's outputs.
        output: checkpoint folder to write.
        run_id: MLflow run that the stage logs into.
        provenance: key, digests and commit, kept in the checkpoint.
    """
    # the launcher's part for one node: its part for many imports torch once more to find out that this is the one
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(range(ranks))}).encode()).decode()
    launcher = [sys.executable, "-m", "components.train.node_launcher", "--world_info", world]
    launcher += ["--master_addr", "127.0.0.1", "--master_port", str(_free_port()), "--no_local_rank"]
    words = arguments(
        recipe=recipe, stage=stage, parents=parents, data=data, output=output, run_id=run_id, provenance=provenance
    )
    return [*launcher, "--module", "components.train", *words]


def arguments(
    *,
    recipe: Path,
    stage: str,
    parents: Mapping[str, Path],
    data: Path,
    output: Path,
    run_id: str,
    provenance: Mapping[str, str | None],
) -> list[str]:
    """Return what every rank of a stage is told, on whatever hosts it runs; see `command`."""
    words = ["--recipe", str(recipe), "--stage", stage, "--data", str(data), "--output", str(output)]
    words += ["--parents", json.dumps({part: str(path) for part, path in parents.items()}), "--run-id", run_id]
    return [*words, "--provenance", json.dumps(dict(provenance))]


def environment(root: Path, *, threads: int) -> dict[str, str]:
    """Return the environment of a training or evaluation process: ours, and what the stack needs.

    Args:
        root: project root; compiled DeepSpeed extensions are kept below it.
        threads: OpenMP threads of each rank.
    """
    env = {
        **os.environ,
        # DeepSpeed compiles with the ninja of the same virtual environment
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        **settings(root, threads=threads),
    }
    if not has_gpu():
        env["DS_ACCELERATOR"] = "cpu"
    return env


def settings(root: Path, *, threads: int) -> dict[str, str]:
    """Return the variables that the stack needs on every host; see `environment`."""
    return {
        "OMP_NUM_THREADS": str(threads),
        # threads that wait spin for some microseconds, not milliseconds: an evaluation shares the cores
        "GOMP_SPINCOUNT": "30000",
        "TORCH_EXTENSIONS_DIR": str(root / ".cache" / "torch_extensions"),
        # a step frees and asks again for tensors of some MB all the time: glibc would hand them back to the kernel,
        # which clears their pages anew
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
        # DeepSpeed compiles Muon's few small products, which takes longer than they do
        "TORCH_COMPILE_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONUNBUFFERED": "1",
    }


def has_gpu() -> bool:
    """Return whether this machine has an NVIDIA GPU that we may use (DS_ACCELERATOR=cpu forbids it)."""
    return os.environ.get("DS_ACCELERATOR") != "cpu" and any(Path("/proc/driver/nvidia/gpus").glob("*"))


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]
