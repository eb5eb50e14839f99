"""A tiny model, for tests that need forward passes but no sense, a dataset to match, and a text generation endpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from components import params
from components.models import build
from components.models.processing import build_tokenizer
from tests.components.llm.misbehaving import KEY, Server, listening
from tests.components.tiny_qwen import write_base
from tests.conftest import built_once

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


@pytest.fixture(scope="session")
def tiny_data(tiny_world, tmp_path_factory) -> Path:
    """A data folder with every output of the data graph, made from the tiny world; it belongs to all tests."""
    from components.data import annotations, dataset, media
    from components.data.clips import step as clips
    from components.data.egoexo_con import step as egoexo_con
    from components.data.egoit import step as egoit
    from components.data.egore import step as egore
    from components.data.frames import step as frames
    from components.data.funnel import step as funnel
    from components.data.pretraining import step as pretraining

    def build(folder: Path) -> None:
        for step in (annotations, media, pretraining, clips, funnel, egoit, egore, egoexo_con, dataset, frames):
            step.run(tiny_world.params, folder / "data")

    return built_once(tmp_path_factory, "tiny_data", build) / "data"


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    """A text generation endpoint, named by the environment as a person would name it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with listening() as at:
        monkeypatch.setenv("OPENAI_BASE_URL", at.url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield at


@pytest.fixture(scope="session")
def qwen_bases(tmp_path_factory) -> dict[str, Path]:
    """Architecture to a folder of random weights in transformers' layout."""
    return {name: write_base(tmp_path_factory.mktemp(name), name) for name in params.QWEN}


@pytest.fixture(scope="module")
def one_thread():
    """Threads that wait for one another's small convolutions cost more than they do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
