"""Write the generated parts of README.md and docs/: they lie between `<!-- generated: NAME -->` and `<!-- end -->`.

Also the notebook docs/asking.ipynb, which is generated as a whole.

Run as: python -m docs.generate
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from docs import benchmark_tables, claim_tables, notebook, parameters, simulated, tables

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md",
    "docs/claims.md",
    "docs/results.md",
    "docs/operations.md",
    "docs/params.md",
    "docs/statistics.md",
    "docs/benchmarks.md",
    "docs/leaderboard.md",
)
NOTEBOOK = "docs/asking.ipynb"
REGION = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
REGIONS: dict[str, Callable[[], str]] = {
    "claims": claim_tables.whole,
    "claims-short": claim_tables.short,
    "stages": partial(tables.results_table, "stages"),
    "ablations": partial(tables.results_table, "ablations_exo2ego"),
    "view-grpo": partial(tables.results_table, "ablations_view_grpo"),
    "grpo-sft": partial(tables.results_table, "grpo_sft"),
    "moments": partial(tables.results_table, "moments"),
    "perception": partial(tables.results_table, "perception"),
    "bench-data": partial(tables.bench_table, "bench_data"),
    "bench-train": partial(tables.bench_table, "bench_train"),
    "dry-run": tables.dry_run_table,
    "benchmarks": benchmark_tables.descriptions,
    "benchmark-files": benchmark_tables.files,
    "leaderboard": benchmark_tables.leaderboard,
    "gate": simulated.gate,
    "coverage": simulated.coverage,
    "signs": simulated.signs,
    "gains": simulated.gains,
    "promoted": simulated.promoted,
    "drift": simulated.drift,
    "rationale-judge": simulated.rationale_judge,
    "params": parameters.reference,
}


def filled(page: str) -> str:
    """Return the text of a page with every marked region written again.

    Args:
        page: the text of a page.

    Raises:
        ValueError: a region has a name that nothing writes.
    """

    def write(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        if name not in REGIONS:
            raise ValueError(f"no region is named {name!r}, allowed are {sorted(REGIONS)}; mend the page")
        return f"{begin}\n{REGIONS[name]()}\n\n{end}"

    return REGION.sub(write, page)


def main() -> int:
    """Write all pages, and name those that changed."""
    argparse.ArgumentParser(prog="python -m docs.generate", description=__doc__.splitlines()[0]).parse_args()
    written = {name: filled((ROOT / name).read_text()) for name in PAGES} | {NOTEBOOK: notebook.asking()}
    for name, after in written.items():
        path = ROOT / name
        if not path.exists() or after != path.read_text():
            path.write_text(after)
            sys.stdout.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
