"""How far a stage is that trains, in a line."""

from __future__ import annotations

from components.params import Stage
from components.tracking import history
from flows.jobs import Job


def of(job: Job, stage: Stage) -> str:
    """Say in a line at which step a stage is, how long the rest takes at its pace, and what it logged last.

    Args:
        job: recipe and keys.
        stage: one that trains.
    """
    path = job.checkpoint(stage.name) / "history.jsonl"
    rows = history.read(path)[0] if path.is_file() else []
    if not rows:
        return f"{stage.name}: not at its first step yet"
    values = [f"{name} {value:.4g}" for name, value in rows[-1].items() if name not in ("step", "time_s")]
    length = f"of {stage.max_steps}" if stage.max_steps else f"(epochs: {stage.num_train_epochs:g})"
    return f"{stage.name}: step {rows[-1]['step']} {length}{_left(rows[-10:], stage)}: {', '.join(values[:4])}"


def _left(rows: list[dict], stage: Stage) -> str:
    """Say how long the steps that are left take at the pace of some records; "" where that is not known."""
    steps = rows[-1]["step"] - rows[0]["step"]
    if stage.max_steps is None or steps <= 0:
        return ""
    seconds = (rows[-1]["time_s"] - rows[0]["time_s"]) / steps * (stage.max_steps - rows[-1]["step"])
    return f", about {seconds / 60:.0f} min left" if seconds >= 60 else f", about {seconds:.0f} s left"
