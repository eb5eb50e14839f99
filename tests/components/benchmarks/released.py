"""Released annotation files of benchmarks, where they lie beside the project."""

from pathlib import Path

import pytest

from components import params
from components.benchmarks import registry
from components.benchmarks.runner.dry_run import dry_run
from components.benchmarks.runner.films import folder_of
from components.benchmarks.shared.sample import Loaded

ROOT = Path(__file__).parents[3]
ROOTS = (ROOT.parent / "shared/data/benchmarks", ROOT.parent / "shared/data")


def loaded(name: str) -> Loaded:
    """Read a released file; skip the test where it is not there."""
    return registry.BENCHMARKS[name].load(there(name))


def there(name: str) -> Path:
    benchmark = registry.BENCHMARKS[name]
    if not any((root / file).is_file() for root in ROOTS for file in benchmark.files):
        pytest.skip(f"none of {benchmark.files} is in {ROOTS[0]}")
    return folder_of(ROOTS, name, benchmark.files)


def row(name: str) -> dict:
    """Return a benchmark's row of the dry run over its released file."""
    folder = there(name)
    settings = params.load(ROOT / "params/eval.yaml", params.Eval)
    [found] = dry_run({name: registry.BENCHMARKS[name]}, [folder], settings)
    return found
