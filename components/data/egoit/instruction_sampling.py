"""Which of its source's instructions a record gets."""

from __future__ import annotations

import pandas as pd

from components.data.egore.multiple_choice import draw

Instructions = dict[str, tuple[str, ...]]  # source -> its instructions


def sampled(ids: pd.Series, sources: pd.Series, instructions: Instructions, *, seed: int) -> list[str | None]:
    """Draw one of the instructions of each row's source.

    Args:
        ids: of the rows; a draw depends on the id and the seed alone.
        sources: of the rows.
        instructions: of each source.
        seed: of the draws.

    Returns:
        An instruction for each row, None for a source without any.
    """
    return [
        instructions[source][draw(len(instructions[source]), seed, "instruction", row)]
        if source in instructions
        else None
        for row, source in zip(ids, sources, strict=True)
    ]
