"""Frames as data URIs, for HTML pages that are a single file."""

from __future__ import annotations

import base64

import numpy as np


def data_uri(frame_HWC: np.ndarray) -> str:
    """Encode a uint8 RGB frame [H, W, 3] as a JPEG in a data URI."""
    import cv2

    ok, jpeg = cv2.imencode(".jpg", frame_HWC[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert ok, f"OpenCV could not encode a frame of shape {frame_HWC.shape}"
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode()
