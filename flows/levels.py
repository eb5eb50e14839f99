"""Which stages of a recipe may run at the same time on this machine: its threads and its GPUs are enough for them."""

from __future__ import annotations

from collections.abc import Sequence

from components.params import Stage
from components.train import launch_command
from flows import jobs


def on_this_machine(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Group stages as `of_stages` does, by the processor cores and the GPUs that we may use."""
    return of_stages(stages, threads=jobs.cores(), gpus=len(launch_command.gpus()))


def of_stages(stages: Sequence[Stage], *, threads: int, gpus: int) -> list[list[Stage]]:
    """Group stages into levels; the stages of one level may run at the same time.

    A stage joins the earliest level after its parents where its `ranks * threads` threads and, on a machine with GPUs,
    one GPU for each of its ranks are still free. One that alone needs more threads than there are gets a level of its
    own: threads can be shared, GPUs cannot.

    Args:
        stages: in recipe order.
        threads: processor cores of the machine.
        gpus: GPUs of the machine; 0 where every rank runs on the CPU.

    Raises:
        ValueError: a stage has more ranks than the machine has GPUs.
    """
    levels: list[list[Stage]] = []
    level_of: dict[str, int] = {}
    for stage in stages:
        if gpus and stage.ranks > gpus:
            raise ValueError(
                f"stage {stage.name!r} has {stage.ranks} ranks, which need one GPU each; allowed on this machine are "
                f"{gpus} (CUDA_VISIBLE_DEVICES limits them).\nLower `ranks` of the stage in its recipe, or train it "
                "on several hosts: python -m components.train.multi_node"
            )
        at = max((level_of[parent] + 1 for parent in stage.parents.values()), default=0)
        while at < len(levels) and not _fits([*levels[at], stage], threads=threads, gpus=gpus):
            at += 1
        if at == len(levels):
            levels.append([])
        levels[at].append(stage)
        level_of[stage.name] = at
    return levels


def _fits(stages: Sequence[Stage], *, threads: int, gpus: int) -> bool:
    enough_threads = sum(stage.ranks * stage.threads_per_rank for stage in stages) <= threads
    return enough_threads and (not gpus or sum(stage.ranks for stage in stages) <= gpus)
