"""All benchmarks by name."""

from __future__ import annotations

from components.benchmarks import egoschema, vlnqa
from components.benchmarks.shared.sample import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "egoschema": egoschema.BENCHMARK,
    "vlnqa": vlnqa.BENCHMARK,
}


def chosen(names: str) -> dict[str, Benchmark]:
    """Return some benchmarks.

    Args:
        names: joined by commas, or "all".

    Raises:
        ValueError: one is unknown.
    """
    wanted = list(BENCHMARKS) if names == "all" else names.split(",")
    if unknown := sorted(set(wanted) - set(BENCHMARKS)):
        raise ValueError(f"benchmarks {unknown} came, allowed are {sorted(BENCHMARKS)}, or `all`")
    return {name: BENCHMARKS[name] for name in wanted}
