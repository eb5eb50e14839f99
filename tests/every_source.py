"""Every layout at once: the world writes each dataset that Egoflow reads, and the whole data graph runs over them.

Run as: python -m tests.every_source FOLDER [SOURCE …]     (without sources: all; the folder keeps data/)

It prints what became of the rows of each source, and how many samples the data has of every `corpus/task/view`, with
the recipes whose mixtures name it. Ends with 1 where a recipe asks for something that the data does not have.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from components import params
from components.data import __main__ as data_main
from components.data.annotations import IDS
from components.train.judge.mixture import WRITTEN
from components.train.rehearsal import smaller
from components.world.__main__ import build
from components.world.writers import WRITERS

PROJECT = Path(__file__).parents[1]


def params_of(root: Path, sources: Iterable[str] = ()) -> params.Data:
    """Return the parameters of a rehearsal's world with the named sources (by default all) below `root`."""
    data = smaller.data(params.load(PROJECT / "params/data.yaml", params.Data))
    named = {source: root / "data/raw" / source for source in sources or WRITERS}
    return data.model_copy(update={"sources": params.Sources(**named)})


def run(root: Path, data: params.Data) -> dict[str, dict]:
    """Write the world and run every step of the data graph, with its contracts; return what each step counted."""
    build(data, root, console=Console(stderr=True))
    return {step: data_main.run(step, data, root / "data") for step in data_main.STEPS}


def samples_of(data_dir: Path) -> dict[str, int]:
    """Count the training samples by `corpus/task/view`."""
    keys = ["corpus", "task", "view", "split"]
    table = pq.read_table(data_dir / "dataset/samples.parquet", columns=keys)
    rows = table.group_by(keys).aggregate([([], "count_all")]).to_pylist()
    return {f"{row['corpus']}/{row['task']}/{row['view']}": row["count_all"] for row in rows if row["split"] == "train"}


def asked_for() -> dict[str, list[str]]:
    """Return each `corpus/task/view` that a shipped recipe wants of the data, with the names of the recipes.

    What a teacher says in a stage of the recipe itself is not the data's.
    """
    asked: dict[str, set[str]] = defaultdict(set)
    for path in sorted((PROJECT / "params/recipes").glob("*.yaml")):
        for stage in params.load(path, params.Recipe).stages:
            for part in stage.mixture:
                if part.split("/")[0] not in WRITTEN:
                    asked[part].add(path.stem)
    return {part: sorted(recipes) for part, recipes in sorted(asked.items())}


def rows_of(data_dir: Path) -> dict[str, tuple[int, Counter[str]]]:
    """Return, by source, how many of its rows are in the tables of annotations, and how many are not, by reason."""
    kept, lost = Counter(), defaultdict(Counter)
    for name in IDS:
        kept.update(pq.read_table(data_dir / f"annotations/{name}.parquet", columns=["source"])["source"].to_pylist())
    rejects = pq.read_table(data_dir / "annotations/rejects.parquet", columns=["step", "reason"]).to_pylist()
    for row in rejects:
        lost[row["step"].removeprefix("annotations/")][row["reason"]] += 1
    return {source: (kept[source], lost[source]) for source in sorted(kept.keys() | lost.keys())}


def shown(data_dir: Path) -> list[Table]:
    """Return what became of every source and of every part of the recipes, for people."""
    sources = Table("source", "rows", "kept", "rejected because", title="Rows of every source")
    for source, (kept, lost) in rows_of(data_dir).items():
        reasons = ", ".join(f"{rows} {reason}" for reason, rows in lost.most_common())
        sources.add_row(source, str(kept + lost.total()), str(kept), reasons)
    have, asked = samples_of(data_dir), asked_for()
    parts = Table("corpus/task/view", "training samples", "named by", title="Samples of every part")
    for part in sorted(have.keys() | asked.keys()):
        parts.add_row(part, str(have.get(part, 0)), ", ".join(asked.get(part, [])))
    return [sources, parts]


def main() -> None:
    """Run the graph and print the two tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.every_source", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the world and its data go")
    parser.add_argument("sources", nargs="*", help=f"of {', '.join(WRITERS)}")
    arguments = parser.parse_args()
    run(arguments.folder, params_of(arguments.folder, arguments.sources))
    data_dir = arguments.folder / "data"
    Console().print(*shown(data_dir), sep="\n")
    sys.exit(any(not samples_of(data_dir).get(part) for part in asked_for()))


if __name__ == "__main__":
    main()
