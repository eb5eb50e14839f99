import logging
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import video
from components.video import VideoError, decoders, frames_within, middles, sample_frame_indices
from components.video.timeline import read_timeline

N_FRAMES, SIZE_PX, FPS = 24, 64, 8


def shades(n_frames: int = N_FRAMES) -> np.ndarray:
    """Frames that name themselves: the grey of frame k is 10 k."""
    return np.stack([np.full((SIZE_PX, SIZE_PX, 3), 10 * number, np.uint8) for number in range(n_frames)])


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "shades.mp4"
    video.write(path, shades(), fps=FPS, size_px=SIZE_PX)
    return path


spans = st.tuples(
    st.floats(0, 15.5), st.floats(0.01, 20), st.integers(1, 40), st.sampled_from([8.0, 24.0, 29.97, 30.0])
)


@given(spans)
def test_sampled_frames_are_ordered_lie_in_the_span_and_are_spread_evenly(span):
    start_s, length_s, n_frames, fps = span
    total = round(16 * fps)
    indices = sample_frame_indices(start_s, start_s + length_s, fps=fps, n_frames=n_frames, total_frames=total)
    assert indices.shape == (n_frames,)
    assert (np.diff(indices) >= 0).all()
    assert indices[0] >= int(start_s * fps) and indices[-1] < total
    inside = min(start_s + length_s, total / fps)
    assert indices[-1] <= np.ceil(inside * fps)
    unclamped = indices[indices < total - 1]
    steps = np.diff(unclamped)
    assert steps.size == 0 or steps.max() - steps.min() <= 1


@given(st.integers(0, 127), st.integers(1, 8))
def test_an_image_span_gives_its_own_frame_however_often_asked(frame, n_frames):
    indices = sample_frame_indices(frame / 30, (frame + 1) / 30, fps=30.0, n_frames=n_frames, total_frames=128)
    assert indices.tolist() == [frame] * n_frames


@given(st.integers(0, 100), st.integers(1, 28))
def test_as_many_frames_as_the_span_holds_are_each_taken_once(first, n_frames):
    indices = sample_frame_indices(first / 8, (first + n_frames) / 8, fps=8.0, n_frames=n_frames, total_frames=128)
    assert indices.tolist() == list(range(first, first + n_frames))


@given(st.floats(0, 15), st.floats(0.1, 8), st.integers(1, 64))
def test_the_frames_of_an_event_are_those_that_sampling_took_from_it(start_s, length_s, n_frames):
    end_s = min(16.0, start_s + length_s)
    within = frames_within(start_s, end_s, middles(16.0, n_frames))
    times_s = [(frame + 0.5) * 16.0 / n_frames for frame in within]
    assert within == list(range(within[0], within[-1] + 1)) and 0 <= within[0] and within[-1] < n_frames
    if len(within) > 1:
        assert all(start_s <= time_s < end_s for time_s in times_s)
    assert abs(len(within) - (end_s - start_s) * n_frames / 16.0) <= 1


@pytest.mark.parametrize("start_s, end_s, n_frames", [(3, 3, 4), (4, 3, 4), (-1, 3, 4), (16, 17, 4), (0, 1, 0)])
def test_a_span_that_cannot_be_sampled_is_an_error(start_s, end_s, n_frames):
    with pytest.raises(ValueError, match="allowed"):
        sample_frame_indices(start_s, end_s, fps=8.0, n_frames=n_frames, total_frames=128)


@pytest.mark.parametrize("size_px", [32, 34])
def test_written_frames_keep_their_size_and_rows(tmp_path, size_px):
    rows = np.broadcast_to(np.linspace(0, 250, size_px)[:, None, None], (size_px, size_px, 3)).astype(np.uint8)
    video.write(tmp_path / "a.mp4", [rows] * 3, fps=FPS, size_px=size_px)
    back = video.decode(tmp_path / "a.mp4", np.arange(3), size_px=size_px)
    assert np.abs(back.astype(int) - rows).max() < 12


def test_written_frames_come_back_in_place_and_in_the_order_asked(film):
    frames = video.decode(film, np.array([17, 3, 3]), size_px=SIZE_PX)
    assert frames.shape == (3, SIZE_PX, SIZE_PX, 3) and frames.dtype == np.uint8
    assert np.abs(frames.mean((1, 2, 3)) - [170, 30, 30]).max() < 3


def test_the_same_frames_give_the_same_bytes(film, tmp_path):
    again = tmp_path / "again.mp4"
    video.write(again, shades(), fps=FPS, size_px=SIZE_PX)
    assert again.read_bytes() == film.read_bytes()


def test_frames_are_resized_by_area(film):
    assert video.decode(film, np.array([5]), size_px=16).shape == (1, 16, 16, 3)


def test_probe_agrees_with_what_was_written(film):
    assert video.probe(film) == (N_FRAMES / FPS, FPS, N_FRAMES)


