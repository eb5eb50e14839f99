"""The page of the lineage: what a score stands on, and what has learned from a film.

It draws what `egoflow why` and `egoflow impact` say, of the same tables; nothing is stored for it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from components.report.graph import Graph, Step, lay_out
from components.report.templates import render

WHY = ("score", "item", "clip", "seconds of film", "row of annotation")
IMPACT = ("film", "samples", "stage", "registered version")
CLIPS = ("clips/clips", "funnel/clips")  # of the tables that samples name as parents, those of clips


def write(output: Path, *, why: tuple[str, pd.DataFrame] | None, impact: dict | None) -> Path:
    """Write the page.

    Args:
        output: HTML file.
        why: "<task>/<score>", and the items that it stands on, as `components.evaluation.lineage.of_metric` has them.
        impact: what `python -m components.train.lineage TAKE --json` prints.

    Returns:
        The path of the page.
    """
    graphs = []
    if why is not None:
        metric, rows = why
        graphs.append((f"What {metric} stands on", f"{len(rows)} items, worst first.", of_metric(metric, rows)))
    if impact is not None:
        graphs.append((f"What {impact['wanted']} is in", told(impact), of_impact(impact)))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(render("lineage.html", graphs=graphs))
    return output


def of_metric(metric: str, rows: pd.DataFrame) -> Graph:
    """Return score → item → clip → seconds of film → row of annotation.

    Args:
        metric: "<task>/<score>".
        rows: of `components.evaluation.lineage.of_metric`.
    """
    chains = []
    for row in rows.to_dict("records"):
        item = Step(1, f"{row['score']:.2f}: {row['question']} True: {row['answer']}. Said: {row['completion']}")
        film = Step(3, f"{row['path']} {row['start_s']:.2f} to {row['end_s']:.2f} s")
        clips = [[Step(2, line)] for line in row["annotation"] if line.startswith(CLIPS)]
        origins = [Step(4, line) for line in row["annotation"] if not line.startswith(CLIPS)]
        for clip in clips or [[]]:
            way = [Step(0, metric), item, *clip, film]
            chains += [[*way, origin] for origin in origins] or [way]
    return lay_out(WHY, chains)


def of_impact(impact: dict) -> Graph:
    """Return film → samples → stage → registered version; lines to a stage are from what its mixture draws."""
    films = [
        Step(0, f"{film['source']} {film['take_name']}: {film['view']} {film['path']}") for film in impact["films"]
    ]
    groups = [(f"{one['corpus']}/{one['task']}/{one['view']}", one) for one in impact["samples"]]
    samples = {Step(1, f"{one['samples']} of {name}, {one['split']}"): (name, one["split"]) for name, one in groups}
    chains = [[film, step] for film in films for step in samples]
    for stage in impact["stages"]:
        box = Step(2, f"{stage['checkpoint']}: {stage['told']}")
        drawn = [step for step, (name, split) in samples.items() if split == "train" and name in stage["mixture"]]
        # a stage that stands on one of these, or that cannot be told, has no line of its own
        before = [[step, box] for step in drawn] if stage["samples"] else [[box]]
        chains += [[*way, *(Step(3, version) for version in stage["versions"][:1])] for way in before]
        chains += [[box, Step(3, version)] for version in stage["versions"][1:]]
    return lay_out(IMPACT, chains)


def told(impact: dict) -> str:
    """Return what is to be done when a film is withdrawn, in a sentence."""
    if not impact["stages"]:
        return "No finished stage has learned from it."
    names = ", ".join(dict.fromkeys(stage["stage"] for stage in impact["stages"]))
    return f"If it is withdrawn: take its files out, run `dvc repro`, and train again: {names}."
