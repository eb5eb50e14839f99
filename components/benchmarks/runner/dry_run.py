"""What benchmarks hold and what guesses score on them, without any model: rows, samples, rejects, films, references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from components import params
from components.benchmarks.runner.films import folder_of, with_films
from components.benchmarks.runner.groups import estimates
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.sample import Benchmark

REFERENCES = ("constant", "random", "text_only")


def dry_run(benchmarks: Mapping[str, Benchmark], roots: Sequence[Path], settings: params.Eval) -> list[dict]:
    """Return a row for each benchmark whose files are there.

    Args:
        benchmarks: by name.
        roots: folders that hold files and films.
        settings: seed and draws of the bootstrap.

    Returns:
        `name`, `title`, `rows`, `samples`, `rejects` (reason -> count), `films_missing` (samples of which a film is not
        there), `unscored` (samples whose answers the authors keep), `videos`, `metric`, and for each reference its
        `label` and estimate; or `name`, `title` and `missing`, why there is no row.
    """
    found = []
    for name, benchmark in benchmarks.items():
        try:
            folder = folder_of(roots, name, benchmark.files)
        except ValueError as error:
            found.append({"name": name, "title": benchmark.title, "missing": str(error)})
            continue
        loaded = benchmark.load(folder)
        scored = [sample for sample in loaded.samples if sample.target.index is not None]
        metric = METRICS[benchmark.metric]
        references = metric.references(scored) if scored else {}
        of_all = {
            kind: {"label": each.label} | estimates(scored, each.scores, settings)[metric.headline]
            for kind, each in references.items()
        }
        found.append(
            {
                "name": name, "title": benchmark.title, "rows": loaded.rows, "samples": len(loaded.samples),
                "rejects": loaded.reasons, "unscored": len(loaded.samples) - len(scored),
                "films_missing": with_films(loaded, folder, probed=False).reasons.get("film_missing", 0),
                "videos": len({sample.video for sample in loaded.samples}), "metric": metric.headline, **of_all,
            }
        )  # fmt: skip
    return found
