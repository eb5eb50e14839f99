"""Clips and EgoIT, killed in the middle and run again: the rest alone is made, and the bytes of a quiet run."""

import signal
import subprocess
import sys

import pytest

from components import records
from components.data.clips import step as clips
from components.data.egoit import step as egoit
from components.data.partition import runner
from tests.components.data.conftest import read
from tests.conftest import PROJECT

ROWS = {"clips": 30, "egoit": 120}
# the step, and what it calls once for a partition: in the survey, and where rows are made
HOOKS = {"clips": (clips, "densities", "count"), "egoit": (egoit.labelled_media, "labelled", "answered")}
KILLED_AT = 3  # in the third partition

KILLED = """
import sys
from pathlib import Path
from components import params
from tests.components.data.partition import test_killed as test

step, data_dir, given = sys.argv[1], Path(sys.argv[2]), params.Data.model_validate_json(sys.argv[3])
test.step_in_partitions(step, given, data_dir, setattr, kill_at=test.KILLED_AT)
"""


def step_in_partitions(step, given, data_dir, patch, *, kill_at=None) -> dict[str, int]:
    """Run a step in small partitions; return how often it surveyed and made one."""
    calls = {}
    run, (module, *names) = runner.run, HOOKS[step]
    patch(runner, "run", lambda *given, **more: run(*given, **more | {"rows": ROWS[step]}))

    def counted(name, inner):
        def work(*given, **more):
            calls[name] += 1
            if name == names[1] and calls[name] == kill_at:
                signal.raise_signal(signal.SIGKILL)
            return inner(*given, **more)

        return work

    for name in names:
        calls[name] = 0
        patch(module, name, counted(name, getattr(module, name)))
    {"clips": clips, "egoit": egoit}[step].run(given, data_dir)
    return calls


def contents(data_dir, step) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (data_dir / step).iterdir()}


@pytest.fixture
def labelled(rows):
    """Captions and questions of media beside the takes."""
    rows["captions"] = [
        row | {"caption_id": f"c{number:02d}", "source": "ssv2", "path": f"{number}.webm", "text": f"cuts {number % 5}"}
        for number, row in enumerate(rows["captions"][:1] * 40)
    ]
    rows["questions"] = [
        row | {"question_id": f"q{number:02d}", "source": "egotimeqa", "path": f"{number % 9}.mp4"}
        for number, row in enumerate(rows["questions"][:1] * 30)
    ]
    return rows


def film(row: dict) -> dict:
    """What the step media makes of the medium of a caption or question."""
    take_id = records.content_id("medium", row["source"], row["path"])
    return {"video_id": f"v{take_id}", "take_id": take_id, "take_name": row["path"], "camera_id": "", "view": "ego"} | {
        "source": row["source"], "path": row["path"], "duration_s": 9.0, "fps": 8.0, "split": "train"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("step", ROWS)
def test_killed_the_rerun_makes_only_the_rest_and_the_same_bytes(labelled, annotated, data_params, monkeypatch, step):
    filmed = {row["path"]: film(row) for row in [*labelled["captions"], *labelled["questions"]]}
    records.write_table(annotated / "media/videos.parquet", filmed.values(), records.VIDEO)
    if step == "egoit":
        clips.run(data_params, annotated)
    with monkeypatch.context() as patched:
        quiet = step_in_partitions(step, data_params, annotated, patched.setattr)
    made = contents(annotated, step)
    assert len(read(annotated, {"clips": "clips/clips", "egoit": "egoit/samples"}[step])) > 200
    count = set(quiet.values()).pop()
    assert set(quiet.values()) == {count} and count > KILLED_AT + 1

    command = [sys.executable, "-c", KILLED, step, annotated, data_params.model_dump_json()]
    killed = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with monkeypatch.context() as patched:
        again = step_in_partitions(step, data_params, annotated, patched.setattr)
    assert list(again.values()) == [0, count - KILLED_AT + 1]
    assert contents(annotated, step) == made
    assert not (annotated / "partitions" / step).exists()
