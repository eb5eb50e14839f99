"""An image file as a video: it has one frame, which is shown for a second.

A file is known by its content, for the images of Conceptual Captions lie in files without an ending, and by its
ending, for PyAV takes a page of the web named .jpg for a film. Pillow reads images: OpenCV 5.0 gives a JPEG that broke
off without an error, and what is missing of it in grey.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

FPS = 1.0
ENDINGS = (".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # others of Pillow's call programs, or read films


def is_image(path: Path) -> bool:
    """Return whether a file is named as an image or begins as one does, broken or not."""
    import cv2

    return path.is_file() and (path.suffix.lower() in ENDINGS or cv2.haveImageReader(str(path)))


def read(path: Path) -> np.ndarray:
    """Read an image, turned upright as its EXIF data say; of an animation the first picture.

    Returns:
        uint8 array [H, W, 3], RGB.

    Raises:
        OSError: it is of no format in FORMATS, broken, or has more pixels than Pillow takes for an honest image.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except UnidentifiedImageError as error:  # its message names the path
        raise OSError(f"it is broken, or no image of the formats {', '.join(FORMATS)}") from error
    except (SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:  # by Pillow's own parsers
        raise OSError(f"{type(error).__name__}: {error}") from error
