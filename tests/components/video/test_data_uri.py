import base64

import cv2
import numpy as np

from components.video.data_uri import data_uri


def test_a_frame_comes_back_from_its_address_in_its_own_colours():
    frame = np.zeros((16, 24, 3), np.uint8)
    frame[..., 0], frame[..., 2] = 200, 40  # red above blue: a swap of channels would show
    head, body = data_uri(frame).split(",")
    assert head == "data:image/jpeg;base64"
    back = cv2.imdecode(np.frombuffer(base64.b64decode(body), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert back.shape == frame.shape and np.abs(back.astype(int) - frame).max() < 12
