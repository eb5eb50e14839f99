"""What benchmarks hold and what guesses score on them, without any model: rows, samples, rejects, films, references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from components import params
from components.benchmarks.runner.films import folder_of, with_films
from components.benchmarks.runner.groups import estimates, mean_of_subsets
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
            folder = folder_of(roots, name, benchmark.files)
        except ValueError as error:
            found.append({"name": name, "title": benchmark.title, "missing": str(error)})
            continue
        found.append({"name": name, "title": benchmark.title} | _row(benchmark, folder, settings))
    return found


def _row(benchmark: Benchmark, folder: Path, settings: params.Eval) -> dict:
    loaded = benchmark.load(folder)
    scored = [sample for sample in loaded.samples if sample.has_answer]
    metric = METRICS[benchmark.metric]
    references = {}
    for kind, each in (metric.references(scored) if scored else {}).items():
        of_groups = estimates(scored, each.scores, settings)
        whole = {key: value for key, value in each.whole.items() if key != metric.headline}
        others = {key: entry["value"] for key, entry in of_groups.items() if key in each.scores} | whole
        at_all = of_groups.get(metric.headline) or {"value": each.whole[metric.headline], "lo": None, "hi": None}
        mean = mean_of_subsets(of_groups, metric.headline, benchmark.averaged)
        references[kind] = {"label": each.label, **at_all, "scores": others, "mean_of_subsets": mean}
    return {
        "rows": loaded.rows,
        "samples": len(loaded.samples),
        "rejects": loaded.reasons,
        "unscored": len(loaded.samples) - len(scored),
        "films_missing": with_films(loaded, folder, probed=False).reasons.get("film_missing", 0),
        "videos": len({sample.video for sample in loaded.samples}),
        "subsets": dict(sorted(Counter(name for sample in loaded.samples for name in sample.subsets).items())),
        "metric": metric.headline,
        **references,
    }
