"""The frame that is shown at the asked time, upright, and the length that is shown, whatever the film."""

import numpy as np
import pytest

from components import video
from components.video import timeline
from tests.components.video import numbered_films as films
from tests.components.video.numbered_films import FRAMES, RATE, Kind

ALL = list(films.kinds())
# every codec in every container that may hold it with the hard properties, and each property once more by itself
FEW = [kind for kind in ALL if kind[2:] in (("open", True, False, 1, 0), ("closed", False, True, 0, 0))]
FEW += [kind for kind in ALL if kind[2:] == ("one", True, True, 0, 90) and kind.codec in ("h264", "hevc")]


def wrong_frames(folder, kind: Kind) -> list[tuple[float, int, int]]:
    """Ask a film for every frame in a shuffled order: (time, frame that is shown then, frame that came) where wrong."""
    path = films.write(folder, kind)
    *starts, end = (float(time_s) for time_s in films.times(kind))
    probed = video.probe(path)
    one_frame_s = (1 if kind.is_constant else films.LONGEST) / RATE + 1e-3
    assert probed.frames == FRAMES and probed.duration_s == pytest.approx(end, abs=one_frame_s)
    order = np.random.default_rng(0).permutation(FRAMES)
    asked_s = [starts[number] + 0.4 / RATE for number in order]
    indices = np.array([int(time_s * probed.fps + 1e-6) for time_s in asked_s])
    frames = video.decode(path, indices, size_px=films.SIDE_PX)
    came = [films.number_in(np.rot90(frame, -kind.rotation_deg // 90)) for frame in frames]
    path.unlink()
    return [told for told in zip(asked_s, order.tolist(), came, strict=True) if told[1] != told[2]]


@pytest.mark.parametrize("kind", FEW, ids=lambda kind: " ".join(map(str, kind)))
def test_the_frame_that_is_shown_is_the_one_that_comes(kind, tmp_path):
    assert wrong_frames(tmp_path, kind) == []


@pytest.mark.long
@pytest.mark.parametrize("codec", films.ENCODERS)
def test_no_combination_of_codec_container_groups_rate_start_and_turn_gives_a_wrong_frame(codec, tmp_path):
    tried = [kind for kind in ALL if kind.codec == codec]
    assert len(tried) > 60
    assert {kind: wrong for kind in tried if (wrong := wrong_frames(tmp_path, kind))} == {}


def test_decord_reads_what_its_packets_prove_exact_and_nothing_else(tmp_path):
    plain = Kind("h264", "mp4", "closed", True, True, 0, 0)
    others = [
        plain._replace(codec="mpeg4"), plain._replace(codec="hevc", groups="open"), plain._replace(container="ts"),
        plain._replace(container="fragmented mp4"), plain._replace(is_constant=False), plain._replace(start_s=1),
        plain._replace(rotation_deg=90), plain._replace(container="mkv"),
    ]  # fmt: skip
    exact = [timeline.read_timeline(films.write(tmp_path, kind)).is_exact_by_decord for kind in (plain, *others)]
    assert exact == [True] + [False] * len(others)


def test_frames_that_an_edit_list_hides_are_neither_counted_nor_shown(tmp_path):
    path = films.write(tmp_path, Kind("h264", "mp4", "closed", False, True, 0, 0))
    films.hide_beginning(path, tmp_path / "cut.mp4", frames=10)
    probed = video.probe(tmp_path / "cut.mp4")
    assert (probed.frames, round(probed.duration_s * RATE)) == (FRAMES - 10, FRAMES - 10)
    frames = video.decode(tmp_path / "cut.mp4", np.array([30, 0, 37]), size_px=films.SIDE_PX)
    assert [films.number_in(frame) for frame in frames] == [40, 10, 47]


def test_a_film_of_a_varying_rate_is_sampled_over_its_whole_length(tmp_path):
    kind = Kind("h264", "mkv", "closed", True, False, 0, 0)
    path, starts = films.write(tmp_path, kind), [float(time_s) for time_s in films.times(kind)[:FRAMES]]
    probed = video.probe(path)
    assert probed.index_count == round(probed.duration_s * probed.fps) > probed.frames
    indices = video.sample_frame_indices(
        0.0, probed.duration_s, fps=probed.fps, n_frames=6, total_frames=probed.index_count
    )
    middles_s = (np.arange(6) + 0.5) * probed.duration_s / 6
    shown = np.searchsorted(starts, middles_s + 1e-3, side="right") - 1
    frames = video.decode(path, indices, size_px=films.SIDE_PX)
    assert [films.number_in(frame) for frame in frames] == shown.tolist()
    with pytest.raises(video.VideoError, match="are asked, the video holds"):
        video.decode(path, np.array([probed.index_count]), size_px=films.SIDE_PX)


def test_the_size_of_a_turned_film_is_that_of_its_upright_frames(tmp_path):
    kind = Kind("h264", "mp4", "closed", False, True, 0, 0)
    upright = video.frame_size_px(films.write(tmp_path, kind, width_px=96))
    turned = video.frame_size_px(films.write(tmp_path, kind._replace(rotation_deg=90), width_px=96))
    assert (upright, turned) == ((96, 64), (64, 96))


def test_a_film_that_changes_is_read_anew(tmp_path):
    kind = Kind("h264", "mp4", "closed", False, True, 0, 0)
    path = films.write(tmp_path, kind)
    assert video.probe(path).fps == RATE
    films.write(tmp_path, kind._replace(is_constant=False, codec="mpeg4"))
    assert video.probe(path).duration_s > FRAMES / RATE + 0.5
