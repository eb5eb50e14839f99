"""Change the code one place at a time and ask whether its tests notice (mutation testing, with cosmic-ray's operators).

Run as: python -m tests.mutation [TARGET ...]

A target is a key of `[tool.mutation]` in pyproject.toml: a file or folder with the tests that must notice; without one,
all are run. A change that no test notices survives. `equivalent.toml` beside this file lists those that no test can
notice, with the reason. The exit status is 1 where another one survives.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from hypothesis import settings
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from tests.mutation.operators import operators

ROOT = Path(__file__).parents[2]
COPIED = ("components", "flows", "tests", "params")
OURS = {"components", "flows", "tests"}
# imported once, before the process of each change is forked from this one
SLOW_IMPORTS = ("numpy", "pandas", "pyarrow.parquet", "pydantic", "ruamel.yaml", "mlflow")


@dataclass(frozen=True)
class Mutant:
    """One change: `code` is the whole file after it, `before` and `after` the lines that differ."""

    file: str
    before: str
    after: str
    code: str


def mutants_of(file: str, source: str) -> Iterator[Mutant]:
    """Return every change of one file that leaves it Python, each once."""
    seen = {source}
    for operator in operators():
        occurrence = 0
        while (code := mutate_code(source, operator, occurrence)) is not None:
            occurrence += 1
            if code in seen or not _compiles(code):
                continue
            seen.add(code)
            changed = list(ndiff(source.splitlines(), code.splitlines()))
            before, after = (
                " ".join(line[2:].strip() for line in changed if line[:2] == sign).strip() for sign in ("- ", "+ ")
            )
            if before.replace("*,", "/,") != after:  # the star of a signature, which cosmic-ray takes for a product
                yield Mutant(file, before, after, code)


def _compiles(code: str) -> bool:
    try:
        compile(code, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def passes(copy: Path, tests: list[str], *, limit_s: float) -> bool:
    """Run tests on the code in a folder, in a process of their own; a process that is still there at `limit_s` fails.

    Args:
        copy: a copy of the project.
        tests: files of tests, relative to it.
        limit_s: seconds.
    """
    child = os.fork()
    if child == 0:
        os.setsid()  # what the tests start ends with them
        os.chdir(copy)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
            del sys.modules[name]
        sys.path[0] = str(copy)
        # compiled files know a source by second and length: those of changed code would hide the next change
        sys.dont_write_bytecode = True
        # what makes a failure readable, or needs torch as the fixtures of conftest.py do, takes longer than the tests
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--noconftest", "--assert=plain", *tests])
        os._exit(int(status))
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def survivors_of(copy: Path, target: str, tests: list[str]) -> tuple[int, list[Mutant]]:
    """Count the changes of a target and find those that its tests do not notice.

    Args:
        copy: a copy of the project; it is as it was at the end.
        target: a file or folder of it.
        tests: the files of tests that must notice.

    Raises:
        ValueError: the tests fail without a change.
    """
    path = copy / target
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    start = time.monotonic()
    if not passes(copy, tests, limit_s=600):
        raise ValueError(f"the tests of {target} fail without a change: {tests}; mend them or [tool.mutation] first")
    limit_s = 30 + 5 * (time.monotonic() - start)
    sources = {file: file.read_text() for file in files}
    for file in files:
        Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    mutants = [mutant for file in files for mutant in mutants_of(str(file.relative_to(copy)), sources[file])]
    survived = []
    for mutant in track(mutants, target):
        file = copy / mutant.file
        file.write_text(mutant.code)
        if passes(copy, tests, limit_s=limit_s):
            survived.append(mutant)
        file.write_text(sources[file])
    return len(mutants), survived


def main() -> None:
    """Print the table of targets and the changes that survived."""
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutation"]
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(targets)}; without one, all")
    chosen = parser.parse_args().targets or list(targets)
    if unknown := set(chosen) - set(targets):
        parser.error(f"{sorted(unknown)} are no targets, allowed are {sorted(targets)}; add to [tool.mutation]")
    listed = tomllib.loads((Path(__file__).parent / "equivalent.toml").read_text())["mutant"]
    reasons = {(each["file"], each["before"], each["after"]): each["reason"] for each in listed}
    for name in SLOW_IMPORTS:
        importlib.import_module(name)
    settings.register_profile("mutation", deadline=None, derandomize=True, max_examples=20)
    settings.load_profile("mutation")
    table, open_ones = Table("target", "changes", "noticed", "equivalent", "survived"), []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        for name in COPIED:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        compileall.compile_dir(copy, quiet=2)
        for target in chosen:
            count, survived = survivors_of(copy, target, targets[target])
            new = [mutant for mutant in survived if (mutant.file, mutant.before, mutant.after) not in reasons]
            open_ones += new
            equivalent = len(survived) - len(new)
            table.add_row(target, *map(str, (count, count - len(survived), equivalent, len(new))))
    console = Console()
    console.print(table)
    for mutant in open_ones:
        console.print(
            f"\n{mutant.file}\n[red]- {escape(mutant.before)}[/]\n[green]+ {escape(mutant.after)}[/]", soft_wrap=True
        )
    sys.exit(1 if open_ones else 0)


if __name__ == "__main__":
    main()
