"""The table of stages, as the papers print it: every score with its interval, its strongest control and chance."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from components.params.evaluation import FORMAT, PAIRS
from components.report.stage import Stage

TASKS = ("caption_ego", "caption_exo", "qa", "reasoning", "ground_spatial", "ground_temporal", *PAIRS)
METRICS = (
    *("meteor", "verb", "colour", "type", "hand", "all", "accuracy", "miou", "r1_30", "r1_50"),
    *("ego", "exo", "consistent", "agreement", "excess", "mutual_tiou", "said_yes", "format", "cut"),
)
_ENDS = 5  # logged steps that the first and the last sampled reward are means of: a single one is mostly noise


@dataclass(frozen=True)
class Cell:
    """One score: texts in percent, and the places of its marks on a strip from 0 to 100; None where there is no mark.

    `controls` names all of them with their scores, `strongest` the one that the score must beat. `learned` is None for
    a number that is no skill, such as the share of answers that were cut.
    """

    value: str
    interval: str
    strongest: str
    controls: str
    chance: str
    n: int
    learned: bool | None
    at: float
    from_at: float
    to_at: float
    strongest_at: float | None
    chance_at: float | None


@dataclass(frozen=True)
class TaskScores:
    """One task: its metrics, and (name, a cell for each metric) of every stage that was evaluated in it."""

    task: str
    metrics: list[str]
    rows: list[tuple[str, list[Cell | None]]]


@dataclass(frozen=True)
class Table:
    """The tasks in the papers' order; `learned` of `scores` are of the last evaluated stage, whose name is `last`."""

    tasks: list[TaskScores]
    last: str
    learned: int
    scores: int


@dataclass(frozen=True)
class Contrast:
    """A number before and after GRPO, as text; a dash where it was not measured."""

    name: str
    before: str
    after: str
    note: str


def stage_table(stages: list[Stage], champion: tuple[str, dict[str, dict]] | None = None) -> Table:
    """Line up the evaluations of all stages, task by task.

    Args:
        stages: in training order.
        champion: name and content of metrics.json of the model that the last stage was compared with; a row of its own.
    """
    evaluated = [(stage.name, stage.metrics) for stage in stages if stage.metrics is not None]
    rows = evaluated + ([champion] if champion else [])
    columns = sorted({column(name) for _, metrics in rows for name in metrics}, key=order)
    of_task: dict[str, list[str]] = {}
    for task, metric in columns:
        of_task.setdefault(task, []).append(metric)
    tasks = [
        TaskScores(task, metrics, [row for name, found in rows if (row := _row(name, found, task, metrics))])
        for task, metrics in of_task.items()
    ]
    last, metrics = evaluated[-1] if evaluated else ("", {})
    judged = [cell.learned for name, entry in metrics.items() if (cell := _cell(name, entry)).learned is not None]
    return Table(tasks, last, learned=sum(judged), scores=len(judged))


def _row(name: str, found: dict[str, dict], task: str, metrics: list[str]) -> tuple[str, list[Cell | None]] | None:
    """Return the row of a stage in a task; None where it was not evaluated in it."""
    entries = {f"{task}/{metric}": found.get(f"{task}/{metric}") for metric in metrics}
    cells = [None if entry is None else _cell(metric, entry) for metric, entry in entries.items()]
    return (name, cells) if any(cells) else None


def grpo_blocks(stages: list[Stage]) -> list[tuple[Stage, list[Contrast]]]:
    """Return numbers before and after every GRPO stage, which is one with a sampled reward in its history.

    A stage starts from its parent's weights, so its greedy scores at step 0 are the parent's evaluation.
    """
    blocks = []
    for stage in stages:
        if "reward" not in stage.history:
            continue
        parent = next((other for other in reversed(stages) if other.name in stage.parents), None)
        before = (parent.metrics if parent else None) or {}
        after = stage.metrics or {}
        origin = f"step 0 is {parent.name}" if parent else "no parent stage on record"
        rewards = [value for _, value in stage.history["reward"]]
        note = f"mean of the first and the last {min(_ENDS, len(rewards))} logged steps, as sampled in training"
        blocks.append(
            (
                stage,
                [
                    _contrast("greedy spatial mIoU", "ground_spatial/miou", before, after, origin),
                    Contrast("sampled reward", f"{fmean(rewards[:_ENDS]):.3f}", f"{fmean(rewards[-_ENDS:]):.3f}", note),
                    _contrast("QA accuracy", "qa/accuracy", before, after, origin),
                ],
            )
        )
    return blocks


def _contrast(name: str, metric: str, before: dict, after: dict, note: str) -> Contrast:
    cells = [_cell(metric, found[metric]) if metric in found else None for found in (before, after)]
    return Contrast(name, *(f"{cell.value} {cell.interval}" if cell else "–" for cell in cells), note)


def column(name: str) -> tuple[str, str]:
    """Return task and metric of "<task>/<metric>"."""
    task, _, metric = name.partition("/")
    return task, metric


def order(column: tuple[str, str]) -> tuple:
    """Return the key that sorts columns (task, metric): in the order of TASKS and METRICS, others behind by name."""
    task, metric = column
    return (
        TASKS.index(task) if task in TASKS else len(TASKS),
        task,
        METRICS.index(metric) if metric in METRICS else len(METRICS),
        metric,
    )


def is_learned(name: str, entry: dict) -> bool | None:
    """Return whether a score was learned by seeing; None for what is no skill of seeing, such as a form to be kept.

    Args:
        name: "<task>/<metric>".
        entry: of metrics.json.
    """
    # the model keeps the form before grey frames too: 100 of it is not "not learned"
    return None if column(name)[1] == FORMAT else entry["learned"]


def _cell(name: str, entry: dict) -> Cell:
    controls, strongest = entry["controls"], entry["strongest"]
    control = controls[strongest]["value"] if strongest else None
    return Cell(
        value=percent(entry["value"]),
        interval=percent(None) if entry["lo"] is None else f"[{percent(entry['lo'])}, {percent(entry['hi'])}]",
        strongest=f"{words(strongest)} {percent(control)}" if strongest else "–",
        controls=", ".join(f"{words(name)} {percent(found['value'])}" for name, found in controls.items()),
        chance=percent(entry["chance"]),
        n=entry["n"],
        learned=is_learned(name, entry),
        at=_place(entry["value"]),
        from_at=0.0 if entry["lo"] is None else _place(entry["lo"]),
        to_at=100.0 if entry["hi"] is None else _place(entry["hi"]),
        strongest_at=None if control is None else _place(control),
        chance_at=None if entry["chance"] is None else _place(entry["chance"]),
    )


def words(control: str) -> str:
    """Return the name of a control as a reader finds it: "other frames"."""
    return control.replace("_", " ")


def percent(value: float | None) -> str:
    """Return a share as text in percent; an unknown one is a dash."""
    return "–" if value is None else f"{100 * value:.1f}"


def _place(value: float) -> float:
    return round(min(1.0, max(0.0, value)) * 100, 1)
