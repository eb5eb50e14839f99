"""A served folder is read by the classes that it names."""

import numpy as np

from components.models import serving


def test_a_folder_of_qwen_answers(qwen_bases):
    model = serving._load_pyfunc(str(qwen_bases["qwen2_5_vl"]))
    frames = np.zeros((2, 64, 64, 3), np.uint8)
    rows = [{"question": "what does C do?", "frames": frames}, {"question": "where is it?", "frames": frames.tolist()}]
    said = model.predict(rows)
    assert len(said) == 2 and all(isinstance(text, str) and "<|" not in text for text in said)
