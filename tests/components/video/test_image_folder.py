"""A folder of images is read as a video of one frame a second, or of the rate that its source tells."""

import cv2
import numpy as np
import pytest

from components import video
from components.video import NumberingError, Probe, VideoError, image_folder


def write(folder, *names, size=(40, 30)):
    """Write an image of one grey for each name: 10 for the first, then 20 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, 1):
        assert cv2.imwrite(str(folder / name), np.full((*size, 3), 10 * number, np.uint8))
    return folder


def test_a_folder_lasts_a_second_for_each_image(tmp_path):
    folder = write(tmp_path / "episode", *(f"{number:05d}.png" for number in range(7)))
    (folder / "intrinsics.txt").write_text("no image")
    assert video.probe(folder) == Probe(7.0, 1.0, 7)


def test_frames_come_in_the_order_of_names_whatever_is_asked_first(tmp_path):
    folder = write(tmp_path / "episode", "00002.png", "00000.png", "00001.png")
    frames = video.decode(folder, np.array([2, 0, 2]), size_px=16)
    assert frames.shape == (3, 16, 16, 3)
    assert frames[:, 0, 0, 0].tolist() == [10, 20, 10]


def test_numbers_in_names_are_sorted_as_numbers(tmp_path):
    names = ["frame_1.png", "frame_2.png", "frame_10.png", "frame_010.png", "frame_11b.png", "frame_²1.png"]
    listed = image_folder.files(write(tmp_path, *reversed(names)))
    assert [path.name for path in listed] == [*names[:2], "frame_010.png", "frame_10.png", *names[4:]]
    frames = video.decode(tmp_path, np.array([0, 1, 3]), size_px=8)
    assert frames[:, 0, 0, 0].tolist() == [60, 50, 40]


def test_colours_are_rgb_and_sizes_may_differ(tmp_path):
    folder = write(tmp_path, "0.png")
    cv2.imwrite(str(folder / "1.png"), np.full((20, 20, 3), (255, 0, 0), np.uint8))  # blue, as OpenCV writes it
    assert video.decode(folder, np.array([0, 1]), size_px=8)[1, 0, 0].tolist() == [0, 0, 255]


def test_depth_beside_colour_is_no_frame(tmp_path):
    names = [f"{number:05d}-{kind}.png" for number in range(3) for kind in ("depth", "rgb")]
    assert [path.name for path in image_folder.files(write(tmp_path, *names))] == names[1::2]


@pytest.mark.parametrize(
    ("asked", "said"), [([0, 3], "frames 0 to 3 are asked, the folder holds 3"), ([1], "no image")]
)
def test_what_cannot_be_read_is_an_error_that_names_the_folder(tmp_path, asked, said):
    folder = write(tmp_path / "episode", "0.png", "1.png", "2.png")
    (folder / "1.png").write_bytes(b"\x89PNG cut off")
    with pytest.raises(VideoError, match=rf"episode.*{said}"):
        video.decode(folder, np.array(asked), size_px=8)


def test_an_empty_folder_is_no_video(tmp_path):
    with pytest.raises(VideoError, match="holds no image"):
        video.probe(tmp_path)


def test_numbered_images_are_a_video_of_the_rate_that_their_source_tells(tmp_path):
    greys = np.arange(1, 181, dtype=np.uint8)
    folder = tmp_path / "P01_01"
    video.write_images(folder, (np.full((8, 8, 3), grey, np.uint8) for grey in greys))
    probed = video.probe(folder, 60.0)
    assert probed == Probe(3.0, 60.0, 180) and (folder / "frame_0000000001.jpg").is_file()
    assert video.frame_size_px(folder) == (8, 8)
    for time_s in (0.0, 0.5, 1.99, 2.983):  # image 1 is shown from 0 s on
        (index,) = video.sample_frame_indices(
            time_s, time_s + 1e-4, fps=probed.fps, n_frames=1, total_frames=probed.index_count
        )
        assert index == int(time_s * 60)
        assert abs(int(video.decode(folder, np.array([index]), size_px=8)[0, 0, 0, 0]) - (index + 1)) <= 1


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1, 2, 4), "image 3 should come where frame_0000000004.jpg is"),
        ((7, 9), "image 8 should come"),
    ],
)
def test_a_gap_in_the_numbers_of_images_of_known_rate_is_an_error_of_its_own(tmp_path, numbers, said):
    folder = write(tmp_path / "video", *(f"frame_{number:010d}.jpg" for number in numbers))
    with pytest.raises(NumberingError, match=said):
        video.probe(folder, 50.0)
    assert video.probe(folder).frames == len(numbers)  # without a rate nothing hangs on the numbers


def test_images_of_known_rate_have_numbers_and_may_begin_at_any(tmp_path):
    assert video.probe(write(tmp_path / "later", "frame_12.jpg", "frame_13.jpg"), 2.0) == Probe(1.0, 2.0, 2)
    with pytest.raises(NumberingError, match=r"where b.png is"):
        video.probe(write(tmp_path / "named", "a.png", "b.png"), 2.0)