def test_both_decoders_see_the_same_frames(film):
    wanted, timeline = np.array([0, 7, 8, 23]), read_timeline(film)
    by_both = (decoders.by_decord, decoders.by_pyav)
    seen = [decode(film, wanted, timeline, size_px=SIZE_PX).astype(int) for decode in by_both]
    assert np.abs(seen[0] - seen[1]).max() <= 2


@pytest.mark.parametrize("decode", [decoders.by_decord, decoders.by_pyav])
def test_many_frames_are_those_that_are_decoded_one_by_one(decode, film, monkeypatch):
    monkeypatch.setattr(decoders, "DECODED_AT_ONCE", 5)
    wanted, timeline = np.arange(0, N_FRAMES, 2), read_timeline(film)
    alone = [decode(film, wanted[number : number + 1], timeline, size_px=16) for number in range(len(wanted))]
    assert (decode(film, wanted, timeline, size_px=16) == np.concatenate(alone)).all()


def test_pyav_stands_in_and_the_reason_is_logged(film, monkeypatch, caplog):
    import decord

    def broken(*_args, **_kwargs):
        raise decord.DECORDError("EOF retries")

    monkeypatch.setattr(decord, "VideoReader", broken)
    with caplog.at_level(logging.WARNING):
        frames = video.decode(film, np.array([12]), size_px=SIZE_PX)
    assert abs(frames.mean() - 120) < 3
    assert "EOF retries" in caplog.text and str(film) in caplog.text


def broken_file(kind: str, film, folder):
    whole = film.read_bytes()
    path = folder / f"{kind}.mp4"
    scrambled = np.random.default_rng(0).bytes(len(whole))
    middle = slice(len(whole) // 8, len(whole) // 2)
    content = {
        "empty": b"",
        "garbage": b"not a video" * 50,
        "truncated": whole[: len(whole) // 2],
        "corrupt": whole[: middle.start] + scrambled[middle] + whole[middle.stop :],
    }
    if kind != "missing":
        path.write_bytes(content[kind])
    return path


@pytest.mark.parametrize("kind", ["empty", "garbage", "truncated", "corrupt", "missing"])
def test_a_broken_file_is_an_error_that_names_it(kind, film, tmp_path):
    path = broken_file(kind, film, tmp_path)
    with pytest.raises(VideoError, match=str(path)):
        video.decode(path, np.arange(N_FRAMES), size_px=SIZE_PX)


@pytest.mark.parametrize("kind", ["empty", "garbage", "truncated", "corrupt", "missing"])
def test_the_cause_is_the_same_in_every_folder_and_at_every_time(kind, film, tmp_path):
    causes = set()
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        path = broken_file(kind, film, folder)
        for read in (video.probe, lambda path: video.decode(path, np.arange(N_FRAMES), size_px=SIZE_PX)):
            try:
                read(path)
            except VideoError as error:
                causes.add((read.__name__, error.cause))
                assert str(pickle.loads(pickle.dumps(error))) == f"{path}: {error.cause}"
    assert len(causes) == (1 if kind == "corrupt" else 2)  # the container of a corrupt film is whole
    assert not any(str(tmp_path) in cause or re.search(r"\d\d:\d\d:\d\d", cause) for _, cause in causes)


def test_frames_past_the_end_are_an_error_with_both_counts(film):
    with pytest.raises(VideoError, match=r"5 to 24 are asked, the video holds 24"):
        video.decode(film, np.array([5, 24]), size_px=SIZE_PX)


@pytest.mark.parametrize("relative", ["../other/a.mp4", "/etc/passwd", "takes/../../a.mp4"])
def test_no_path_leaves_its_root(relative, tmp_path):
    with pytest.raises(video.PathError, match="leaves its root"):
        video.inside(tmp_path, relative)


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tmp_path)
    with pytest.raises(video.PathError):
        video.inside(tmp_path / "root", "link/a.mp4")


@pytest.mark.parametrize("relative", ["circle/a.mp4", "a" * 5000, "a\0.mp4"])
def test_a_path_that_no_file_can_have_is_named(relative, tmp_path):
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(video.VideoError, match=f"^{tmp_path}.*: (no file can have the path|its links)") as raised:
        video.inside(tmp_path, relative)
    assert str(tmp_path) not in raised.value.cause


def test_the_contract_changes_with_each_of_its_numbers():
    numbers = {"size_px": 64, "image_frames": 2, "clip_frames": 4, "window_frames": 32, "jpeg_quality": 95}
    contract = video.contract(**numbers)
    assert contract == video.contract(**numbers)
    others = {video.contract(**numbers | {name: value + 1})["digest"] for name, value in numbers.items()}
    assert len(others) == 5 and contract["digest"] not in others
    assert contract["decord"].startswith("0.6") and "PyAV elsewhere" in contract["reader"]
