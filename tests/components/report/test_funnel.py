"""The section on the funnel: every stage beside the published one, and the verdicts beside the truth of the films."""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from components import params, records
from components.data.funnel import tables
from components.data.funnel.scoring import SCORED
from components.data.statistics import paper_figures
from components.report import corpus, funnel
from components.world import web
from components.world.__main__ import MARK
from tests.components.data.funnel.test_tables import scored

VIDEOS = 24
DETECTOR = {"name": "hands-of-others", "train_frames": 0, "test_frames": 0}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    """The numbers of a funnel that keeps what the truth says, but for one film of a whole room that it calls ego."""
    root = tmp_path_factory.mktemp("page")
    data = params.load(Path("params/data.yaml"), params.Data)
    data = data.model_copy(update={"world": data.world.model_copy(update={"web_videos": VIDEOS})})
    for name in web.CORPORA:
        (root / f"data/raw/{name}").mkdir(parents=True)
        (root / f"data/raw/{name}" / MARK).touch()
    rows = []
    for number, each in enumerate(web.plan_videos(data.seed, VIDEOS)):
        row = scored(number, take_id=each.vid, path=f"videos/{each.vid}.mp4")
        if each.kind == "whole_room" and any(other["ego_score"] == 0.1 for other in rows):
            row["ego_score"] = 0.1
        elif each.kind == "whole_room":
            row["ego_score"] = 0.1 if not rows else 0.6
        elif each.kind in web.BROKEN:
            row |= {"ego_score": None, "reason": "video_missing"}
        elif each.kind != "hands_at_work":
            row["motion"] = 0.0
        rows.append(row)
    folder = root / "data/funnel"
    frame = pd.DataFrame(rows, columns=SCORED.names)
    table = pa.Table.from_pandas(frame, SCORED, preserve_index=False)
    records.write_table(folder / "scores/part-00000.parquet", table, SCORED)
    counted = tables.write(folder, [tables.kept_and_rejected(frame)])
    records.write_table(folder / "table.parquet", tables.stages(VIDEOS, counted), records.FUNNEL)
    views = [
        dict.fromkeys(records.CLIP.names, "x") | {"start_s": 0.0, "end_s": 1.0, "view": view} for view in ("ego", "exo")
    ]
    records.write_table(root / "data/clips/clips.parquet", views, records.CLIP)
    sure = {"value": 0.975, "lo": 0.95, "hi": 1.0, "n": 64}
    unknown = {"precision": None, "recall": sure | {"lo": None, "hi": None}}
    models = {
        "classifier": {"accuracy": sure, "auc": sure},
        "detector": DETECTOR | {"hand": unknown, "object": unknown},
    }
    (folder / "classifier.json").write_text(json.dumps(models))
    return funnel.read(data, root / "data")


def test_stages_stand_beside_the_published_ones(found):
    kinds = {row["kind"]: row for row in found["truth"]["kinds"]}
    assert [row["published"] for row in found["stages"]] == [30_000_000, None, 12_000_000, 8_700_000, 13_000_000]
    assert found["stages"][1]["clips"] == VIDEOS - 2
    # and one ego clip of a take
    assert found["stages"][4]["clips"] == found["stages"][3]["clips"] + 1
    assert set(kinds) == {*web.SHARES, *web.BROKEN} and sum(row["clips"] for row in kinds.values()) == VIDEOS
    assert kinds["hands_at_work"]["kept"] == kinds["hands_at_work"]["clips"]
    assert not any(kinds[kind]["kept"] for kind in kinds if kind not in ("hands_at_work", "whole_room"))


def test_the_classifier_is_judged_on_the_films_too(found):
    told = found["truth"]["classifier"]
    assert told["accuracy"]["n"] == VIDEOS - 2 and 0 < told["accuracy"]["value"] <= 1
    assert told["auc"]["lo"] <= told["auc"]["value"] <= 1


def test_the_section_shows_them_and_a_page_without_corpora_has_none(found):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = FileSystemLoader(Path(corpus.__file__).parent)
    source = folder.get_source(Environment(), "corpus.html")[0]
    section = source[source.index("{% if found.funnel %}") : source.rindex("</main>")]
    template = Environment(undefined=StrictUndefined, autoescape=True).from_string(section)
    page = template.render(found={"funnel": found})
    for text in (
        paper_figures.FUNNEL_SOURCE,
        "30,000,000",
        "8,700,000",
        "97.5 % [95.0, 100.0]",
        "92 %",
        "89 %",
        "second_person",
        "hand detector (hands-of-others)",
        "it cannot be judged",
    ):
        assert text in page
    judged = found | {"detector": found["detector"] | {"test_frames": 5}}
    assert "cannot be judged" not in template.render(found={"funnel": judged})
    assert template.render(found={"funnel": None}).strip() == ""
