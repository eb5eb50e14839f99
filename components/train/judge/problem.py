"""A mistake of a recipe in words, and the error that names all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.params import Stage


@dataclass(frozen=True)
class Problem:
    """One mistake: the stage and the key where it stands, what came there, and what is allowed."""

    stage: str
    key: str
    came: str
    allowed: str

    def __str__(self) -> str:
        """Return the mistake as one line."""
        return f"stage {self.stage!r}, `{self.key}`: {self.came}; allowed: {self.allowed}"


def at(stage: Stage, key: str, came: str, allowed: str) -> Problem:
    """Return a mistake in a key of a stage."""
    return Problem(stage.name, key, came, allowed)


def listed(names: Iterable[str]) -> str:
    """Return names in words: with commas, or "none"."""
    return ", ".join(names) or "none"


def refuse(found: Sequence[Problem], source: Path | str) -> None:
    """Refuse a recipe that has mistakes.

    Raises:
        ValueError: has a line for each of them, and the file to mend.
    """
    if found:
        lines = "".join(f"\n- {problem}" for problem in found)
        raise ValueError(f"{source} asks for what cannot be trained:{lines}\nMend it in {source}.")
