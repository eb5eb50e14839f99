"""The funnel decides the same on every processor; switches of the libraries stand for processors of other kinds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

KINDS = {
    "as it is": {},
    "without vectors": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "older numpy": {"NPY_DISABLE_CPU_FEATURES": "X86_V3", "OPENBLAS_CORETYPE": "Prescott", "ONEDNN_MAX_CPU_ISA": "AVX"},
}
LEARN = """
import hashlib
import numpy as np
import torch
from components.data.funnel import ego_exo_classifier, features, hand_detector
from tests.components.data.funnel.test_models import picture

torch.set_num_threads(1)
rng = np.random.default_rng(0)
frames, boxes = zip(*(picture(rng) for _ in range(48)), strict=True)
frames = np.stack(frames)
told = np.stack([features.grid(frames[at : at + 4]) for at in range(40)])
classifier = ego_exo_classifier.train(told, frames[:40, 48, 12, 0] > 190, seed=1)
detector = hand_detector.train(frames[:40], list(boxes[:40]), seed=2)
said = hashlib.sha256()
for model in (classifier, detector):
    for value in model.state_dict().values():
        said.update(value.numpy().tobytes())
said.update(ego_exo_classifier.scores(classifier, told).tobytes())
seen = hand_detector.detect(detector, frames)
said.update(repr(seen).encode())
print(said.hexdigest(), sum(map(len, seen.hands)))
"""


@pytest.mark.slow
def test_the_models_and_what_they_find_are_the_same_on_other_processors():
    root = Path(__file__).parents[4]
    told = {
        kind: subprocess.run(
            [sys.executable, "-c", LEARN],
            env=os.environ | {"PYTHONPATH": str(root)} | switches,
            cwd=root,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        for kind, switches in KINDS.items()
    }
    assert len({digest for digest, _ in told.values()}) == 1, told
    assert int(told["as it is"][1]) > 0  # there are hands to disagree about
