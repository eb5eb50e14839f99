"""The mixture of EgoIT: the number of samples of each source beside the published one."""

from __future__ import annotations

import json
from pathlib import Path

from components.data.statistics.paper_figures import EGOIT

# samples that a source gives beyond its part in the paper are counted in lines of their own
OURS = {"egoexo4d": "Ego-Exo4D: captions", "egoexolearn": "EgoExoLearn: actions"}
LISTED = {"egotimeqa": "qa", "openeqa": "qa", "ssv2": "qa", "egtea": "qa", "egoexolearn": "caption"}


def read(data_dir: Path) -> list[dict]:
    """Read the counts of the step `egoit`.

    Raises:
        ValueError: the file is missing or broken.
    """
    path = data_dir / "egoit/counts.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}; run `dvc repro egoit`") from error


def rows(counts: list[dict]) -> list[dict]:
    """Return the lines of the table: the published sources, their sum, and samples that only we have.

    Args:
        counts: content of data/egoit/counts.json.

    Returns:
        `name`, `label`, `train`, `test`, `open` (of both splits, those asked without options; None for captions),
        `published` and `ratio` (all samples to the published records); the last two None where nothing is published.
    """
    published = {figure.name: figure for figure in EGOIT}
    parts = {
        name: [row for row in counts if (row["source"], row["task"]) == (name, task)] for name, task in LISTED.items()
    }
    made = [_line(name, published[name].label, parts[name], published[name].value) for name in LISTED]
    every = [row for part in parts.values() for row in part]
    made.append(_line("total", published["total"].label, every, published["total"].value))
    for name, label in OURS.items():
        rest = [row for row in counts if row["source"] == name and row["task"] != LISTED.get(name)]
        made.append(_line(name, f"{label} (ours)", rest, None))
    return made


def _line(name: str, label: str, part: list[dict], published: float | None) -> dict:
    split = {of: sum(row["samples"] for row in part if row["split"] == of) for of in ("train", "test")}
    asked = [row for row in part if row["task"] == "qa"]
    return {
        "name": name,
        "label": label,
        **split,
        "open": sum(row["samples"] for row in asked if row["kind"] == "text") if asked else None,
        "published": published,
        "ratio": None if published is None else (split["train"] + split["test"]) / published,
    }
