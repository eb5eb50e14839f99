"""The outcome of a rehearsal: as a table at the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from components.train.dry_run.tables import table

EMPTY = "–"
STAGES = ("stage", "training", "parameters trained", "loss", "training + evaluation")
SAMPLES = (
    "stage",
    "part",
    "shown",
    "beyond context",
    "beyond max_text_tokens",
    "true answers cut",
    "true answers read",
)
REWARDS = ("stage", "part", "reward", "applies to", "true answers earn", "sampled answers cut")
EVALUATION = ("stage", "task", "samples", "readable", "cut")


@dataclass(frozen=True)
class Part:
    """What one part of a stage's mixture is. Shares are of `drawn` samples, which are drawn as training draws them.

    Args:
        part: `corpus/task/view`.
        shown: samples that the steps of the rehearsal met, each question counted.
        drawn: samples that the shares are of.
        beyond_context: share whose prompt and longest answer are longer than the language model's context.
        beyond_text_tokens: share whose question and answer are longer than the recipe's `max_text_tokens`.
        answers_cut: share whose true answer is longer than the recipe lets the model write.
        answers_read: share whose true answer, in the tokens of the model and cut so, is read back as right; of those
            that can be right or wrong, None where there are none.
        applies: reward -> share to which it applies.
        earned: reward -> mean that the true answers earn, where it applies.
    """

    part: str
    shown: int
    drawn: int
    beyond_context: float
    beyond_text_tokens: float
    answers_cut: float
    answers_read: float | None
    applies: dict[str, float]
    earned: dict[str, float]


@dataclass(frozen=True)
class Measured:
    """A finished stage of a rehearsal.

    Args:
        stage, algorithm: as in the recipe.
        steps, ranks, zero_stage: of the training.
        trained: part of the model -> parameters; those of adapters under `<part> (LoRA)`.
        gradient: part -> largest norm of its gradient that was logged.
        first_loss, last_loss: of the logged steps; None where none was logged.
        seconds, evaluation_s: of training and evaluation; the latter None where nothing was evaluated.
        completions_cut: share of the sampled completions that reached the rehearsal's limit; None unless grpo.
        evaluated: task -> samples, 0 where evaluation left all out, and `<task>/format`, `<task>/cut` -> value.
        answer_tokens: the most that the recipe lets the model write.
        mixture: about its samples, by part; empty of a base stage, which makes its own.
    """

    stage: str
    algorithm: str
    steps: int
    ranks: int
    zero_stage: int
    trained: dict[str, int]
    gradient: dict[str, float]
    first_loss: float | None
    last_loss: float | None
    seconds: float
    evaluation_s: float | None
    completions_cut: float | None
    evaluated: dict[str, float | None]
    answer_tokens: int
    mixture: list[Part]


@dataclass(frozen=True)
class TinyBase:
    """Tiny weights.

    Args:
        base: the name or folder that a recipe gives.
        folder: of the tiny weights, in transformers' layout.
        reading: "published" where the files of tokenizer and image processor are those of the base, else "twin".
    """

    base: str
    folder: str
    reading: str


@dataclass(frozen=True)
class Outcome:
    """A rehearsal, as far as it came.

    Args:
        recipe: its name.
        data: "world" or "data".
        stages: that finished, in order.
        missing: stages that did not.
        bases: tiny weights that stood in the place of the recipe's.
        smaller: (key, value of the recipe, value of the rehearsal).
        decision: of the promotion gate; None where it was not reached.
        exported: files of the last stage's export.
        error: what stopped it; None where nothing did.
        seconds: in all.
    """

    recipe: str
    data: str
    stages: Sequence[Measured]
    missing: Sequence[str]
    bases: Sequence[TinyBase]
    smaller: Sequence[tuple[str, Any, Any]]
    decision: str | None = None
    exported: Sequence[str] = field(default_factory=tuple)
    error: str | None = None
    seconds: float = 0.0


def read_measured(file: Path) -> list[Measured]:
    """Read the stages that `components.train.rehearsal measure` wrote."""
    stages = []
    for row in json.loads(file.read_text()):
        values: dict[str, Any] = row | {"mixture": [Part(**part) for part in row["mixture"]]}
        stages.append(Measured(**values))
    return stages


def title(outcome: Outcome) -> str:
    """Return the heading of the outcome."""
    ended = f"not finished: {', '.join(outcome.missing)}" if outcome.missing else "every stage"
    return f"Rehearsal of {outcome.recipe} on {outcome.data}: {ended}, {outcome.seconds:.0f} s"


def tables(outcome: Outcome) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Return (title, columns, rows) of every table, its cells as texts."""
    return [
        ("Stages", STAGES, [_stage(stage) for stage in outcome.stages]),
        ("Samples", SAMPLES, [_samples(stage, part) for stage in outcome.stages for part in stage.mixture]),
        ("Rewards", REWARDS, [row for stage in outcome.stages for row in _rewards(stage)]),
        ("Evaluation", EVALUATION, [row for stage in outcome.stages for row in _evaluation(stage)]),
        ("Weights", ("base", "tokenizer and image files"), [(base.base, base.reading) for base in outcome.bases]),
    ]


