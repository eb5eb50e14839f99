"""How the answers of a benchmark are scored, and what stands beside a score: constant, random and text-only answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from components.benchmarks.runner import text_guess
from components.benchmarks.shared import parsers
from components.benchmarks.shared.sample import Sample

Scores = dict[str, list[float]]  # metric -> a score of each sample


@dataclass(frozen=True)
class Reference:
    """Answers that no model gave: what they are, in words, and their scores."""

    label: str
    scores: Scores


@dataclass(frozen=True)
class Metric:
    """What a benchmark's answers are scored by.

    Attributes:
        headline: name of the score that papers print.
        read: reads a completion strictly: (answer or None, which path read it).
        official: the same as the authors' code does; None where that is the strict one.
        score: scores one answer, None for one that cannot be read.
        references: samples with right answers -> "constant", "random" and "text_only".
    """

    headline: str
    read: Callable[..., tuple[Any, str]]
    official: Callable[..., tuple[Any, str]] | None
    score: Callable[[Sample, Any], dict[str, float]]
    references: Callable[[Sequence[Sample]], Mapping[str, Reference]]


def read_choice(sample: Sample, completion: str, *, reasoned: bool) -> parsers.Read:
    """Read an option strictly (`parsers.strict`)."""
    return parsers.strict(completion, sample.target.options, reasoned=reasoned)


def read_choice_officially(sample: Sample, completion: str, *, parser: str) -> parsers.Read:
    """Read an option as the authors of the benchmark do."""
    return parsers.OFFICIAL[parser](completion, sample.target.options)


def accuracy(sample: Sample, index: int | None) -> dict[str, float]:
    """Score the right option 1.0, another or none 0.0."""
    return {"accuracy": float(index == sample.target.index)}


def choice_references(samples: Sequence[Sample]) -> dict[str, Reference]:
    """Return the best position that is always answered, a uniform guess, and the guess from other questions' text."""
    most = max(len(sample.target.options) for sample in samples)
    of_places = [[accuracy(sample, place)["accuracy"] for sample in samples] for place in range(most)]
    best = max(range(most), key=lambda place: sum(of_places[place]))
    return {
        "constant": Reference(f"always {ascii_uppercase[best]}", {"accuracy": of_places[best]}),
        "random": Reference("uniform", {"accuracy": [1 / len(sample.target.options) for sample in samples]}),
        "text_only": Reference("guessed from text", {"accuracy": text_guess.accuracy(samples)}),
    }


METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", read_choice, read_choice_officially, accuracy, choice_references),
}
