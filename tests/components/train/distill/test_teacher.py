"""How a teacher is shown its frames, and how it samples."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from transformers import GenerationConfig

from components import params
from components.models import qwen_vl
from components.train.distill import teacher
from components.train.distill.questions import Question

SAMPLING = params.Distill(generation="model", max_new_tokens=2)


@pytest.fixture(scope="module")
def qwen(qwen_bases, tmp_path_factory) -> Path:
    """Give the folder of a base that samples, as published ones do."""
    folder = tmp_path_factory.mktemp("qwen") / "base"
    folder.mkdir()
    for path in qwen_bases["qwen2_5_vl"].iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    GenerationConfig(do_sample=True, temperature=0.5, top_k=7, eos_token_id=1).save_pretrained(folder)
    return folder


def test_a_downloaded_teacher_samples_as_published_and_is_shown_a_still_image_once(qwen):
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    store = SimpleNamespace(frames=lambda sample_id, exo_view: frames)
    model, processor = qwen_vl.load(qwen), qwen_vl.load_processor(qwen, pixels=None)
    made = teacher.Teacher(model, processor, store, SAMPLING, folder=qwen, most_frames=2)
    assert (made.how.temperature, made.how.top_k, made.how.max_new_tokens) == (0.5, 7, 2)
    assert made.how.suppress_tokens == qwen_vl.never_generated(model)
    asked = [
        Question({"sample_id": kind, "frame_kind": kind, "question_type": "cot"}, 0, "ego", "spatial", "where is it?")
        for kind in ("image", "clip")
    ]
    inputs = made._inputs(asked)
    assert len(inputs["image_grid_thw"]) == 1 + 2
    for row in inputs["input_ids"]:  # the query alone, whatever its segment is asked elsewhere
        assert "where is it?" in (text := processor.tokenizer.decode(row)) and "<think>" not in text


@pytest.mark.parametrize(
    ("own", "words"), [(None, "is not there"), (GenerationConfig(eos_token_id=1), "has no `do_sample: true`")]
)
def test_a_teacher_that_would_not_sample_is_refused(own, words, tmp_path):
    if own:
        own.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"generation_config.json {words}: .*or set `generation: greedy`"):
        teacher.sampling_of(tmp_path)
