"""What a recipe's stages show of their mixtures, counted in the data: how often a part that runs out comes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from components import params
from components.train.dry_run.tables import table
from components.train.sample_order import Part

COLUMNS = (
    "stage", "part of the mixture", "share", "samples here", "shown", "times each", "in an epoch", "again in a batch",
)  # fmt: skip


def lay_out(stages: Sequence[params.Stage], parts: Mapping[str, Sequence[Part]]) -> Table:
    """Lay out every part of every mixture: its samples, how many of them the stage shows, and how often each.

    Args:
        stages: of the recipe.
        parts: stage name -> parts of its mixture, for the stages whose data was counted.
    """
    rows = []
    for stage in stages:
        for part in parts.get(stage.name, ()):
            times = part.shown / part.samples
            rows.append(
                (
                    stage.name,
                    part.name,
                    f"{stage.mixture[part.name] / sum(stage.mixture.values()):.1%}",
                    f"{part.samples:,}",
                    f"{part.shown:,}",
                    f"{times:,.2f}",
                    f"{times / stage.num_train_epochs:,.2f}" if stage.num_train_epochs else "–",
                    f"{part.repeated:.1%}",
                )
            )
    return table("samples of the mixtures, counted in the data", COLUMNS, rows)
