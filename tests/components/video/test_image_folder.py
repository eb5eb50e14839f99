"""A folder of images is read as a video of one frame a second."""

import cv2
import numpy as np
import pytest

from components import video
from components.video import Probe, VideoError, image_folder


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
