"""What a camera shows of an event: nothing that it hides is told of it, from the frames through to the rationales."""

import pyarrow.parquet as pq
import pytest

from components.prompts.rationales import told
from components.world.occlusion import LEAST_SHOWN, share_shown
from components.world.script import Event, Item, Take

ITEMS = (Item("red", "cup", 2), Item("blue", "bowl", 7))
TAKE = Take(0, 16.0, ITEMS, (Event(1.0, 4.0, "cuts", 0, "right", 2), Event(5.0, 8.0, "washes", 1, "left", 7)), 1.0)


@pytest.mark.parametrize("event", TAKE.events)
def test_the_person_stands_before_what_the_camera_behind_her_should_show(event):
    across, behind = (share_shown(TAKE, event, view) for view in ("cam01", "cam02"))
    assert 0.0 <= behind < LEAST_SHOWN < across <= 1.0
    assert share_shown(TAKE, event, "ego") > LEAST_SHOWN


def test_rationales_tell_only_what_their_view_shows(tiny_world, tiny_data):
    takes = {planned.uid: planned.take for planned in tiny_world.planned}
    videos = {row["video_id"]: row for row in pq.read_table(tiny_data / "annotations/videos.parquet").to_pylist()}
    samples = pq.read_table(tiny_data / "egore/samples.parquet", filters=[("corpus", "=", "view30k")]).to_pylist()
    shares = []
    for row in samples:
        camera = videos[row["media"][0]["video_id"]]["camera_id"] if row["view"] == "exo" else "ego"
        take = takes[row["take_id"]]
        by_event = {take.facts(event).event: event for event in take.events}
        for step in told(row["answer"]):
            event = by_event[f"C {step.facts.verb} the {step.facts.object}"]
            shares.append((row["view"], share_shown(take, event, camera)))
    outside = [share for view, share in shares if view == "exo"]
    assert len(outside) > 20 and min(outside) >= LEAST_SHOWN
