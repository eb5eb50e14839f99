"""Training processes forked from one that has imported everything: a start costs a second in the place of ten.

`components.train` runs as DeepSpeed's launcher starts it; a `Mishap` happens in a rank at an exact point of its code.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests import warm_python

ROOT = Path(__file__).parents[4]
# places of a mishap inside a step, in the order in which a step comes by; then those after the last step
IN_STEP = ("batch", "taken", "weights", "optimiser", "state", "rotation")
AT_END = ("model", "json", "cleaning", "after")


@dataclass(frozen=True)
class Mishap:
    """What happens: `deed` at `place` of optimiser step `step` (counted from 1; None at the end), on one rank."""

    deed: str
    place: str
    step: int | None = None
    rank: int = 0


def run(
    words: list[str],
    *,
    log: Path,
    ranks: int = 1,
    mishap: Mishap | None = None,
    env: Mapping[str, str] | None = None,
    every: int = 1,
    target: Callable[..., None] | None = None,
) -> list[int]:
    """Run all ranks of a stage to their end and give their exit codes, negative for signals.

    As DeepSpeed's launcher does, it ends the other ranks when one has failed.

    Args:
        words: arguments of `components.train`.
        log: takes the output of all ranks.
        mishap: what happens on the way.
        env: beside the environment of a stage.
        every: steps from one record of the curves to the next.
        target: what each rank does, by its arguments; None for `_rank`.
    """
    from components.train import launch_command

    environment = warm_python.environment()
    port = str(launch_command._free_port())
    processes = []
    for rank in range(ranks):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_SIZE": ranks, "MASTER_PORT": port}
        values = environment | {name: str(value) for name, value in place.items()} | dict(env or {})
        mine = mishap if mishap and mishap.rank == rank else None
        processes.append(warm_python.start(target or _rank, words, values, log, mine, every))
    end_s = time.monotonic() + 240
    while any(process.exitcode is None for process in processes):
        assert time.monotonic() < end_s, log.read_text()[-3000:]
        if any(process.exitcode for process in processes):
            for process in processes:
                process.terminate()
                process.join(10)
                process.kill()
        processes[0].join(0.02)
    return [process.exitcode for process in processes]


def _rank(words: list[str], environment: dict[str, str], log: Path, mishap: Mishap | None, every: int) -> None:
    os.environ.update(environment | {"MASTER_ADDR": "127.0.0.1"})
    os.chdir(ROOT)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from components.train import __main__ as program

    output = Path(words[words.index("--output") + 1])
    _record(output.with_suffix(f".ledger{os.environ['RANK']}"))
    _log_every(every)
    if mishap:
        _arm(mishap)
    sys.argv = ["components.train", *words]
    try:
        code = program.main()
    except Exception:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
        code = 1
    if mishap and mishap.place == "after":
        DEEDS[mishap.deed]()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _record(path: Path) -> None:
    """Write what every optimiser step learns from, as it comes to the trainer: its samples' names and its bytes."""
    from transformers import Trainer

    original = Trainer.training_step

    def recorded(self, model, inputs, *others):
        step = self.state.global_step
        row = {"step": step + 1, "named": self.describe_samples(step), "inputs": fingerprint(inputs)}
        loss = original(self, model, inputs, *others)
        if hasattr(self, "_logs"):
            row["completions"] = fingerprint(list(self._logs["completion"]))
        with path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        return loss

    Trainer.training_step = recorded


def _log_every(steps: int) -> None:
    """Let a stage of a few steps write its records as a stage of hundreds does: each a mean over some steps."""
    from components.train import trainer
    from components.train.grpo import trainer as grpo

    original = trainer.arguments
    trainer.arguments = grpo.arguments = lambda *given: original(*given) | {"logging_steps": steps}


def fingerprint(value: object) -> str:
    """Give the sha256 of nested lists and dicts of tensors, images, words and numbers."""
    digest = hashlib.sha256()

    def add(part: object) -> None:
        if isinstance(part, Mapping):
            for name in sorted(part):
                digest.update(str(name).encode())
                add(part[name])
        elif isinstance(part, list | tuple):
            for each in part:
                add(each)
        elif part is None or isinstance(part, str | int | float):
            digest.update(repr(part).encode())
        else:
            digest.update(np.ascontiguousarray(np.asarray(part)))

    add(value)
    return digest.hexdigest()


