"""A model of a few thousand parameters, for tests that need forward passes and none that need sense."""

import pytest

from components import params
from components.models import build
from components.models.processing import build_tokenizer

TINY = params.Model(
    image_px=64, patch_px=8, tubelet_frames=2, vision_width=32, vision_layers=1, vision_heads=2, image_tokens=16,
    video_tokens=8, mapping_blocks=1, text_width=32, text_layers=2, text_heads=2,
)  # fmt: skip


@pytest.fixture(scope="session")
def processor():
    tokenizer = build_tokenizer(["what does C do? C picks up the red cup with the right hand. [1, 2]"])
    return build.processor_for(build.tiny_config(TINY, tokenizer), tokenizer)


@pytest.fixture
def model(processor):
    return build.assemble(build.config_of(processor), {}, seed=0).eval()
