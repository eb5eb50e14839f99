"""Let a checkpoint answer public benchmarks, or show what their files hold and what guesses score on them.

Run as: python -m flows.benchmark --checkpoint checkpoints/grpo-… --benchmarks egoschema,vlnqa --root DIR
        python -m flows.benchmark --benchmarks all --root DIR --dry-run
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from components import params, tracking
from components.benchmarks import registry
from components.benchmarks.runner.askable import problems as asking_problems
from components.benchmarks.runner.dry_run import REFERENCES, dry_run
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.runner.protocol import How
from components.benchmarks.runner.videos import write_lists
from components.benchmarks.shared.sample import Benchmark
from components.train.provenance import git_commit, recorded
from flows import options, tasks

if TYPE_CHECKING:
    from components.benchmarks.runner.run import Asked

LEADERBOARD = Path("results/leaderboard.json")
WIDTH = 160  # of tables in a file or a pipe
FILES = ("predictions.parquet", "rejects.parquet", "identity.json")


def askable(benchmarks: Mapping[str, Benchmark], given: argparse.Namespace, console: Console) -> dict[str, Benchmark]:
    """Return the benchmarks that a checkpoint can be asked; of `all`, the others are left out with a printed reason.

    Args:
        benchmarks: by name.
        given: the command line.
        console: takes the reasons.

    Raises:
        ValueError: one that was named, or every one, cannot be asked.
    """
    problems = asking_problems(benchmarks, given.root, shows_films=given.frames != 0)
    if problems and (given.benchmarks != registry.ALL or len(problems) == len(benchmarks)):
        raise ValueError("; ".join(problems.values()))
    for problem in problems.values():
        console.print(f"left out: {problem}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    return {name: each for name, each in benchmarks.items() if name not in problems}


def benchmark(
    checkpoint: Path, benchmarks: Mapping[str, Benchmark], roots: Sequence[Path], given: argparse.Namespace
) -> dict[str, dict]:
    """Run benchmarks on a checkpoint, each with a run in MLflow, and record each at once where that is wanted.

    Args:
        checkpoint: folder of a finished stage or of an export.
        benchmarks: by name.
        roots: folders that hold files and films.
        given: the command line.

    Returns:
        level of the prompt -> "<benchmark>/<group>/<metric>" -> its numbers.

    Raises:
        ValueError: as `components.benchmarks.runner.run.Asked`.
    """
    from components.benchmarks.runner.run import Asked  # loads torch

    settings = params.load(tasks.EVALUATION, params.Eval)
    data = params.load(tasks.DATA_PARAMS, params.Data)
    judge = data.llm if given.judge else None
    sentence_model = Path(settings.sentence_model) if settings.sentence_model else None
    asked = Asked(checkpoint, data, settings)
    found: dict[str, dict] = {level: {} for level in given.prompts}
    for name, each in benchmarks.items():
        for level in given.prompts:
            how = How(given.options, given.frames, given.limit, given.max_new_tokens, judge, level, sentence_model)
            found[level] |= _logged(asked, name, each, roots, how)
            if given.record:
                label = given.record if level == "plain" else f"{given.record}, prompt {level}"
                record(label, found[level], benchmarks, how.protocol, LEADERBOARD)
    return found


def _logged(asked: Asked, name: str, each: Benchmark, roots: Sequence[Path], how: How) -> dict[str, dict]:
    """Run one benchmark, and keep its scores and files in a run of MLflow."""
    from components.benchmarks.runner.run import SUBMISSION

    tags = {"checkpoint": str(recorded(asked.checkpoint)), "prompt_level": how.level}
    run_id = tracking.open_benchmark_run(name, tags=tags)
    status = "FAILED"
    try:
        found = asked.run(name, each, roots, how)
        folder = how.folder(asked.checkpoint, name, each)
        tracking.log_evaluation(run_id, folder / "metrics.json")
        for path in (folder / file for file in (*FILES, SUBMISSION)):
            if path.exists():  # there is no submission where every answer is public
                tracking.log_artifacts(run_id, path, "evaluation")
        status = "FINISHED"
    finally:
        tracking.finish(run_id, status)
    return found


def record(
    label: str,
    found: Mapping[str, Mapping],
    benchmarks: Mapping[str, Benchmark],
    protocol: Mapping[str, Any],
    leaderboard: Path,
) -> None:
    """Add the headline scores of a checkpoint to the leaderboard's file; docs/generate.py makes a page of it.

    Args:
        label: of the checkpoint; an entry of the same label is replaced.
        found: as `benchmark` returns it.
        benchmarks: that were run, by name.
        protocol: how they were asked.
        leaderboard: the file.
    """
    entries = json.loads(leaderboard.read_text())
    keys = {name: f"{name}/{METRICS[each.metric].headline}" for name, each in benchmarks.items()}
    scores = {name: found[key] for name, key in keys.items() if key in found}
    entries[label] = {"recorded_in": git_commit(Path.cwd())[:7], "asked": dict(protocol), "scores": scores}
    leaderboard.write_text(json.dumps(entries, indent=2) + "\n")


def show_files(rows: Sequence[dict], console: Console) -> None:
    """Print the table of a dry run."""
    names = ("benchmark", "rows", "samples", "rejects", "films missing", "videos", "metric")
    table = Table(*names, *(kind.replace("_", " ") for kind in REFERENCES))
    for row in rows:
        if "missing" in row:
            table.add_row(row["title"], "no file")
            continue
        rejects = ", ".join(f"{count} {reason}" for reason, count in row["rejects"].items()) or "0"
        cells = [row["rows"], row["samples"], rejects, row["films_missing"], row["videos"], row["metric"]]
        table.add_row(row["title"], *map(str, cells), *(_reference(row.get(kind)) for kind in REFERENCES))
        if in_file := row.get("constant_in_file"):
            table.add_row("", *[""] * len(cells), _reference(in_file))
    console.print(table)
    for row in rows:
        if "missing" in row:
            console.print(row["missing"], style="yellow", highlight=False, markup=False, soft_wrap=True)


def _reference(entry: Mapping | None) -> str:
    if entry is None:
        return "-"
    has_interval = entry["lo"] is not None and entry["hi"] - entry["lo"] > 1e-9  # a uniform guess has no spread
    interval = f" [{100 * entry['lo']:.1f}, {100 * entry['hi']:.1f}]" if has_interval else ""
    return f"{100 * entry['value']:.1f}{interval}\n{entry['label']}"


def show_scores(found: Mapping[str, Mapping[str, Mapping]], console: Console) -> None:
    """Print the scores of a checkpoint, levels of the prompt side by side, beside those that need no seeing.

    Args:
        found: as `benchmark` returns it.
        console: takes the table.
    """
    besides = ("no frames", "constant", "random", "text guess")
    table = Table("score", "prompt", "value", "95 % interval", *besides, "samples")
    scores = dict.fromkeys(name for of_level in found.values() for name in of_level)
    for name, level in ((name, level) for name in scores for level in found if name in found[level]):
        entry = found[level][name]
        interval = "-" if entry["lo"] is None else f"{100 * entry['lo']:.1f}, {100 * entry['hi']:.1f}"
        without = ["-" if entry[key] is None else f"{100 * entry[key]:.1f}" for key in _BESIDES]
        table.add_row(name, level, f"{100 * entry['value']:.1f}", interval, *without, str(entry["n"]))
    console.print(table)


_BESIDES = ("blind", "constant", "chance", "text_guess")


def main() -> int:
    """Read the command line and print the table; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.benchmark(parser)
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        chosen = registry.chosen(given.benchmarks)
        if given.list_videos:
            for name, count in write_lists(chosen, given.root, given.list_videos).items():
                console.print(f"{name}: {count} videos in {given.list_videos / name}.txt", soft_wrap=True)
        elif given.dry_run:
            rows = dry_run(chosen, given.root, params.load(tasks.EVALUATION, params.Eval))
            show_files(rows, console)
            if given.json:
                there = [row for row in rows if "missing" not in row]
                given.json.write_text(json.dumps(there, indent=2) + "\n")
        elif given.checkpoint is None:
            parser.error("name a --checkpoint, or --dry-run to see the files alone")
        else:
            if given.record and given.limit is not None:
                parser.error("--record came with --limit; a leaderboard shows scores of all samples: leave out either")
            found = benchmark(given.checkpoint, askable(chosen, given, console), given.root, given)
            show_scores(found, console)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