def _stage(stage: Measured) -> tuple[str, ...]:
    trained = []
    for part, count in stage.trained.items():
        learns = stage.gradient.get(part.removesuffix(" (LoRA)"))
        trained.append(f"{part} {count:,}" + ("" if learns else ", no gradient"))
    return (
        stage.stage,
        f"{stage.algorithm}, {stage.steps} steps, {stage.ranks} × ZeRO-{stage.zero_stage}",
        "; ".join(trained),
        EMPTY if stage.first_loss is None else f"{stage.first_loss:.3g} → {stage.last_loss:.3g}",
        f"{stage.seconds:.0f} s" + ("" if stage.evaluation_s is None else f" + {stage.evaluation_s:.0f} s"),
    )


def _samples(stage: Measured, part: Part) -> tuple[str, ...]:
    shares = (part.beyond_context, part.beyond_text_tokens, part.answers_cut, part.answers_read)
    cut = f"{_share(part.answers_cut)} at {stage.answer_tokens}"
    told = [_share(share) for share in shares]
    return stage.stage, part.part, str(part.shown), *told[:2], cut, told[3]


def _rewards(stage: Measured) -> Iterator[tuple[str, ...]]:
    for part in stage.mixture:
        for name, share in part.applies.items():
            earned = f"{part.earned[name]:.2f}" if name in part.earned else EMPTY
            yield stage.stage, part.part, name, _share(share), earned, _share(stage.completions_cut)


def _evaluation(stage: Measured) -> Iterator[tuple[str, ...]]:
    for task, samples in stage.evaluated.items():
        if "/" not in task:
            forms = (stage.evaluated.get(f"{task}/{form}") for form in ("format", "cut"))
            yield stage.stage, task, f"{samples:.0f}", *(_share(form) for form in forms)


def _share(value: float | None) -> str:
    return EMPTY if value is None else f"{value:.0%}"


def shown(outcome: Outcome) -> list[Table | str]:
    """Return what the terminal shows."""
    lines = [f"smaller   {len(outcome.smaller)} numbers, all in the files below; every other value is the recipe's"]
    if outcome.decision is not None:
        lines.append(f"gate      {outcome.decision}")
    if outcome.exported:
        lines.append(f"export    {', '.join(outcome.exported)}")
    if outcome.error is not None:
        lines.append(f"stopped   {outcome.error}")
    laid_out = [table(name, columns, rows) for name, columns, rows in tables(outcome) if rows]
    return [title(outcome), *laid_out, *lines]


def write(outcome: Outcome, folder: Path) -> list[Path]:
    """Write the outcome as rehearsal.json and rehearsal.md; return the two files."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_markdown = folder / "rehearsal.json", folder / "rehearsal.md"
    as_json.write_text(json.dumps(asdict(outcome), indent=2, default=str) + "\n")
    as_markdown.write_text(markdown(outcome))
    return [as_json, as_markdown]


def markdown(outcome: Outcome) -> str:
    """Return the outcome as a page of Markdown."""
    parts = [f"# {title(outcome)}"]
    for name, columns, rows in tables(outcome):
        parts += [f"## {name}", _grid(columns, rows)] if rows else []
    if outcome.error is not None:
        parts.append(f"Stopped by:\n\n```\n{outcome.error}\n```")
    if outcome.decision is not None:
        parts.append(f"Gate: {outcome.decision}")
    if outcome.exported:
        parts.append(f"Export: {', '.join(outcome.exported)}")
    numbers = [(key, str(before), str(after)) for key, before, after in outcome.smaller]
    parts += ["## Smaller numbers", _grid(("key", "recipe", "rehearsal"), numbers)]
    return "\n\n".join(parts) + "\n"


def _grid(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
