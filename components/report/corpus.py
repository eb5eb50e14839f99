"""The page of the Ego-ExoClip corpus: its numbers beside the published ones.

No script and no external resource, as the report of a pipeline run, whose style it shares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.data.statistics import corpus, paper_figures
from components.report import mixture
from components.report.templates import render

WIDTH, HEIGHT = 640, 120


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram in a box of WIDTH x HEIGHT pixels, its count as text, and the label under it."""

    x: float
    y: float
    width: float
    height: float
    label: str
    counts: str


def build(found: dict, output: Path) -> Path:
    """Write `statistics.json` and `index.html`.

    Args:
        found: what `components.data.statistics.corpus.read` returns, `egoit` (the counts of that step) and `funnel`.
        output: folder of the two files.

    Returns:
        The path of the page.
    """
    rows = corpus.comparison(found)
    train = found["splits"]["train"]
    page = render(
        "corpus.html",
        found=found,
        rows=[row | {"ours_text": text(row, "ours"), "published_text": text(row, "published")} for row in rows],
        source=paper_figures.SOURCE,
        mixture=mixture.rows(found["egoit"]),
        tolerance_percent=f"{100 * corpus.TOLERANCE:g}",
        charts=[
            ("clip duration, seconds", bars(train["duration_histogram"])),
            ("words of a narration", bars(train["word_histogram"])),
        ],
        size=(WIDTH, HEIGHT),
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / "statistics.json").write_text(json.dumps(found | {"comparison": rows}, indent=2, allow_nan=False) + "\n")
    path = output / "index.html"
    path.write_text(page)
    return path


def text(row: dict, side: str) -> str:
    """Return the number of one side of a comparison as text, with its spread and unit.

    >>> text({"ours": 0.6789, "ours_spread": 0.57, "digits": 2, "unit": "s"}, "ours")
    '0.68 ± 0.57 s'
    """
    value, spread, digits = row[side], row[f"{side}_spread"], row["digits"]
    if value is None:
        return "–"
    numbers = f"{value:,.{digits}f}" + (f" ± {spread:,.{digits}f}" if spread is not None else "")
    return f"{numbers} {row['unit']}".strip()


def bars(histogram: list[list]) -> list[Bar]:
    """Lay out the bars of a histogram [[from, to, count], ...]; the tallest one fills the height."""
    tallest, width = max((count for _, _, count in histogram), default=0) or 1, WIDTH / len(histogram)
    total = sum(count for _, _, count in histogram) or 1
    drawn = []
    for place, (start, end, count) in enumerate(histogram):
        height = HEIGHT * count / tallest
        span = f"{start:g} and more" if end is None else f"{start:g} to {end:g}"
        counts = f"{span}: {count:,} ({100 * count / total:.1f} %)"
        label = f"{start:g}+" if end is None else f"{start:g}"
        drawn.append(Bar(place * width, HEIGHT - height, width - 2, height, label, counts))
    return drawn
