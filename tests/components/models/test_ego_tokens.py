"""Ego-adaptive tokens: what they read, where they stand, and that a model with none is the model without."""

import copy
import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText

from components.evaluation.mapping import with_encoder
from components.models import build, zero3_dummies
from components.models.backbone import part_of
from components.models.configuration import EgoflowConfig
from components.models.ego_tokens import PROJECTIONS
from components.models.processing import EGO_TOKEN, layout, normalise

COUNT = 3
KINDS = (("ego", 2), ("exo", 4), ("ego", 0), ("ego", 16))  # (view, frames) of each sample
TINY_LAYERS = 3


def frames(count, seed=0):
    return normalise(np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8))


def prompts(processor, kinds=KINDS):
    config = build.config_of(processor)
    texts = [f"<bos>{layout(config, view, count)}<user>what does C do?<assistant>" for view, count in kinds]
    return processor.tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")


@pytest.fixture(scope="module")
def plain(processor):
    """A model without tokens, of a few layers, and its processor."""
    values = processor.layout_config | {"vision_config": processor.layout_config["vision_config"].copy()}
    values["vision_config"]["num_hidden_layers"] = TINY_LAYERS
    told = build.processor_for(EgoflowConfig(**values), processor.tokenizer)
    return build.assemble(build.config_of(told), {}, seed=0).eval(), told


@pytest.fixture(scope="module")
def tokened(plain):
    """The same with tokens, begun on it as a stage begins them."""
    model, processor = copy.deepcopy(plain[0]), build.processor_for(build.config_of(plain[1]), plain[1].tokenizer)
    build.renew_ego_tokens(model, processor, COUNT, seed=1)
    return model.eval(), processor


def test_no_tokens_are_the_model_without_to_the_bit(plain, processor):
    model, told = plain
    values = {name: value for name, value in model.config.to_dict().items() if name != "ego_tokens"}
    without = build.assemble(EgoflowConfig(**values, attn_implementation=build.attention()), {}, seed=0).eval()
    none = build.assemble(EgoflowConfig(**values, ego_tokens=0, attn_implementation=build.attention()), {}, seed=0)
    assert {part_of(name) for name in without.state_dict()}.isdisjoint({"ego_tokens"})
    assert list(none.state_dict()) == list(without.state_dict())
    assert all(map(torch.equal, none.state_dict().values(), without.state_dict().values()))
    assert EGO_TOKEN not in layout(none.config, "exo", 4) and prompts(told)["input_ids"].max() < len(told.tokenizer)
    shown = prompts(told), torch.cat([frames(count, seed) for seed, (_, count) in enumerate(KINDS)])
    with torch.no_grad():
        logits = [each(**shown[0], pixel_values=shown[1]).logits for each in (without, none.eval())]
    assert torch.equal(*logits)


def test_weights_begin_as_those_of_the_same_layer_of_the_exo_tower_and_of_its_connector(tokened):
    model = tokened[0].model
    pairs = zip(model.ego_tokens.cross_attention, model.exo_encoder.encoder.layers, strict=True)
    for own, layer in pairs:
        for name in PROJECTIONS:
            for kind in ("weight", "bias"):
                mine, theirs = (each.get_submodule(name).get_parameter(kind) for each in (own, layer.self_attn))
                assert torch.equal(mine, theirs) and mine is not theirs
    theirs = model.exo_connector.projector.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in model.ego_tokens.project.state_dict().items())
    assert model.ego_tokens.queries.shape == (COUNT, 32) and 0.01 < model.ego_tokens.queries.std() < 0.03