def ledger(output: Path, rank: int = 0) -> dict[int, dict]:
    """Read what each step learned from: of a step that was taken again after a kill, the last time."""
    rows = [json.loads(line) for line in output.with_suffix(f".ledger{rank}").read_text().splitlines()]
    return {row["step"]: row for row in rows}


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _ask() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def _fill() -> None:
    """No file grows beyond some KiB from here on: what is written fails halfway, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))


def _ask_for_memory() -> None:
    import torch

    torch.empty(2**50)


DEEDS: dict[str, Callable[[], None]] = {"kill": _kill, "ask": _ask, "fill": _fill, "memory": _ask_for_memory}


def _arm(mishap: Mishap) -> None:
    """Put the deed in front of (or into) what happens at its place."""
    import deepspeed
    import transformers

    from components.models.processing import EgoflowProcessor
    from components.train import checkpoints

    def strike(at: int | None) -> None:
        if at == mishap.step:
            DEEDS[mishap.deed]()

    def before(owner: object, name: str, at: Callable[..., int | None]) -> None:
        original = getattr(owner, name)

        def struck(*arguments, **named):
            strike(at(*arguments))
            return original(*arguments, **named)

        setattr(owner, name, struck)

    trainer = transformers.Trainer
    if mishap.deed == "nan":
        return _spoil(trainer, mishap)
    match mishap.place:
        case "batch":
            before(trainer, "training_step", lambda self, *_: self.state.global_step + 1)
        case "taken":
            before(trainer, "_maybe_log_save_evaluate", lambda self, *_: self.state.global_step)
        case "weights":
            before(trainer, "_save_optimizer_and_scheduler", lambda self, *_: self.state.global_step)
        case "optimiser":
            before(deepspeed.DeepSpeedEngine, "_save_zero_checkpoint", lambda self, *_: self.global_steps)
        case "state":
            _halve_the_state(transformers.TrainerState, strike)
        case "rotation":
            _stop_rotating(transformers.trainer, strike)
        case "model":
            before(EgoflowProcessor, "save_pretrained", lambda _, to, *__: None if Path(to).name == "model" else 0)
        case "json":
            before(Path, "rename", lambda path, *_: None if path.name == "stage.json.partial" else 0)
        case "cleaning":
            _stop_cleaning(checkpoints, strike)


def _spoil(trainer: type, mishap: Mishap) -> None:
    """Let a step see pixels ("batch") or take a gradient ("taken") that are no numbers."""
    original = trainer.training_step

    def spoilt(self, model, inputs, *others):
        if self.state.global_step + 1 == mishap.step and mishap.place == "batch":
            inputs["pixel_values"] = inputs["pixel_values"] * float("nan")
        elif self.state.global_step + 1 == mishap.step:
            loose = next(each for each in reversed(list(self.model.parameters())) if each.requires_grad)
            loose.register_hook(lambda gradient: gradient * float("inf"))
        return original(self, model, inputs, *others)

    trainer.training_step = spoilt


def _halve_the_state(state: type, strike: Callable[[int | None], None]) -> None:
    original = state.save_to_json

    def halved(self, path: str) -> None:
        original(self, path)
        whole = Path(path).read_text()
        Path(path).write_text(whole[: len(whole) // 2])
        strike(self.global_step)
        Path(path).write_text(whole)

    state.save_to_json = halved


def _stop_rotating(module: object, strike: Callable[[int | None], None]) -> None:
    original = module.rotate_checkpoints

    def rotated(output_dir: str, *arguments, **named) -> None:
        by_step = sorted(Path(output_dir).glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
        kept = [path / "model.safetensors" for path in by_step[:-1]]
        for path in kept:
            path.rename(path.with_suffix(".gone"))
        strike(int(by_step[-1].name.split("-")[1]))
        original(output_dir, *arguments, **named)

    module.rotate_checkpoints = rotated


def _stop_cleaning(module: object, strike: Callable[[int | None], None]) -> None:
    def removed(path: Path, **named) -> None:
        if path.name == "trainer":
            (next(path.glob("checkpoint-*")) / "model.safetensors").unlink()
            strike(None)
        shutil.rmtree(path, **named)

    module.shutil = type("shutil", (), {"rmtree": staticmethod(removed)})
