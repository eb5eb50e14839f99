"""A corpus in the real forms of four sources, and the samples that EgoRe makes of it."""

from pathlib import Path

import pytest

from components import params
from components.data.clips import step as clips
from components.data.egore import step as egore
from tests.components.data.conftest import changed, read, write_annotations
from tests.components.data.egore.free_text import human_narrations as human


def tables() -> dict:
    """Rows of each table: narrations of single times and of spans, two annotators of one take, and intervals alone."""
    rows: dict = {name: [] for name in ("videos", "narrations", "boxes", "intervals", "rejects")}
    rows |= {"captions": [], "questions": [], "point_narrations": []}
    for source, take, views, duration_s in (
        ("ego4d", "laundry", ("ego",), 125.0),
        ("egoexo4d", "bicycle", ("ego", "exo"), 126.0),
        ("epic100", "cooking", ("ego",), 84.0),
        ("egoexolearn", "laboratory", ("ego",), 50.0),
    ):
        rows["videos"] += [
            {"video_id": f"{take}-{view}", "source": source, "take_id": take, "take_name": take, "camera_id": view}
            | {"view": view, "path": f"{take}/{view}.mp4", "duration_s": duration_s, "fps": 30.0, "split": "train"}
            for view in views
        ]
    tell(rows, "ego4d", "laundry", "a", human.LAUNDRY)
    tell(rows, "egoexo4d", "bicycle", "a", human.BICYCLE)
    tell(rows, "egoexo4d", "bicycle", "b", human.BICYCLE_AGAIN)
    tell(rows, "epic100", "cooking", "a", human.COOKING)
    rows["intervals"] = [
        {"interval_id": f"laboratory-{number}", "source": "egoexolearn", "take_id": "laboratory", "split": "train"}
        | {"video_id": "laboratory-ego", "start_s": start_s, "end_s": end_s, "text": text}
        for number, (start_s, end_s, text) in enumerate(human.LABORATORY)
    ]
    return rows


def tell(rows: dict, source: str, take: str, annotator: str, told: list[tuple]) -> None:
    """Add narrations of one annotator: (time, text), or (start, end, text)."""
    for number, (start_s, *end_s, text) in enumerate(told):
        span = {"start_s": start_s if end_s else None, "end_s": end_s[0] if end_s else None}
        rows["narrations"].append(
            {"narration_id": f"{take}-{annotator}{number}", "source": source, "take_id": take, "split": "train"}
            | {"annotator_id": annotator, "time_s": start_s, "text": text, "unsure": "#unsure" in text}
            | {"ego_visible": None, "subject": "O" if text.startswith("#O") else None, **span}
        )


def remade(data_dir: Path, rows: dict, **egore_values) -> tuple[list[dict], list[dict]]:
    """The samples and the rejects of some tables."""
    data_params = changed(params.load(Path("params/data.yaml"), params.Data), "frames", window_frames=32)
    data_params = changed(data_params, "egore", short_per_clip=7, long_per_window=40, cot_fraction=1.0)
    data_params = changed(data_params, "egore", time_step_s=0.25, **egore_values)
    write_annotations(data_dir, rows)
    clips.run(data_params, data_dir)
    made = egore.run(data_params, data_dir)
    assert all(came == went + lost for _, came, went, lost in made["row_counts"])
    return read(data_dir, "egore/samples"), read(data_dir, "egore/rejects")


@pytest.fixture(scope="session")
def asked(tmp_path_factory) -> tuple[list[dict], list[dict]]:
    """The samples and the rejects of the corpus."""
    return remade(tmp_path_factory.mktemp("people"), tables())


@pytest.fixture
def samples(asked) -> list[dict]:
    return asked[0]