def test_tokens_are_what_the_paper_writes(tokened):
    """E^l = W_O MHA(E^(l-1) W_Q, Z^l W_K, Z^l W_V) over all frames' patches; no residual, no norm, E^l replaces."""
    model = tokened[0].model
    shown = frames(4)
    hidden = model.exo_encoder(shown.unflatten(0, (-1, 2)).flatten(1, 2), output_hidden_states=True).hidden_states
    tokens = model.ego_tokens.queries
    for attend, layer in zip(model.ego_tokens.cross_attention, hidden[1:], strict=True):
        patches = layer[:, 1:].flatten(0, 1)  # the class token of each frame is no patch
        heads = []
        for part in torch.arange(32).split(32 // attend.heads):
            q, k, v = attend.q_proj(tokens)[:, part], attend.k_proj(patches)[:, part], attend.v_proj(patches)[:, part]
            heads.append((q @ k.T / math.sqrt(len(part))).softmax(-1) @ v)
        tokens = attend.out_proj(torch.cat(heads, -1))
    text = prompts(tokened[1], [("exo", 4)])["input_ids"]
    embeds, _ = model.embed(text, shown)
    place = text == model.config.token_ids[EGO_TOKEN]
    torch.testing.assert_close(embeds[place], model.ego_tokens.project(tokens), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("guidance", [False, True])
def test_they_stand_behind_the_last_frame_and_before_the_question(tokened, guidance):
    config = tokened[0].config
    visual = layout(config, "ego", 4, guidance=guidance)
    before = layout(EgoflowConfig(**config.to_dict() | {"ego_tokens": 0}), "ego", 4, guidance=guidance)
    assert visual == before + EGO_TOKEN * COUNT
    assert layout(config, "exo", 0) == "", "text alone has no frames to read"


def test_what_the_model_sees_of_the_frames_stays_as_it_is(plain, tokened):
    pixels = torch.cat([frames(count, seed) for seed, (_, count) in enumerate(KINDS)])
    embeds = {}
    for name, (model, processor) in {"plain": plain, "tokened": tokened}.items():
        text = prompts(processor)
        real = text["attention_mask"].bool() & (text["input_ids"] != model.config.token_ids[EGO_TOKEN])
        embeds[name] = model.model.embed(text["input_ids"], pixels)[0][real]
    assert torch.equal(embeds["plain"], embeds["tokened"])


def test_samples_of_unlike_views_and_lengths_do_not_disturb_one_another(tokened):
    model, processor = tokened
    pixels = [frames(count, seed) for seed, (_, count) in enumerate(KINDS)]
    together = model(**prompts(processor), pixel_values=torch.cat(pixels)).logits[:, -1]
    for number, kind in enumerate(KINDS):
        shown = pixels[number] if len(pixels[number]) else None
        alone = model(**prompts(processor, [kind]), pixel_values=shown).logits[0, -1]
        torch.testing.assert_close(together[number], alone, atol=1e-4, rtol=1e-4)


def test_frames_that_stand_twice_give_the_same_tokens(tokened):
    model, processor = tokened
    text, shown = prompts(processor, [("exo", 2)]), frames(2)
    twice = model(**prompts(processor, [("exo", 2)] * 2), pixel_values=torch.cat([shown, shown])).logits[:, -1]
    alone = model(**text, pixel_values=shown).logits[:, -1]
    torch.testing.assert_close(twice, alone.expand(2, -1), atol=1e-4, rtol=1e-4)


def test_every_weight_of_them_learns_and_a_frozen_tower_keeps_no_gradient(tokened):
    model, processor = copy.deepcopy(tokened[0]).train(), tokened[1]
    model.requires_grad_(False)
    model.model.ego_tokens.requires_grad_(True)
    text = prompts(processor, [("exo", 4)])
    gradients = []
    for again in (False, True):
        model.zero_grad()
        if again:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model(**text, pixel_values=frames(4), labels=text["input_ids"]).loss.backward()
        assert {part_of(name) for name, p in model.named_parameters() if p.grad is not None} == {"ego_tokens"}
        gradients.append({name: p.grad.clone() for name, p in model.model.ego_tokens.named_parameters()})
    # what is added to every key alike moves no softmax: the bias of W_K has a gradient of rounding alone
    assert all(each.abs().max() > 1e-10 for name, each in gradients[0].items() if not name.endswith("k_proj.bias"))
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_a_grid_that_no_tower_made_is_captioned_without_them(tokened):
    """F(x) has no layers below it, which they would read (evaluation of the mapping)."""
    twin = with_encoder(tokened[0], lambda frames_NCHW: tokened[0].model.encode(frames_NCHW, "ego"))
    assert EGO_TOKEN not in layout(twin.config, "exo", 4)
    assert tokened[0].config.ego_tokens == COUNT and twin.model.config is twin.config


def test_prompts_of_another_layout_are_refused(tokened, plain):
    with pytest.raises(ValueError, match=r"\[0\] places for ego-adaptive tokens came, allowed are \[3\]"):
        tokened[0](**prompts(plain[1], [("exo", 2)]), pixel_values=frames(2))


def test_generation_reads_them_once(tokened):
    model, processor = tokened
    text, shown = prompts(processor, [("exo", 4)]), frames(4)
    first = model(**text, pixel_values=shown).logits[0, -1]
    first[[*model.config.never_generated, model.config.eos_token_id]] = -torch.inf
    said = model.generate(**text, pixel_values=shown, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert said[0, text["input_ids"].shape[1]] == first.argmax()


def test_a_saved_folder_loads_equal_and_gives_its_tokens_to_a_later_stage(tokened, plain, tmp_path):
    build.register()
    for name, (model, processor) in {"with": tokened, "without": plain}.items():
        model.save_pretrained(tmp_path / name)
        processor.save_pretrained(tmp_path / name)
    model = tokened[0]
    loaded = build.load(tmp_path / "with"), AutoModelForImageTextToText.from_pretrained(tmp_path / "with")
    for again in loaded:
        assert all(map(torch.equal, again.state_dict().values(), model.state_dict().values()))
    for parents in ({"all": "with"}, {"all": "without", "ego_tokens": "with"}):
        folders = {part: tmp_path / name for part, name in parents.items()}
        told = build.load_processor(folders)
        made = build.assemble(build.config_of(told), folders, seed=5)
        assert build.config_of(told).ego_tokens == COUNT
        assert torch.equal(made.model.ego_tokens.queries, model.model.ego_tokens.queries)
    only_words = build.load_processor({"language_model": tmp_path / "with"})
    assert build.config_of(only_words).ego_tokens == 0, "they are no part of the language model"


@pytest.mark.parametrize("views", [["exo"], ["ego", "exo", "guide"]])
def test_a_row_of_grey_frames_runs_them_and_moves_nothing(tokened, views):
    model = tokened[0]
    text = torch.full((2, 3), model.config.token_ids["<user>"])
    ids, _, _ = zero3_dummies.fill(model.config, views, text, None)
    assert (ids[-1] == model.config.token_ids[EGO_TOKEN]).sum() == COUNT
    embeds, _ = model.model._embed_beside(views, text, None)
    assert torch.equal(embeds, model.model.embed(text)[0])
    embeds.sum().backward()
    assert all(value.grad is not None for value in model.model.ego_tokens.parameters())
    model.zero_grad()
