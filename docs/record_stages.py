"""Write results/stages.json from the checkpoints of pipeline runs: every stage beside its control, over seeds.

Run as: python -m docs.record_stages checkpoints/*-*   (of all seeds, then `python -m docs.generate`)

Stages come in the order in which their first checkpoint is named; the checkpoints of one stage are its seeds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import fmean

from docs.tables import RESULTS

COLUMNS = {
    "ego verb": "caption_ego/verb",
    "ego colour": "caption_ego/colour",
    "ego all slots": "caption_ego/all",
    "exo verb": "caption_exo/verb",
    "exo colour": "caption_exo/colour",
    "QA": "qa/accuracy",
    "spatial mIoU": "ground_spatial/miou",
    "temporal mIoU": "ground_temporal/miou",
}


def cell(entries: list[dict | None]) -> dict | None:
    """Return the cell of a metric, in percent; None where the stage is not measured in it.

    Args:
        entries: of metrics.json, as components/evaluation/results.py writes it, one of each seed.
    """
    measured = [entry for entry in entries if entry is not None]
    if not measured:
        return None
    scores = [_percent(entry["value"]) for entry in measured]
    intervals = [[_percent(entry["lo"]), _percent(entry["hi"])] for entry in measured]
    made = {"score": _mean(scores), "scores": scores, "intervals": intervals}
    if all(entry["strongest"] is not None for entry in measured):
        made |= {"control": _mean([_percent(entry["controls"][entry["strongest"]]["value"]) for entry in measured])}
    return made | {"learned_in": sum(bool(entry["learned"]) for entry in measured)}


def _percent(share: float) -> float:
    return round(100 * share, 1)


def _mean(values: list[float]) -> float:
    return round(fmean(values), 1)


def main() -> None:
    """Read the metrics of the named checkpoints and write the file; stages without an evaluation are left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", type=Path, nargs="+", help="folders of finished stages")
    stages: dict[str, list[tuple[dict, dict]]] = {}
    for folder in parser.parse_args().checkpoints:
        if (metrics := folder / "evaluation/metrics.json").is_file():
            stage = json.loads((folder / "stage.json").read_text())
            stages.setdefault(stage["stage"], []).append((stage, json.loads(metrics.read_text())))
    seeds = sorted({stage["params"]["seed"] for runs in stages.values() for stage, _ in runs})
    path = RESULTS / "stages.json"
    written = json.loads(path.read_text()) | {"columns": list(COLUMNS), "rows": []}
    written["seeds"] = f"{len(seeds)} ({', '.join(map(str, seeds))}), of every stage but the base models"
    for name, runs in stages.items():
        cells = [cell([found.get(metric) for _, found in runs]) for metric in COLUMNS.values()]
        commits = ", ".join(dict.fromkeys(stage["git_commit"][:7] for stage, _ in runs))
        written["rows"].append({"label": name, "recorded_in": commits, "cells": cells})
    path.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
