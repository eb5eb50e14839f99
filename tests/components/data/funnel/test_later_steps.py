"""EgoRe asks about what the funnel kept, and the frames of these samples come from web video."""

import pandas as pd
import pytest

from components import records
from components.data import dataset
from components.data.clips import step as clips
from components.data.contracts import validate
from components.data.contracts.tables import OUTPUTS, REFERS_TO
from components.data.egoit import step as egoit
from components.data.egore import step as build
from components.data.frames import step as frames
from components.data.frames.store import FrameStore
from components.data.funnel import tables
from components.world import web
from tests.components.data.conftest import annotation_tables, read, write_annotations
from tests.components.data.funnel.test_tables import scored


@pytest.fixture(scope="module")
def asked(tmp_path_factory, tiny_world):
    """A data folder whose funnel kept one clip of a film, with every table up to data/dataset."""
    data_dir = write_annotations(tmp_path_factory.mktemp("web") / "data", annotation_tables())
    planned = web.plan_videos(tiny_world.params.seed, tiny_world.params.world.web_videos)
    film = next(each for each in planned if each.kind == "hands_at_work")
    where = {"source": film.corpus, "take_id": film.vid, "path": f"videos/{film.vid}.mp4"}
    kept = scored(0, **where, text="C cuts the red cup with the left hand.")
    tables.write(data_dir / "funnel", [tables.kept_and_rejected(pd.DataFrame([kept]))])
    for step in (clips, egoit, build, dataset):
        step.run(tiny_world.params, data_dir)
    return data_dir, film


def test_egore_asks_about_the_clip_and_the_contracts_know_it(asked, tmp_path):
    data_dir, film = asked
    made = [row for row in read(data_dir, "dataset/samples") if row["take_id"] == film.vid]
    assert {row["corpus"] for row in made} == {"egore"} and {row["task"] for row in made} == {"qa"}
    assert {row["media"][0]["video_id"] for row in made} == {read(data_dir, "funnel/videos")[0]["video_id"]}
    assert {parent for row in made for parent in row["parents"]} == {read(data_dir, "funnel/clips")[0]["clip_id"]}
    paths = [*(f"egore/{name}" for name in OUTPUTS["egore"]), *REFERS_TO["egore"]]
    tables = {
        path: records.read_table(data_dir / f"{path}.parquet", records.SCHEMAS[path.split("/")[1]]) for path in paths
    }
    validate.check("egore", tables, docs_dir=tmp_path / "gx")


def test_its_frames_are_decoded_from_the_web_corpus(asked, tiny_world):
    data_dir, film = asked
    made = [row for row in read(data_dir, "dataset/samples") if row["take_id"] == film.vid]
    records.write_table(data_dir / "dataset/samples.parquet", made, records.SAMPLE)
    told = frames.run(tiny_world.params, data_dir)["counts"]
    assert (told["samples"], told["rejects"], told["videos_not_decoded"]) == (len(made), 0, 0)
    assert FrameStore(data_dir / "frames").frames(made[0]["sample_id"]).std() > 10
