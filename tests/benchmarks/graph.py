"""The data graph when nothing changed, and how many files DVC holds for a million clips.

Run as: python -m tests.benchmarks.graph

Wall seconds of `dvc repro` on a small copy of the project, built first: it compares the digests of what lies there, and
runs no step. Files are counted in the outputs of that copy; shards grow with the frames of a corpus and nothing else
does. Real videos are inputs and never copied: DVC keeps their digests, in one list.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from components import params
from tests.benchmarks import rows
from tests.components.data.test_graph import build_project, dvc, ran

ROOT = Path(__file__).parents[2]
CLIPS = 1_000_000


def repro_s(project: Path, *, repeat: int = 5) -> float:
    """Give the least wall seconds of a `dvc repro` that has nothing to do."""
    seconds = []
    for _ in range(repeat):
        began_s = time.perf_counter()
        done = dvc(project, "repro")
        seconds.append(time.perf_counter() - began_s)
        assert done.returncode == 0 and not ran(done), done.stdout + done.stderr
    return min(seconds)


def files(project: Path) -> tuple[int, int]:
    """Count the files of the outputs of all steps: those that are no shards, and shards. Videos are left out."""
    folders = ("annotations", "clips", "statistics", "egoit", "egore", "dataset", "frames")
    names = [path.name for folder in folders for path in (project / "data" / folder).rglob("*") if path.is_file()]
    shards = sum(name.startswith("shard-") for name in names)
    return len(names) - shards, shards


def main() -> None:
    """Measure, print the table and write the rows."""
    frames = params.load(ROOT / "params/data.yaml", params.Data).frames
    with TemporaryDirectory() as folder:
        project = build_project(Path(folder))
        seconds, (others, shards) = repro_s(project), files(project)
    # every clip with frames of its own: the worst case, as overlapping clips share theirs
    million = others + -(-CLIPS * frames.clip_frames // frames.shard_frames)
    print(f"{others} tables and reports, {shards} shards in the miniature")
    made = [
        rows.row("dvc: repro with nothing to do", seconds, unit="wall s"),
        rows.row(f"dvc: files of {CLIPS:,} clips, {frames.clip_frames} frames each", million, unit="files"),
    ]
    rows.write(made)
    print(rows.show(made))


if __name__ == "__main__":
    main()
