import numpy as np

from components import video
from components.world.__main__ import MARK, build
from components.world.cameras import VIEWS
from components.world.egoexo4d import FILES
from components.world.films import Film, make
from components.world.render import _room, _still, _wall, render

EGO = "frame_aligned_videos/aria01_214-1.mp4"


def folder_of(world, number):
    return world.params.sources.egoexo4d / "takes" / world.planned[number].name


def test_every_take_but_the_dropped_ones_is_filmed_from_three_sides(tiny_world):
    for take in tiny_world.planned:
        folder = tiny_world.params.sources.egoexo4d / "takes" / take.name / "frame_aligned_videos"
        names = {path.name for path in folder.glob("*")}
        assert names == (set() if take.is_dropped else {"aria01_214-1.mp4", "cam01.mp4", "cam02.mp4"})


def test_a_decoded_frame_is_the_rendered_one(tiny_world):
    take = next(take for take in tiny_world.planned if not take.is_dropped)
    size_px, fps = tiny_world.params.world.size_px, tiny_world.params.world.fps
    wanted = np.array([0, 37, 127])
    for view, name in (("ego", EGO), ("cam01", "frame_aligned_videos/cam01.mp4")):
        path = folder_of(tiny_world, take.number) / name
        for index, frame in zip(wanted, video.decode(path, wanted, size_px=size_px), strict=True):
            truth = render(take.take, index / fps, view, size_px=size_px)
            assert np.abs(frame.astype(int) - truth).mean() < 4
        assert video.probe(path) == (16.0, 8.0, 128)


def test_what_was_drawn_before_leaves_no_trace_in_a_frame(tiny_world):
    take = tiny_world.planned[0].take
    calls = [(time_s, view) for time_s in np.arange(0, take.take_s, 0.75) for view in VIEWS]
    frames = {call: render(take, *call, size_px=48) for call in calls}
    for time_s, view in reversed(calls):
        for cached in (_still, _room, _wall):
            cached.cache_clear()
        assert (render(take, time_s, view, size_px=48) == frames[time_s, view]).all()


def test_the_same_seed_gives_the_same_frames(tiny_world, tmp_path):
    take = next(take for take in tiny_world.planned if not take.is_dropped)
    world = tiny_world.params.world
    for view, file in FILES.items():
        make(Film(tmp_path / file, take.take, 0.0, take.take.take_s, world.fps, view), size_px=world.size_px)
        both = folder_of(tiny_world, take.number) / file, tmp_path / file
        frames = [video.decode(path, np.arange(128), size_px=world.size_px) for path in both]
        assert (frames[0] == frames[1]).all()


def test_building_again_leaves_nothing_of_the_world_before(tiny_world, tmp_path):
    from components import params

    sources = params.Sources(egoexo4d="raw/e", visor="raw/v", egoexolearn="raw/l")
    few = tiny_world.params.world.model_copy(
        update={"takes": 2, "size_px": 32, "take_s": 4.0, "val_fraction": 0.5, "test_fraction": 0.0}
    )
    old = tmp_path / "raw/e/takes/old/film.mp4"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"of another seed")
    (tmp_path / "raw/e" / MARK).touch()
    counts = build(tiny_world.params.model_copy(update={"world": few, "sources": sources}), tmp_path)
    assert counts == {"takes": 2, "films": 6} and not old.exists()
    assert len(list(tmp_path.rglob("*.mp4"))) == 6
