"""A graph in columns as one SVG: boxes of text, and lines from each column to the next that a chain goes on in."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

COLUMN, BOX, LINE, PAD, GAP, TOP = 300, 240, 16, 8, 12, 30  # pixels
_LETTERS, _MOST_LINES = 34, 4


@dataclass(frozen=True)
class Step:
    """One link of a chain: the column that it stands in, and all that is known of it; equal ones are one box."""

    column: int
    text: str


@dataclass(frozen=True)
class Box:
    """A box of the graph: its corner and height in pixels, the lines that fit, and the whole text for a pointer."""

    x: int
    y: int
    height: int
    lines: list[str]
    text: str


@dataclass(frozen=True)
class Graph:
    """A laid out graph: (name, x) of its columns, its boxes, and its lines as SVG paths."""

    columns: list[tuple[str, int]]
    boxes: list[Box]
    lines: list[str]
    width: int
    height: int


def lay_out(columns: Sequence[str], chains: Sequence[Sequence[Step]]) -> Graph:
    """Place chains from left to right; what several of them share stands once.

    Args:
        columns: names, from left to right.
        chains: steps in the order of their columns; a chain may leave columns out.
    """
    boxes: dict[Step, Box] = {}
    below = [TOP] * len(columns)
    for step in (step for chain in chains for step in chain):
        if step in boxes:
            continue
        lines = textwrap.wrap(step.text, _LETTERS, max_lines=_MOST_LINES, placeholder=" …")
        height = len(lines) * LINE + 2 * PAD
        boxes[step] = Box(step.column * COLUMN, below[step.column], height, lines, step.text)
        below[step.column] += height + GAP
    ends = dict.fromkeys(pair for chain in chains for pair in zip(chain, chain[1:], strict=False))
    lines = [_line(boxes[one], boxes[other]) for one, other in ends]
    names = [(name, number * COLUMN) for number, name in enumerate(columns)]
    return Graph(names, [*boxes.values()], lines, (len(columns) - 1) * COLUMN + BOX, max(below))


def _line(one: Box, other: Box) -> str:
    start, end = (one.x + BOX, one.y + one.height // 2), (other.x, other.y + other.height // 2)
    bend = (start[0] + end[0]) // 2
    return f"M{start[0]} {start[1]} C{bend} {start[1]} {bend} {end[1]} {end[0]} {end[1]}"
