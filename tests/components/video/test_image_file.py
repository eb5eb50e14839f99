"""A single image is read as a video of one frame."""

import numpy as np
import pytest
from PIL import Image

from components import video
from components.video import Probe, VideoError, image_file

RED, BLUE = (255, 0, 0), (0, 0, 255)


def halves(left=RED, right=BLUE, size=(64, 32)) -> Image.Image:
    """Return an image whose left and right halves differ."""
    image = Image.new("RGB", size, left)
    image.paste(right, (size[0] // 2, 0, *size))
    return image


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", image_file.FORMATS)
@pytest.mark.parametrize("ending", ["", ".jpg"])
def test_an_image_is_known_by_its_content(tmp_path, kind, ending):
    path = tmp_path / f"17_3942{ending}"
    halves().save(path, format=kind)
    assert video.probe(path) == Probe(1.0, 1.0, 1)
    frames = video.decode(path, np.array([0, 0]), size_px=16)
    assert frames.shape == (2, 16, 16, 3) and frames.dtype == np.uint8
    for column, rgb in ((2, RED), (13, BLUE)):
        assert np.abs(frames[1, 8, column].astype(int) - rgb).max() < 40, kind


def test_grey_palettes_and_transparency_become_rgb(tmp_path):
    for mode in ("L", "P", "RGBA", "CMYK", "1"):
        path = tmp_path / mode
        halves().convert(mode).save(path, format="TIFF")
        assert video.decode(path, np.array([0]), size_px=8).shape == (1, 8, 8, 3)


def test_an_image_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the left is the top
    halves().save(tmp_path / "turned.jpg", exif=exif)
    frame = video.decode(tmp_path / "turned.jpg", np.array([0]), size_px=16)[0]
    assert frame[2, 8, 0] > 200 > 50 > frame[13, 8, 0]


def test_of_an_animation_the_first_picture_counts(tmp_path):
    halves(RED, RED).save(tmp_path / "a.gif", save_all=True, append_images=[halves(BLUE, BLUE)])
    assert video.probe(tmp_path / "a.gif").frames == 1
    assert video.decode(tmp_path / "a.gif", np.array([0]), size_px=8)[0, 4, 4].tolist() == list(RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_an_image_that_broke_off_is_told_when_it_is_probed(tmp_path, kind):
    path = tmp_path / "broken"
    noise().save(path, format=kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for look in (lambda: video.probe(path), lambda: video.decode(path, np.array([0]), size_px=8)):
        with pytest.raises(VideoError) as error:
            look()
        assert str(tmp_path) not in error.value.cause


def test_what_a_dead_link_left_is_no_image(tmp_path):
    for name in ("page", "page.jpg"):
        (tmp_path / name).write_text("<!DOCTYPE html><html>404 Not Found</html>")
    (tmp_path / "nothing").touch()
    for name in ("page", "page.jpg", "nothing"):
        with pytest.raises(VideoError):
            video.probe(tmp_path / name)


def test_an_image_too_large_to_be_honest_is_refused(tmp_path, monkeypatch):
    halves().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(VideoError, match="pixels"):
        video.probe(tmp_path / "a.png")


def test_an_image_has_one_frame(tmp_path):
    halves().save(tmp_path / "a.png")
    with pytest.raises(VideoError, match="frame 0 alone"):
        video.decode(tmp_path / "a.png", np.array([0, 1]), size_px=8)
