"""Ego-adaptive tokens on tiny Qwen models: what they read, where they stand, and what stays as it was."""

import re

import pytest
import torch
from torch.nn import functional
from transformers import (
    AutoModelForImageTextToText,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2VLForConditionalGeneration,
)

from components import params
from components.models import build, checkpoint_files, export, qwen_ego_setup, qwen_vl
from components.models.qwen_ego_setup import PLACE, config_with, with_places
from components.models.qwen_ego_tokens import CLASSES, SUFFIX
from components.train import checkpoints
from tests.components.qwen_with_tokens import COUNT, clip, inputs, loaded, write_places
from tests.components.tiny_qwen import TEMPLATE

PLAIN = {"qwen2_vl": Qwen2VLForConditionalGeneration, "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration}
PUBLISHED = (
    "{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content %}"
    "{% if add_vision_id %}Picture: {% endif %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'video' in content %}<|vision_start|><|video_pad|><|vision_end|>{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module", params=params.QWEN)
def base(request, tmp_path_factory):
    return write_places(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def tokened(base):
    return loaded(base)


def without(model):
    """The same weights in transformers' own class."""
    plain = PLAIN[model.config.model_type.removesuffix(SUFFIX)]
    config = plain.config_class(**{name: value for name, value in model.config.to_dict().items() if "ego_" not in name})
    made = plain._from_config(config, attn_implementation=model.config._attn_implementation).eval()
    made.load_state_dict({name: value for name, value in model.state_dict().items() if "ego_tokens" not in name})
    return made


@torch.no_grad()
def tokens_of(model, given: dict) -> torch.Tensor:
    """What the projector of the tokens gives [clips * N, width]."""
    found = []
    hook = model.model.ego_tokens.register_forward_hook(lambda module, inputs, output: found.append(output))
    model(**given)
    hook.remove()
    return found[0]


def test_no_tokens_are_the_model_without_to_the_bit(tokened):
    model, processor = tokened
    plain = without(model)
    processor.chat_template = processor.published_template
    config = config_with(plain.config, 0)
    none = CLASSES[type(config)](config).eval()
    none.load_state_dict(plain.state_dict())
    given = inputs(processor, [clip(2), clip(1, side=56), clip(0)])
    assert PLACE not in processor.tokenizer.batch_decode(given["input_ids"])[0]
    with torch.no_grad():
        assert torch.equal(none(**given).logits, plain(**given).logits)


def test_what_stands_before_the_tokens_is_that_of_the_model_without(tokened):
    model, processor = tokened
    given = inputs(processor, [clip(2)])
    before = int((given["input_ids"][0] == model.config.ego_token_id).nonzero()[0])
    with torch.no_grad():
        had, has = (each(**given).logits[:, :before] for each in (without(model), model))
    assert torch.equal(has, had)


def test_queries_attend_to_all_patches_behind_windowed_and_full_layers(tokened):
    model, processor = tokened
    given, tower, tokens = inputs(processor, [clip(2)]), model.model.visual, model.model.ego_tokens
    qwen_ego_setup.begin_as(tokens, tower.blocks, tower.merger)
    layers = []
    hooks = [
        block.register_forward_hook(lambda module, inputs, output: layers.append(output)) for block in tower.blocks
    ]
    with torch.no_grad():
        tower(given["pixel_values"], grid_thw=given["image_grid_thw"])
    for hook in hooks:
        hook.remove()
    query = tokens.queries
    for block, patches in zip(tower.blocks, layers, strict=True):
        of_query, of_key, of_value = (
            functional.linear(each, weight, bias).unflatten(-1, (2, 16)).transpose(0, 1)
            for each, weight, bias in zip((query, patches, patches), block.attn.qkv.weight.chunk(3),
                                          block.attn.qkv.bias.chunk(3), strict=True)
        )  # fmt: skip
        assert len(patches) == 2 * 64
        weights = (of_query @ of_key.mT / 16**0.5).softmax(-1)
        query = block.attn.proj((weights @ of_value).transpose(0, 1).flatten(1))
    torch.testing.assert_close(tokens_of(model, given), tokens.project(query), rtol=1e-4, atol=1e-5)


def test_the_projector_begins_as_the_merger_of_alike_patches(tokened):
    model, _ = tokened
    tower, tokens = model.model.visual, model.model.ego_tokens
    qwen_ego_setup.begin_as(tokens, tower.blocks, tower.merger)
    seen = torch.randn(5, tower.merger.mlp[0].in_features // 4, generator=torch.Generator().manual_seed(0))
    merged = tower.merger(seen.repeat_interleave(4, dim=0))
    torch.testing.assert_close(tokens.project(seen), merged, rtol=1e-4, atol=1e-5)


def test_clips_of_one_batch_do_not_disturb_one_another(tokened):
    model, processor = tokened
    items = [clip(2), clip(0), clip(1, side=56), clip(3, seed=1)]
    together = tokens_of(model, inputs(processor, items))
    alone = [tokens_of(model, inputs(processor, [one])) for one in items if len(one["frames"])]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    assert together.shape == (3 * COUNT, 32) and not torch.allclose(alone[0], alone[2])


def test_positions_go_on_behind_the_last_frame_and_the_question_behind_the_tokens(tokened):
    model, processor = tokened

    def positions(given: dict) -> torch.Tensor:
        named = ("input_ids", "mm_token_type_ids", "image_grid_thw")
        return model.model.get_rope_index(**{name: given[name] for name in named})[0][:, 0]

    given = inputs(processor, [clip(2)])
    have = positions(given)
    processor.chat_template = processor.published_template
    plain = positions(inputs(processor, [clip(2)]))
    first = int((given["input_ids"][0] == model.config.ego_token_id).nonzero()[0])
    assert torch.equal(have[:, :first], plain[:, :first])
    end = int(have[:, first - 1].max())  # of the last frame's end token
    rest = have.shape[1] - first
    assert torch.equal(have[:, first:], torch.arange(end + 1, end + 1 + rest).expand(3, -1))
    assert torch.equal(have[:, first + COUNT :], plain[:, first:] + COUNT)


def test_prompts_whose_places_are_not_behind_the_frames_are_refused(tokened):
    model, processor = tokened
    given = inputs(processor, [clip(2)])
    [ids] = given["input_ids"].tolist()
    place = model.config.ego_token_id
    first = ids.index(place)
    fewer, none, front = list(ids), list(ids), list(ids)
    fewer[first] = 7
    none[first : first + COUNT] = [7] * COUNT
    front[:COUNT], front[first : first + COUNT] = [place] * COUNT, [7] * COUNT
    for wrong in (fewer, none, front):
        with pytest.raises(ValueError, match="allowed are 3 behind the last frame of each clip; lay prompts out by"):
            model(**given | {"input_ids": torch.tensor([wrong])})
    with pytest.raises(ValueError, match="'image'. came as mm_encoder_outputs, allowed are pixel_values"):
        model(given["input_ids"], mm_encoder_outputs={"image": None})
    with pytest.raises(ValueError, match="frames came without input_ids"):
        model(inputs_embeds=torch.zeros(1, 4, 32), **{name: given[name] for name in ("pixel_values", "image_grid_thw")})


def test_generation_reads_the_frames_once_and_says_no_place(tokened):
    model, processor = tokened
    seen, given = [], inputs(processor, [clip(1)])
    model.model.ego_tokens.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        said = model.generate(**given, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert said.shape[1] == given["input_ids"].shape[1] + 3 and len(seen) == 1
    with torch.no_grad():
        scores = model(**given).logits[0, -1]
    never = model.generation_config.suppress_tokens
    scores[[*never, processor.tokenizer.eos_token_id]] = -torch.inf
    assert said[0, -3] == scores.argmax() and model.config.ego_token_id in never


def test_an_export_is_the_same_model_and_writes_the_same_prompts(tokened, tmp_path):
    model, processor = tokened
    checkpoints.save(model, processor, tmp_path / "student", {"stage": "student"})
    export.export(tmp_path / "student", tmp_path / "out")
    assert checkpoint_files.read(tmp_path / "student", ("files",))["stage"] == "student"
    build.register()
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "out").eval()
    read = qwen_vl.load_processor(tmp_path / "out", pixels=None)
    given, theirs = (inputs(each, [clip(2)]) for each in (processor, read))
    assert type(again) is type(model) and read.ego_tokens == COUNT == again.config.ego_tokens
    assert all(torch.equal(theirs[name], value) for name, value in given.items())
    with torch.no_grad():
        assert torch.equal(again(**given).logits, model(**given).logits)
    loaded_here = qwen_vl.load(tmp_path / "out", architecture=model.config.model_type.removesuffix(SUFFIX))
    assert loaded_here.generation_config.suppress_tokens == model.generation_config.suppress_tokens


def test_a_stage_may_begin_other_tokens_than_its_parent_had(tokened):
    model, processor = tokened
    queries = model.model.ego_tokens.queries
    model = qwen_ego_setup.renewed(model, processor, 1, seed=3)
    assert processor.ego_tokens == 1 and model.config.ego_tokens == 1
    assert tokens_of(model, inputs(processor, [clip(2)])).shape == (1, 32) and queries.shape[0] == COUNT


@pytest.mark.parametrize("template", [PUBLISHED, TEMPLATE])
def test_a_template_writes_places_behind_the_last_of_images_in_a_row(template):
    made = with_places(template, 2)
    assert re.sub(r"\{% if loop.last.*?\{% endif %\}", "", made) == template and made.count(PLACE) == 2
    assert with_places(made, 5) == with_places(template, 5)
    for other in (template.replace("image_pad", "picture"), template + template, {"default": template}):
        with pytest.raises(ValueError, match="allowed is once: it does not say where"):
            with_places(other, 2)


def test_images_that_words_part_are_clips_of_their_own(tokened):
    _, processor = tokened
    image, words = {"type": "image"}, {"type": "text", "text": "then"}
    chat = [{"role": "user", "content": [image, image, words, image, words]}]
    text = processor.apply_chat_template(chat, tokenize=False)
    short = text.replace("<|vision_start|><|image_pad|><|vision_end|>", "I").replace(PLACE, "p")
    assert f"II{'p' * COUNT}thenI{'p' * COUNT}then" in short


def test_a_tokenizer_without_the_word_is_refused(qwen_bases):
    folder = qwen_bases["qwen2_5_vl"]
    model, processor = qwen_vl.load(folder), qwen_vl.load_processor(folder, pixels=None)
    with pytest.raises(ValueError, match=r"the tokenizer has no word '<\|vision_pad\|>'"):
        qwen_ego_setup.renewed(model, processor, 2, seed=0)
