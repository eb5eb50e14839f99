"""What benchmarks hold and what guesses score on them, without any model: rows, samples, rejects, films, references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from components import params
from components.benchmarks.runner.films import folder_of, with_films
from components.benchmarks.runner.groups import estimates, mean_of_subsets, means
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
        there), `unscored` (samples whose answers the authors keep), `videos`, `subsets` (name -> samples), `metric`,
        and for each reference its `label`, estimate, other `scores` and `mean_of_subsets`; or `name`, `title` and
        `missing`, why there is no row.
    """
    found = []
    for name, benchmark in benchmarks.items():
        try:
            row = _row(benchmark, folder_of(roots, name, benchmark.files), settings)
        except ValueError as error:  # a file is not there or no annotation file: the other benchmarks can be shown
            row = {"missing": str(error)}
        found.append({"name": name, "title": benchmark.title} | row)
    return found


def _row(benchmark: Benchmark, folder: Path, settings: params.Eval) -> dict:
    loaded = benchmark.load(folder)
    scored = [sample for sample in loaded.samples if sample.has_answer]
    metric = METRICS[benchmark.metric]
    references = {}
    for kind, each in (metric.references(scored) if scored else {}).items():
        if metric.headline in each.scores:
            headline = {metric.headline: each.scores[metric.headline]}
            of_all = estimates(scored, headline, settings, grouped=False)[metric.headline]
        else:
            of_all = {"value": each.whole[metric.headline], "lo": None, "hi": None}
        values = means(scored, each.scores)
        mean = mean_of_subsets(values, metric.headline, benchmark.averaged)
        references[kind] = {"label": each.label, **of_all, "scores": {**values, **each.whole}, "mean_of_subsets": mean}
    return {
        "rows": loaded.rows,
        "samples": len(loaded.samples),
        "rejects": loaded.reasons,
        "unscored": len(loaded.samples) - len(scored),
        "films_missing": with_films(loaded, folder, n_frames=None).reasons.get("film_missing", 0),
        "videos": len({sample.video for sample in loaded.samples}),
        "subsets": dict(sorted(Counter(name for sample in loaded.samples for name in sample.subsets).items())),
        "metric": metric.headline,
        **references,
    }
