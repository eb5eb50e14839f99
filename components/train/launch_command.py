"""The command line and the environment of a training stage, on one host or many. No torch: flows import it."""

from __future__ import annotations

import base64
import itertools
import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.train import interpreter

_DRIVER = Path("/proc/driver/nvidia/gpus")


def command(
    *,
    recipe: Path,
    stage: str,
    ranks: int,
    parents: Mapping[str, Path],
    data: Path,
    output: Path,
    run_id: str,
    provenance: Mapping[str, object],
    overrides: Sequence[str] = (),
    gpu_ids: Sequence[str] = (),
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
        provenance: key, versions, digests and commit, kept in the checkpoint.
        overrides: changes of the recipe from the command line.
        gpu_ids: one for each rank, as CUDA_VISIBLE_DEVICES takes them; without, the ranks take the first ones.

    Raises:
        ValueError: as `interpreter.python`.
    """
    # The launcher's part for one node: its part for many imports torch once more to find out that this is the one.
    # It sets CUDA_VISIBLE_DEVICES of the ranks to this list, whatever it was before.
    world = base64.urlsafe_b64encode(json.dumps({"localhost": list(gpu_ids or range(ranks))}).encode()).decode()
    launcher = [interpreter.python(), "-m", "components.train.node_launcher", "--world_info", world]
    launcher += ["--master_addr", "127.0.0.1", "--master_port", str(_free_port()), "--no_local_rank"]
    words = arguments(
        recipe=recipe,
        stage=stage,
        parents=parents,
        data=data,
        output=output,
        run_id=run_id,
        provenance=provenance,
        overrides=overrides,
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
    provenance: Mapping[str, object],
    overrides: Sequence[str] = (),
) -> list[str]:
    """Return the arguments of every rank of a stage, on whatever hosts it runs.

    Args:
        recipe: YAML of the whole training run.
        stage: name of the stage in it.
        parents: part of the model -> checkpoint folder that gives it.
        data: folder of the data graph's outputs.
        output: checkpoint folder to write.
        run_id: MLflow run that the stage logs into.
        provenance: key, versions, digests and commit, kept in the checkpoint.
        overrides: changes of the recipe from the command line.
    """
    words = ["--recipe", str(recipe), "--stage", stage, "--data", str(data), "--output", str(output)]
    words += ["--parents", json.dumps({part: str(path) for part, path in parents.items()}), "--run-id", run_id]
    return [*words, "--provenance", json.dumps(dict(provenance)), *overrides]


def evaluation(*, ranks: int, python: str = sys.executable) -> list[str]:
    """Return the command that starts an evaluation on local processes; its arguments follow.

    Args:
        ranks: processes, each with a GPU of its own, or one for the CPU.
        python: interpreter of the processes.
    """
    if ranks == 1:
        return [python, "-m", "components.evaluation"]
    torchrun = [python, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
    return [*torchrun, "-m", "components.evaluation"]


def environment(
    root: Path, *, threads: int, gpu_ids: Sequence[str] | None = None, python: str = sys.executable
) -> dict[str, str]:
    """Return the environment of a data, training or evaluation process: ours, and what the stack needs.

    Args:
        root: project root; compiled DeepSpeed extensions are kept below it.
        threads: OpenMP threads of each rank.
        gpu_ids: the GPUs that it sees; None for all that we see, and none of them means that it runs on the CPU.
        python: interpreter of the process; the programs beside it come first.
    """
    env = {
        **os.environ,
        # DeepSpeed compiles with the ninja of the same virtual environment
        "PATH": os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)]),
        **settings(root, threads=threads),
    }
    if gpu_ids is not None:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpu_ids)
    if not (gpus() if gpu_ids is None else gpu_ids):
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
        "PYTHONUNBUFFERED": "1",
    }


def gpus() -> tuple[str, ...]:
    """Return the ids of the NVIDIA GPUs that we may use, as CUDA_VISIBLE_DEVICES takes them.

    That variable limits them, and DS_ACCELERATOR=cpu forbids all.
    """
    present = len(list(_DRIVER.glob("*")))
    if not present or os.environ.get("DS_ACCELERATOR") == "cpu":
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(present))))
    # CUDA looks no further than the first id that is none
    return tuple(itertools.takewhile(lambda gpu: gpu not in ("", "-1"), (gpu.strip() for gpu in visible.split(","))))


def _free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]
