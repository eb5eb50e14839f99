"""The page of drift: every feature of the data beside what it was when a model learned from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from components.data.drift.compare import Change
from components.params import Drift
from components.report.templates import render

# kind -> name of its statistic, and of its effect size
NAMES = {
    "count": ("quotient", "moved by"),
    "categories": ("χ² distance", "PSI"),
    "number": ("KS distance", "PSI"),
    "words": ("share of a word", "PSI"),
    "classifier": ("AUC", "AUC"),
}


def write(
    output: Path, changes: Sequence[Change], *, against: str, reference: str, now: str, summary: str, limits: Drift
) -> Path:
    """Write the page.

    Args:
        output: HTML file.
        changes: of each feature.
        against: the model that learned from the reference, in words.
        reference: digest of its dataset.
        now: digest of the present dataset.
        summary: the result in a sentence.
        limits: from where on a feature drifted.

    Returns:
        The path of the page.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(
        render(
            "drift.html",
            changes=changes,
            against=against,
            reference=reference,
            now=now,
            summary=summary[0].upper() + summary[1:],
            limits=limits,
            names=NAMES,
        )
    )
    return output
