"""Measure the structure of the code: its rooms, the imports between them, import cycles, layers, and file lengths.

Run as: python -m tests.structure [--root DIR] [--against DIR]

The definitions, the same for every checkout that is measured:

- A room is what a reader sees on the first level of `components/`: a sub-package, or a file beside the sub-packages.
  `flows` as a whole is one more room. An `__init__.py` is part of its package and no room.
- An import between rooms is counted once for each ordered pair of rooms in which any file of the first imports any file
  of the second. All imports count: those of a module, those inside functions, and those for type checkers only
  (`if TYPE_CHECKING:`).
- A cycle is a group of files each of which reaches all others of the group by imports. The same imports count.
- Layers are counted along the longest chain of rooms in which each imports the next; a cycle of rooms and what is above
  it count as one.
- The length of a file is its number of lines. All Python files of `components` and `flows` count.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
# in a process of its own: grimp finds packages by the import path, and a process can hold one `components` only
READ_IMPORTS = """
import grimp, json
graph = grimp.build_graph("components", "flows", cache_dir=None)
print(json.dumps({module: sorted(graph.find_modules_directly_imported_by(module)) for module in graph.modules}))
"""

Imports = dict[str, set[str]]


def imports(root: Path) -> Imports:
    """Read which module of `components` and `flows` imports which.

    Args:
        root: the top folder of a checkout of this project.

    Returns:
        every module by its dotted name (a package stands for its `__init__.py`), with the modules that it imports.

    Raises:
        ValueError: `root` is no checkout of this project.
    """
    for package in ("components", "flows"):
        if not (root / package / "__init__.py").is_file():
            raise ValueError(f"{root} has no package {package!r}; give the top folder of a checkout of this project")
    done = subprocess.run(
        [sys.executable, "-c", READ_IMPORTS], cwd=root, stdout=subprocess.PIPE, text=True, check=True, timeout=120
    )
    return {module: set(imported) for module, imported in json.loads(done.stdout).items()}


def reached(graph: Imports, start: str) -> set[str]:
    """Return the modules that `start` imports, directly or not; `start` itself only if it stands in a cycle."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def cycles(graph: Imports) -> set[frozenset[str]]:
    """Return the groups of modules that import one another, directly or not."""
    reach = {module: reached(graph, module) for module in graph}
    return {
        frozenset(other for other in reach[module] if module in reach[other])
        for module in graph
        if module in reach[module]
    }


def room_of(module: str) -> str | None:
    """Return the room of a module, None for the package `components` itself."""
    package, *below = module.split(".")
    return "flows" if package == "flows" else below[0] if below else None


def rooms(graph: Imports) -> Imports:
    """Return every room with the other rooms that it imports."""
    found: Imports = {room: set() for module in graph if (room := room_of(module))}
    for module, imported in graph.items():
        if room := room_of(module):
            found[room] |= {other for name in imported if (other := room_of(name)) and other != room}
    return found


def layers(between: Imports) -> int:
    """Count the layers: take away the rooms that import no room still there, until none is left."""
    left, count = set(between), 0
    while left:
        lowest = {room for room in left if not between[room] & left}
        left -= lowest or left  # nothing is lowest in a cycle; what is in or above one counts as one layer
        count += 1
    return count


def entries(graph: Imports, package: str) -> set[str]:
    """Return the names of the files and sub-packages on the first level of a package."""
    return {module.removeprefix(f"{package}.").split(".")[0] for module in graph if module.startswith(f"{package}.")}


def loose_files(root: Path) -> set[str]:
    """Return the names of the files that lie in `components/` beside the sub-packages."""
    return {path.name for path in (root / "components").glob("*.py")} - {"__init__.py"}


def lengths(root: Path) -> dict[str, int]:
    """Return the number of lines of every Python file in `components` and `flows`, by its path below `root`."""
    paths = [path for package in ("components", "flows") for path in (root / package).rglob("*.py")]
    return {str(path.relative_to(root)): len(path.read_text().splitlines()) for path in paths}


def measure(root: Path) -> dict[str, str]:
    """Return the rows of the table for the checkout at `root`: the name of each measure and its value as text."""
    graph, lines = imports(root), lengths(root)
    between, found = rooms(graph), cycles(graph)
    longest = max(lines, key=lines.get)
    return {
        "rooms": str(len(between)),
        "imports between rooms": str(sum(map(len, between.values()))),
        "layers": str(layers(between)),
        "import cycles": "\n".join([str(len(found)), *sorted(" <-> ".join(sorted(group)) for group in found)]),
        "loose files in components": str(len(loose_files(root))),
        "rooms in components/data": str(len(entries(graph, "components.data"))),
        "rooms in components/train": str(len(entries(graph, "components.train"))),
        "files": str(len(lines)),
        "median file, lines": f"{statistics.median(lines.values()):g}",
        "longest file, lines": f"{lines[longest]} ({longest})",
    }


def main() -> None:
    """Print the table of one checkout, or of two side by side."""
    parser = argparse.ArgumentParser(prog="python -m tests.structure", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to measure; without it, this one")
    parser.add_argument("--against", type=Path, help="an older checkout, shown in a column of its own")
    arguments = parser.parse_args()
    try:
        columns = {"before": measure(arguments.against)} if arguments.against else {}
        columns["now"] = measure(arguments.root)
    except ValueError as error:
        parser.error(str(error))
    table = Table("measure")
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for name in columns["now"]:
        table.add_row(name, *(column[name] for column in columns.values()))
    Console().print(table)


if __name__ == "__main__":
    main()
