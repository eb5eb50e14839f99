"""Write results/stages.json from the checkpoints of a pipeline run: every stage beside its strongest control.

Run as: python -m docs.record_stages checkpoints/*-*   (the evaluated stages of one run, then `python -m docs.generate`)
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

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


def cell(entry: dict | None) -> dict | None:
    """Return the cell of a metric, in percent; None where the stage is not measured in it.

    Args:
        entry: of metrics.json, as components/evaluation/results.py writes it.
    """
    if entry is None:
        return None
    made = {"score": _percent(entry["value"]), "interval": [_percent(entry["lo"]), _percent(entry["hi"])]}
    if (name := entry["strongest"]) is not None:
        made |= {"control": _percent(entry["controls"][name]["value"]), "control_name": name.replace("_", " ")}
    return made | {"learned": bool(entry["learned"])}


def _percent(share: float) -> float:
    return round(100 * share, 1)


def main() -> None:
    """Read the metrics of the named checkpoints and write the file; stages without an evaluation are left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", help="folders of finished stages, in the order of the recipe"
    )
    path = RESULTS / "stages.json"
    written = json.loads(path.read_text()) | {"columns": list(COLUMNS), "rows": []}
    for folder in parser.parse_args().checkpoints:
        if not (metrics := folder / "evaluation/metrics.json").is_file():
            continue
        stage, found = json.loads((folder / "stage.json").read_text()), json.loads(metrics.read_text())
        cells = [cell(found.get(metric)) for metric in COLUMNS.values()]
        written["rows"].append({"label": stage["stage"], "recorded_in": stage["git_commit"][:7], "cells": cells})
    path.write_text(json.dumps(written, indent=1) + "\n")


if __name__ == "__main__":
    main()
