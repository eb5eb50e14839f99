"""Downloaded architectures: sizes from the table or a folder, counted without weights."""

import json

import pytest
from transformers import AutoModel

from components import params
from components.models import hub_configs
from components.models.backbone import part_of

CLIP, MISTRAL = "openai/clip-vit-large-patch14-336", "mistralai/Mistral-7B-Instruct-v0.2"
BASE = {"ego_encoder": CLIP, "exo_encoder": CLIP, "language_model": MISTRAL}


def egoflow(**changes) -> params.Egoflow:
    sizes = {"tubelet_frames": 1, "vision_layer": -2, "image_tokens": 576, "video_tokens": 2304, "mapping_blocks": 9}
    return params.Egoflow(architecture="egoflow", **{"base": BASE, **sizes, **changes})


def counts(model: params.Egoflow | params.Qwen) -> dict[str, int]:
    config = hub_configs.config_of(model)
    parts = hub_configs.parts_of(config)
    sizes = dict.fromkeys(parts, 0)
    for name, parameter in hub_configs.skeleton(config).named_parameters():
        assert parameter.device.type == "meta"
        sizes[part_of(name, parts)] += parameter.numel()
    return sizes


@pytest.mark.parametrize(
    ("architecture", "base", "total"),
    [
        ("qwen2_vl", "Qwen/Qwen2-VL-7B-Instruct", 8_291_375_616),
        ("qwen2_5_vl", "Qwen/Qwen2.5-VL-3B-Instruct", 3_754_622_976),
        ("qwen2_5_vl", "Qwen/Qwen2.5-VL-7B-Instruct", 8_292_166_656),
    ],
)
def test_qwen_has_exactly_the_published_total(architecture, base, total):
    assert sum(counts(params.Qwen(architecture=architecture, base=base)).values()) == total


def test_egoflow_is_clip_twice_and_mistral_with_its_own_words():
    """Published: CLIP-L/14-336's vision tower 304 million (within 0.3 %), Mistral-7B 7,241,732,096 exactly."""
    sizes = counts(egoflow())
    assert sizes["ego_encoder"] == sizes["exo_encoder"] == pytest.approx(304e6, rel=0.003)
    width, special = 4096, len(hub_configs.SPECIAL_TOKENS)
    ours = 2 * special * width + 2 * width * width  # their embeddings and scores; the maps of grid places
    assert sizes["language_model"] - ours == 7_241_732_096


def test_a_downloaded_folder_gives_its_own_sizes(tmp_path):
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {"model_type": "mistral", "num_key_value_heads": 2, "vocab_size": 50}
    tower = small | {"model_type": "clip_vision_model", "image_size": 32, "patch_size": 8}
    for name, values in (("words", text), ("clip", {"model_type": "clip", "vision_config": tower})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(values))
    base = {"ego_encoder": str(tmp_path / "clip"), "exo_encoder": str(tmp_path / "clip")}
    config = hub_configs.config_of(egoflow(base=base | {"language_model": str(tmp_path / "words")}))
    assert (config.vision_config.hidden_size, config.vision_grid, config.text_config.hidden_size) == (32, 4, 32)
    assert config.text_config.vocab_size == 50 + len(hub_configs.SPECIAL_TOKENS)
    assert min(config.token_ids.values()) == 50
    assert isinstance(
        hub_configs.skeleton(config).model.language_model, type(AutoModel.from_config(config.text_config))
    )


def test_what_is_neither_folder_nor_known_name_is_refused():
    with pytest.raises(ValueError, match=r"base 'mistral' came, allowed are a folder .*'Qwen/Qwen2-VL-7B-Instruct'"):
        hub_configs.config_of(egoflow(base=BASE | {"language_model": "mistral"}))


def test_a_base_of_another_architecture_is_refused():
    with pytest.raises(ValueError, match="is a 'qwen2_vl', the recipe's architecture is 'qwen2_5_vl'"):
        hub_configs.config_of(params.Qwen(architecture="qwen2_5_vl", base="Qwen/Qwen2-VL-7B-Instruct"))
