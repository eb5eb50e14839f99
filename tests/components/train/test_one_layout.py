"""A sample is the same tokens, pixel values and positions wherever a model sees it."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from trl.trainer.utils import add_fused_lm_head

from components import params
from components.data.frames.store import FrameStore
from components.models import build, pretrained_weights, qwen_vl
from components.prompts.asked import SAYING_OPTIONS
from components.train import algorithms
from components.train.dataset import SampleDataset
from components.train.grpo.trainer import prompts_of
from tests.components.bases import save_bases
from tests.components.train.seen import Seen, answered, rolled_out, trained

ITEMS = 2  # of each kind
KINDS = {
    "a clip": "egoexoclip/caption/ego",
    "a clip from outside": "egoexoclip/caption/exo",
    "an image with a box": "egore/ground_spatial/ego",
    "a window with its times": "egore/ground_temporal/ego",
    "a window from outside": "egore/ground_temporal/exo",
    "a question with its options": "egoit/qa/ego",
    "a question to reason about": "egore/qa/ego",
    "text alone": "egoit/qa/ego",
    "several questions": "egore/ground_spatial/ego",
}


class NoFrames:
    """A store in whose samples there is nothing to be seen."""

    def frames(self, sample_id: str, *, exo_view: int | None = None) -> np.ndarray:
        return np.empty((0, 64, 64, 3), np.uint8)


def opened(tiny_data, kind: str, shown=None) -> SampleDataset:
    digest = FrameStore(tiny_data / "frames").contract["digest"]
    options = {"steps": 1, "batch": ITEMS, "seed": 5, "exo_views": None, "contract": digest}
    options |= {"reasoned": kind == "a question to reason about", "turns": 2 if kind == "several questions" else 1}
    samples = SampleDataset(tiny_data, {KINDS[kind]: 1.0}, shown=shown, **options)
    if kind == "text alone":
        samples.store = NoFrames()
    return samples


def client_row(asked: dict, frames_THWC: np.ndarray, *, says_options: bool) -> dict:
    """The sample as a client of a served model sends it."""
    row = {"question": asked["question"], "view": asked["view"], "frames": frames_THWC}
    if len(asked["media"]) == 1 and asked["frame_kind"] != "image":  # with one, a film that stands still
        [span] = asked["media"]
        row["duration_s"] = span["end_s"] - span["start_s"]
    if asked["target"]["kind"] != "choice":
        row["target_kind"] = asked["target"]["kind"]
    elif says_options or asked["corpus"] in SAYING_OPTIONS:
        row["choices"] = asked["target"]["choices"]
    return row


def compare(model, processor, samples: SampleDataset, index: int, *, says_options: bool = False, **how) -> torch.Tensor:
    """Hold what is seen of an item on every way against supervised training; return the tokens of its training row."""
    item, asked = samples[index], samples.asked(index)
    frames = samples.store.frames(item["sample_id"])
    truth, prompts, ids = trained(model, processor, item)

    def check(seen: Seen, places: list[int]) -> None:
        for ours, theirs in zip(seen.tokens(slice(len(places))), truth.tokens(places), strict=True):
            assert torch.equal(ours, theirs)
        # of Qwen, a batch of text alone brings a blank image behind the texts (qwen.Collate)
        shown = truth.pixel_values if len(frames) else []
        for ours, theirs in zip(seen.pixel_values, shown, strict=True):
            assert ours[0] == theirs[0] and torch.equal(ours[1], theirs[1])

    for sample, places in zip(asked, prompts, strict=True):
        row = client_row(sample, frames, says_options=says_options or samples.reasoned)
        for seen in answered(model, processor, sample, frames, row, reasoned=samples.reasoned, **how):
            check(seen, places)
    sampled, scored, rolled = rolled_out(model, processor, prompts_of(samples)[index], ids[-2:].tolist())
    assert rolled == ids[prompts[0]].tolist()
    for seen in (sampled, scored):
        check(seen, prompts[0])
    return ids


@pytest.fixture(scope="module")
def speaking() -> tuple:
    """The default recipe's tokenizer, which knows the words of every question, and a small model."""
    data = params.load(Path("params/data.yaml"), params.Data)
    recipe = params.load(Path("params/recipes/miniature.yaml"), params.Recipe)
    processor = algorithms.fresh_processor(recipe.model, data)
    return fused(build.assemble(build.config_of(processor), {}, seed=0)), processor


@pytest.fixture(scope="module")
def around_bases(tmp_path_factory) -> tuple:
    """Downloaded towers and language model, with VideoLLaMA2's connector and ego-adaptive tokens."""
    base = save_bases(tmp_path_factory.mktemp("bases"))
    recipe_model = params.Egoflow(
        architecture="egoflow", base=base, tubelet_frames=1, vision_layer=-2, connector="stc", mapping_blocks=1
    )
    processor = pretrained_weights.processor(recipe_model)
    processor.layout_config["text_config"]["max_position_embeddings"] = 2048  # a window, F(x) and an answer fit in
    model = build.assemble(build.config_of(processor), {}, seed=0)
    build.renew_ego_tokens(model, processor, 3, seed=0)
    return fused(model), processor


def fused(model):
    add_fused_lm_head(model)  # as GRPO scores by
    return model.eval()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("guidance", [False, True])
@pytest.mark.parametrize("which", ["speaking", "around_bases"])
def test_egoflow_sees_a_sample_alike_everywhere(tiny_data, request, which, guidance, kind):
    model, processor = request.getfixturevalue(which)
    model.config.guidance = processor.layout_config["guidance"] = guidance
    samples = opened(tiny_data, kind)
    for index in range(ITEMS):
        guide = "<guide_patch>" in processor.tokenizer.decode(compare(model, processor, samples, index))
        assert guide == (guidance and samples[index]["view"] == "ego" and kind != "text alone")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", params.QWEN)
def test_qwen_sees_a_sample_alike_everywhere(tiny_data, qwen_bases, architecture, kind):
    model = fused(qwen_vl.load(qwen_bases[architecture]))
    processor = qwen_vl.load_processor(qwen_bases[architecture], pixels=None)
    samples = opened(tiny_data, kind, partial(qwen_vl.shown, most_frames=7))
    for index in range(ITEMS):
        compare(model, processor, samples, index, says_options=True, most_frames=7)
