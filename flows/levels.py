"""Which stages of a recipe may run at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from components.params import Stage


def of_stages(stages: Sequence[Stage], *, threads: int) -> list[list[Stage]]:
    """Group stages into steps; the stages of one step may run at the same time.

    A stage joins the earliest step after its parents where its `ranks * threads` still fit the budget; one that alone
    exceeds the budget gets a step of its own.

    Args:
        stages: in recipe order.
        threads: budget of the machine.
    """
    steps: list[list[Stage]] = []
    place: dict[str, int] = {}
    for stage in stages:
        need = stage.ranks * stage.threads_per_rank
        at = max((place[parent] + 1 for parent in stage.parents.values()), default=0)
        while at < len(steps) and need + sum(other.ranks * other.threads_per_rank for other in steps[at]) > threads:
            at += 1
        if at == len(steps):
            steps.append([])
        steps[at].append(stage)
        place[stage.name] = at
    return steps
