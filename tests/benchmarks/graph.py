"""The data graph when nothing changed, and how many files DVC holds for a million clips.

Run as: python -m tests.benchmarks.graph

Wall seconds of `dvc repro` on a small copy of the project, built first, and padded to as many files as the miniature
world of params/data.yaml has: it compares the digests of what lies there, and runs no step. Only an idle machine gives
wall seconds that mean something; CPU seconds stand beside them. Files are counted in the outputs of the copy; shards
grow with the frames of a corpus, parts of the funnel with the sentences of web video, and nothing else does. Real
videos are inputs and never copied: DVC keeps a list of their digests.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from components import params
from tests.benchmarks import fetch, rows
from tests.components.data.test_graph import build_project, dvc_by, ran

ROOT = Path(__file__).parents[2]
dvc = dvc_by(Path(sys.executable))
CLIPS = 1_000_000
RAW_FILES, RAW_FOLDERS = 2_076, 985  # in data/raw of the miniature


def pad(project: Path) -> None:
    """Put small files beside the films of the copy, and let DVC take them for what the steps made and read."""
    there = sum(path.is_file() for path in (project / "data/raw").rglob("*"))
    for number in range(RAW_FILES - there):
        path = project / f"data/raw/egoexo4d/takes/{number % RAW_FOLDERS}/{number}.mp4"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
    done = dvc(project, "commit", "--force")
    assert done.returncode == 0, done.stdout + done.stderr


def repro_s(project: Path, *, repeat: int = 5) -> tuple[float, float]:
    """Give the least wall seconds and the least CPU seconds of a `dvc repro` that has nothing to do."""
    seconds = []
    for _ in range(repeat):
        began_s = time.perf_counter()
        cpu_s, done = fetch.cpu_s(lambda: dvc(project, "repro"))
        seconds.append((time.perf_counter() - began_s, cpu_s))
        assert done.returncode == 0 and not ran(done), done.stdout + done.stderr
    wall, cpu = zip(*seconds, strict=True)
    return min(wall), min(cpu)


def files(project: Path) -> tuple[int, int]:
    """Count the files of the outputs of all steps: those that are no shards, and shards. Videos are left out."""
    folders = [path for path in (project / "data").iterdir() if path.name not in ("raw", "gx", "partitions", "ledger")]
    names = [path.name for folder in folders for path in folder.rglob("*") if path.is_file()]
    shards = sum(name.startswith("shard-") for name in names)
    return len(names) - shards, shards


def main() -> None:
    """Measure, print the table and write the rows."""
    given = params.load(ROOT / "params/data.yaml", params.Data)
    frames = given.frames
    with TemporaryDirectory() as folder:
        project = build_project(Path(folder), dvc)
        others, shards = files(project)
        pad(project)
        wall_s, cpu_s = repro_s(project)
    # every clip with frames of its own, and a candidate of the funnel too: the worst case, as clips overlap
    million = others + -(-CLIPS * frames.clip_frames // frames.shard_frames) + 2 * -(-CLIPS // given.funnel.shard_rows)
    print(f"{others} tables and reports, {shards} shards in the miniature")
    made = [
        rows.row(f"dvc: repro with nothing to do, {RAW_FILES:,} raw files", wall_s, unit="wall s"),
        rows.row(f"dvc: repro with nothing to do, {RAW_FILES:,} raw files, CPU", cpu_s, unit="CPU s"),
        rows.row(f"dvc: files of {CLIPS:,} clips, {frames.clip_frames} frames each", million, unit="files"),
    ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
