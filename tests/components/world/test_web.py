"""Web video of the miniature world: its truth, its formats, and films that show what they say."""

from collections import Counter

import numpy as np
import pytest

from components import video
from components.data.sources import htm_aa, interlink7m
from components.world import web
from components.world.plan import plan_takes
from tests.components.data.sources.written import gathered


@pytest.fixture(scope="module")
def films(tiny_world):
    data = tiny_world.params
    planned = web.plan_videos(data.seed, data.world.web_videos)
    return planned, {name: path for name, path in data.sources.given().items() if name in web.CORPORA}


def test_the_truth_comes_from_the_seed_alone():
    planned = web.plan_videos(7, 60)
    assert planned == web.plan_videos(7, 60) != web.plan_videos(8, 60)
    assert Counter(each.kind for each in planned) == {
        "hands_at_work": 29, "whole_room": 12, "hands_rest": 5, "nothing_near": 6, "second_person": 6,
        "corrupt": 1, "missing": 1,
    }  # fmt: skip
    assert len({each.vid for each in planned}) == 60
    takes = plan_takes(7, takes=20, take_s=8.0, val_fraction=0.2, test_fraction=0.1)
    assert not {take.number for take in takes} & {each.take.index for each in planned}


def test_every_film_is_told_of_and_can_be_read_unless_it_is_broken(films):
    planned, roots = films
    said, refused = gathered(htm_aa.read(roots["htm_aa"]))
    captions, refused_too = gathered(interlink7m.read(roots["interlink7m"]))
    assert refused == refused_too == []
    told = {row["take_id"] for row in said} | {row["path"][7:-4] for row in captions}
    assert told == {each.vid for each in planned}
    for each in planned:
        path = roots[each.corpus] / f"videos/{each.vid}.mp4"
        if each.kind == "missing":
            assert not path.exists()
        elif each.kind == "corrupt":
            with pytest.raises(video.VideoError):
                video.decode(path, np.arange(8), size_px=32)
        else:
            assert video.probe(path) == (web.VIDEO_S, 8.0, 64)


def test_only_hands_that_rest_show_a_still_picture(films):
    planned, roots = films
    for each in planned:
        if each.kind in web.SHARES:
            path = roots[each.corpus] / f"videos/{each.vid}.mp4"
            frames = video.decode(path, np.arange(0, 64, 4), size_px=64).astype(int)
            moves = np.abs(np.diff(frames, axis=0)).max() > 60
            assert moves == (each.kind != "hands_rest"), each.kind
