"""A Python whose processes are forked from one that has imported everything: a start costs a second in place of ten.

The program it gives stands where the path of an interpreter may stand (EGOFLOW_TRAIN_PYTHON, or first in PATH). What is
in `PROGRAMS` it asks of the pytest process that made it, which has a process forked; everything else it hands to the
real interpreter. Signals go on to the forked process, and that is killed, with all below it, when the program that
stands for it is.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import runpy
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from components.train import launch_command

ROOT = Path(__file__).parents[1]
NOWHERE = "http://127.0.0.1:9"  # no MLflow answers there; the curves stay in the spool
PRELOAD = [
    "dvc.cli.parser", "dvc.repo.reproduce", "great_expectations", "components.data.contracts.validate",
    "components.data.contracts.large_tables", "components.data.check", "components.data.statistics.corpus",
    "components.report.corpus", "components.report.funnel", "components.world.films", "components.world.writers",
    *(f"components.data.{name}" for name in ("annotations", "media", "dataset", "egoit.step", "egore.step")),
    *(f"components.data.{name}.step" for name in ("clips", "funnel", "egoexo_con", "frames", "quality")),
    "mlflow", "sqlalchemy", "deepspeed", "deepspeed.launcher.launch", "deepspeed.launcher.runner", "trl",
    "components.train.grpo.trainer", "components.train.grpo.rollouts", "components.train.trainer_factory",
    "components.train.checkpoints", "components.train.rehearsal.measure", "components.train.rehearsal.tiny_bases",
    "components.evaluation.measure", "components.models.export", __name__,
]  # fmt: skip
LAUNCHERS = {"deepspeed": "deepspeed.launcher.runner", "torchrun": "torch.distributed.run"}
PROGRAMS = (
    "dvc",
    "components.params",
    "components.world",
    "components.data",
    "components.report",
    "components.train",
    "components.train.node_launcher",
    "components.train.rehearsal",
    "components.evaluation",
    "components.models.export",
    "deepspeed.launcher.launch",
    *LAUNCHERS.values(),
    "tests.components.train.mixed_ranks",
    "tests.components.train.mixed_ranks_qwen",
)
_starting = threading.Lock()  # stages may start side by side, and a start changes the environment of this process

# -I -S: it stands for each process, so it must start at once
CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
words = sys.argv[1:]
module = words[words[:1] == ["-u"] :][:2]
if module[:1] != ["-m"] or module[1] not in {programs!r}:
    os.execv({python!r}, [{python!r}, *words])
door = socket.socket(socket.AF_UNIX)
door.connect({door!r})
told = door.makefile("rwb", buffering=0)
words = words[words.index("-m") + 1 :]
asked = dict(program=sys.argv[0], words=words, env=dict(os.environ), cwd=os.getcwd(), pid=os.getpid())
told.write(json.dumps(asked).encode() + b"\\n")
pid = int(told.readline())
forwarded = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
for number in forwarded:
    signal.signal(number, lambda number, _frame: os.kill(pid, number))
code = int(told.readline())
for number in forwarded:
    signal.signal(number, signal.SIG_DFL)
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def environment() -> dict[str, str]:
    """Return the environment of a training process on the CPU, in which everything is imported."""
    return launch_command.environment(ROOT, threads=1) | {"DS_ACCELERATOR": "cpu", "MLFLOW_TRACKING_URI": NOWHERE}


def start(target: Callable[..., None], *arguments: object) -> ForkServerProcess:
    """Start a function in a process forked from one that has imported everything.

    Args:
        target: of a module, to be found again by its name.
        arguments: for it, each to be pickled.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOAD, target.__module__])
    process = context.Process(target=target, args=arguments)
    with _starting, pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():  # some of it is read when torch and DeepSpeed are imported
            patch.setenv(name, value)
        process.start()
    return process


@contextlib.contextmanager
def interpreter() -> Iterator[Path]:
    """Give the path of the program, which is answered while the block runs; the launchers lie beside it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
        path, program = f"{folder}/door", Path(folder, "python")
        texts = {name: f'#!/bin/sh\nexec {program} -m {module} "$@"\n' for name, module in LAUNCHERS.items()}
        texts[program.name] = CLIENT.format(python=sys.executable, door=path, programs=PROGRAMS)
        for name, text in texts.items():
            Path(folder, name).write_text(text)
            Path(folder, name).chmod(0o755)
        door.bind(path)
        door.listen()
        threading.Thread(target=_answer_all, args=(door,), daemon=True).start()
        yield program


def _answer_all(door: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the block has ended
        while True:
            asked, _ = door.accept()
            threading.Thread(target=_answer, args=(asked,), daemon=True).start()


def _answer(asked: socket.socket) -> None:
    """Run what a program asks for; tell it the process id, and at the end the exit code, negative for signals."""
    with asked, asked.makefile("rwb", buffering=0) as told:
        process = start(_run, json.loads(told.readline()))
        told.write(f"{process.pid}\n".encode())
        wait([process.sentinel, asked])  # it says nothing more: what comes is its end
        if process.is_alive():
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        process.join()
        with contextlib.suppress(BrokenPipeError):
            told.write(f"{process.exitcode}\n".encode())


def _run(asked: dict) -> None:
    """Be the process that a program asked for: its module, environment, folder and output."""
    import torch

    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    for number in (1, 2):
        os.dup2(os.open(f"/proc/{asked['pid']}/fd/{number}", os.O_WRONLY | os.O_APPEND), number)
    module, *sys.argv[1:] = asked["words"]
    if module.startswith("components."):
        code_of = Path("components").resolve()
        assert code_of == ROOT / "components" or not code_of.exists(), f"{code_of} is other code than what is imported"
    sys.executable = asked["program"]  # by which launchers start the ranks
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # read where torch is imported
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    if isinstance(code, int) and code < 0:  # DeepSpeed's launcher gives the signal of a rank
        code &= 0xFF
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
