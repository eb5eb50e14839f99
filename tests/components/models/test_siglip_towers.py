"""SigLIP towers and VideoLLaMA3's connector: filled from a download, read without a class token, with ego tokens."""

import json

import pytest
import torch
from transformers import SiglipConfig, SiglipModel, SiglipTextConfig, SiglipVisionConfig, SiglipVisionModel

from components import params
from components.models import build, hub_configs, pretrained_weights
from components.models.backbone import part_of
from components.models.parts import MergeConnector, connector_of
from components.models.processing import EGO_TOKEN, layout, prompt
from tests.components.bases import save_qwen2

COLOURS = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}
SO400M, QWEN = "google/siglip-so400m-patch14-224", "Qwen/Qwen2.5-7B-Instruct"


@pytest.fixture(scope="module")
def recipe_model(tmp_path_factory) -> params.Egoflow:
    """A download of SigLIP as published, with its text tower and its pooling head, and one of Qwen2."""
    folder = tmp_path_factory.mktemp("siglip")
    vision = SiglipVisionConfig(**SIZES, image_size=64, patch_size=8)
    torch.manual_seed(0)
    text = SiglipTextConfig(**SIZES, vocab_size=20)
    SiglipModel(SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(COLOURS))
    words = save_qwen2(tmp_path_factory.mktemp("words"))
    base = {"ego_encoder": str(folder), "exo_encoder": str(folder), "language_model": str(words)}
    return params.Egoflow(
        architecture="egoflow", base=base, tubelet_frames=1, vision_layer=-1, connector="mlp", shared_encoder=True,
        mapping="fc", mapping_blocks=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def filled(recipe_model):
    processor = pretrained_weights.processor(recipe_model)
    model = build.assemble(build.config_of(processor), {}, seed=0).eval()
    pretrained_weights.fill(model, recipe_model.base, set(recipe_model.base))
    return model, processor


def test_a_tower_gives_what_the_published_one_gives_behind_its_last_norm(filled, recipe_model):
    model, _ = filled
    published = SiglipVisionModel.from_pretrained(recipe_model.base["ego_encoder"]).eval()
    shown = torch.rand(3, 3, 64, 64) * 2 - 1  # with SigLIP's colours, frames in -1..1 stay as they are
    with torch.no_grad():
        expected = published(shown).last_hidden_state
        grid = model.model.encode(shown, "exo")
    assert grid.shape == (3, 32, 8, 8), "no patch is taken for a class token"
    torch.testing.assert_close(grid.flatten(2).mT, expected, atol=1e-5, rtol=1e-4)
    assert not any("head" in name for name, _ in model.model.ego_encoder.named_parameters())


def test_the_connector_is_the_mean_of_2_by_2_patches_through_two_layers():
    connector = connector_of("mlp", 6, 8)
    grid = torch.randn(2, 6, 8, 8)
    means = grid.unflatten(3, (4, 2)).unflatten(2, (4, 2)).mean((3, 5))
    expected = connector.projector(means.flatten(2).mT).flatten(0, 1)
    torch.testing.assert_close(connector(grid, [4, 4]), expected)
    assert isinstance(connector, MergeConnector) and connector(torch.randn(1, 6, 27, 27), [13]).shape == (169, 8)


def test_ego_tokens_copy_tower_and_connector_and_read_the_layers_without_the_last_norm(filled, tmp_path):
    model, processor = filled
    build.renew_ego_tokens(model, processor, 5, seed=0)
    tower, tokens = model.model.ego_encoder, model.model.ego_tokens
    for number, layer in enumerate(tower.encoder.layers):
        own = tokens.cross_attention[number]
        assert torch.equal(own.k_proj.weight, layer.self_attn.k_proj.weight) and own.heads == 2
    theirs = model.model.ego_connector.projector.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in tokens.project.state_dict().items())
    shown, seen = torch.rand(3, 3, 64, 64) * 2 - 1, []
    tower.encoder.layers[-1].register_forward_hook(lambda module, _, output: seen.append(output))
    read = []
    tokens.register_forward_pre_hook(lambda module, given: read.append(given))
    text = prompt(layout(model.config, "exo", 3), "what?")
    ids = processor.tokenizer([text], add_special_tokens=False, return_tensors="pt")
    model(**ids, pixel_values=shown, labels=ids["input_ids"]).loss.backward()
    [(layers, steps)] = read
    assert len(layers) == 3 and steps == [3] and torch.equal(layers[-1], seen[0])
    assert text.count(EGO_TOKEN) == 5 and text.index(EGO_TOKEN) > text.rindex("<exo_patch>")
    assert {part_of(name) for name, p in model.named_parameters() if p.grad is not None} >= {"ego_tokens"}
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = build.load(tmp_path)
    assert again.config.vision_config.model_type == "siglip_vision_model"
    assert all(map(torch.equal, again.state_dict().values(), model.state_dict().values()))


def test_so400m_has_the_published_size():
    """Published: the vision tower of SigLIP-so400m/14 has 428 million parameters, with a pooling head of 15 million."""
    base = {"ego_encoder": SO400M, "exo_encoder": SO400M, "language_model": QWEN}
    model = params.Egoflow(
        architecture="egoflow", base=base, tubelet_frames=1, vision_layer=-1, connector="mlp", shared_encoder=True,
        mapping="fc", mapping_blocks=1,
    )  # fmt: skip
    config = hub_configs.config_of(model)
    config.ego_tokens = 16
    sizes: dict[str, int] = {}
    for name, parameter in hub_configs.skeleton(config).named_parameters():
        sizes[part_of(name)] = sizes.get(part_of(name), 0) + parameter.numel()
    assert sizes["ego_encoder"] == pytest.approx(428e6 - 15e6, rel=0.01)
    assert sizes["ego_tokens"] == 27 * 4 * 1153 * 1152 + 16 * 1152 + 1153 * 3584 + 3585 * 3584
    assert config.grid(180) == 8 and config.tower_tokens == 256


def test_another_tower_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "dinov2"}))
    with pytest.raises(ValueError, match="is a 'dinov2', vision towers are"):
        hub_configs.vision_config(str(tmp_path))
