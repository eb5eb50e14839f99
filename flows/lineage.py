"""Draw what a score stands on, and what has learned from a take, as one page.

Run as: python -m flows.lineage --metric qa/accuracy --checkpoint checkpoints/grpo-… --take TAKE --output lineage.html

It says what `egoflow why` and `egoflow impact` say; the second runs as a process, for it reads the stages of training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from components.evaluation import lineage
from components.report import lineage as page
from flows import options


def main() -> int:
    """Read the command line and write the page; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.lineage(parser)
    given = parser.parse_args()
    if given.metric is None and given.take is None:
        parser.error("name a --metric with its --checkpoint, a --take, or both")
    if (given.metric is None) != (given.checkpoint is None):
        parser.error("--metric and --checkpoint go together: a score is of a checkpoint")
    try:
        why = impact = None
        if given.metric is not None:
            predictions = given.checkpoint / "evaluation/predictions.parquet"
            why = given.metric, lineage.of_metric(predictions, given.data, given.metric, limit=given.limit)
        if given.take is not None:
            impact = _impact(given.take, given.data, given.checkpoints)
        sys.stdout.write(f"{page.write(given.output, why=why, impact=impact)}\n")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


def _impact(take: str, data: Path, checkpoints: Path) -> dict:
    """Return what a take is in, as components/train/lineage.py prints it.

    Raises:
        ValueError: there is no such take; the message is that of the program.
    """
    words = ["components.train.lineage", take, "--data", str(data), "--checkpoints", str(checkpoints), "--json"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


if __name__ == "__main__":
    sys.exit(main())
