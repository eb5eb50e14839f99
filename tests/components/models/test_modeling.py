import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, CLIPVisionConfig

from components.models import build
from components.models.backbone import PARTS, part_of
from components.models.configuration import EgoflowConfig
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import SPECIAL_TOKENS, layout, normalise


def prompt(processor, config, view, n_frames, question="what does C do?", guidance=False):
    visual = layout(config, view, n_frames, guidance=guidance)
    return f"<bos>{visual}<user>{question}<assistant>"


def encode(processor, texts, side="left"):
    return processor.tokenizer(texts, add_special_tokens=False, padding=True, padding_side=side, return_tensors="pt")


def frames(count, seed=0):
    return normalise(np.random.default_rng(seed).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8))


def test_every_parameter_is_in_exactly_one_part(model):
    names = [name for name, _ in model.named_parameters()]
    assert {part_of(name) for name in names} == set(PARTS) - {"ego_tokens"}, "those are begun by a stage"
    assert all(sum(name.startswith(prefixes) for prefixes in PARTS.values()) == 1 for name in names)


def test_a_mixed_batch_gives_what_each_sample_gives_alone(model, processor):
    """Image, clip, window, guided, exo and text-only samples in one forward do not disturb one another."""
    config = model.config
    kinds = [("ego", 2, False), ("ego", 4, True), ("exo", 4, False), ("ego", 16, False), ("ego", 0, False)]
    texts = [prompt(processor, config, view, n, guidance=guided) for view, n, guided in kinds]
    pixels = [frames(n, seed) for seed, (_, n, _) in enumerate(kinds)]
    batch = encode(processor, texts)
    together = model(**batch, pixel_values=torch.cat(pixels)).logits[:, -1]
    for number, text in enumerate(texts):
        shown = pixels[number] if len(pixels[number]) else None
        alone = model(**encode(processor, [text]), pixel_values=shown).logits[0, -1]
        torch.testing.assert_close(together[number], alone, atol=1e-4, rtol=1e-4)


def test_frames_that_stand_twice_are_encoded_once_and_answer_the_same(model, processor, monkeypatch):
    text = prompt(processor, model.config, "ego", 2)
    one, other = frames(2, seed=0), frames(2, seed=1)
    shown = torch.cat([one, other, one, one])
    encoded = []
    encode_tubelets = type(model.model).encode
    monkeypatch.setattr(
        type(model.model),
        "encode",
        lambda self, tubelets, view: encoded.append(len(tubelets)) or encode_tubelets(self, tubelets, view),
    )
    together = model(**encode(processor, [text] * 4), pixel_values=shown).logits[:, -1]
    assert encoded == [4]  # two tubelets of two frames
    for number, pixels in enumerate((one, other, one, one)):
        alone = model(**encode(processor, [text]), pixel_values=pixels).logits[0, -1]
        torch.testing.assert_close(together[number], alone, atol=1e-4, rtol=1e-4)


def test_frames_order_and_time_reach_the_answer(model, processor):
    text = encode(processor, [prompt(processor, model.config, "ego", 16)])
    pixels = frames(16)
    forward = model(**text, pixel_values=pixels).logits[0, -1]
    backward = model(**text, pixel_values=pixels.flip(0)).logits[0, -1]
    assert not torch.allclose(forward, backward, atol=1e-5)


def test_guidance_comes_from_f_of_x_through_the_exo_connector(model, processor):
    text = encode(processor, [prompt(processor, model.config, "ego", 4, guidance=True)])
    loss = model(**text, pixel_values=frames(4), labels=text["input_ids"]).loss
    loss.backward()
    touched = {part_of(name) for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert touched == {"language_model", "ego_encoder", "ego_connector", "exo_connector", "mapping_f"}


@pytest.mark.parametrize("weighted", [False, True])
def test_the_loss_is_the_cross_entropy_of_the_labelled_tokens(model, processor, weighted):
    text = encode(processor, [prompt(processor, model.config, view, 4) for view in ("ego", "exo")])
    labels = text["input_ids"].masked_fill(torch.rand(text["input_ids"].shape) < 0.5, -100)
    labels[0, 0] = text["input_ids"][0, 0]  # nothing predicts a first token
    weights = torch.rand(model.config.text_config.vocab_size) if weighted else None
    with torch.no_grad():
        found = model(**text, pixel_values=frames(8), labels=labels, word_weights=weights)
        logits = model(**text, pixel_values=frames(8)).logits[:, :-1]
    assert len(found.logits) == int((labels[:, 1:] != -100).sum())
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), weight=weights)
    torch.testing.assert_close(found.loss, expected)


def test_checkpointing_changes_no_gradient(model, processor):
    """Behind frozen word embeddings too, as in the stages before Stage 3."""
    text = encode(processor, [prompt(processor, model.config, "ego", 4, guidance=True)])
    model.model.language_model.requires_grad_(False)
    gradients = []
    for again in (False, True):
        model.train().zero_grad()
        if again:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            assert model.model.ego_encoder.is_gradient_checkpointing
            assert model.model.language_model.is_gradient_checkpointing
        model(**text, pixel_values=frames(4), labels=text["input_ids"]).loss.backward()
        gradients.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() and any("ego_encoder" in name for name in gradients[0])
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_wrong_number_of_frames_is_refused(model, processor):
    text = encode(processor, [prompt(processor, model.config, "ego", 4)])
    with pytest.raises(ValueError, match="6 frames came for 4"):
        model(**text, pixel_values=frames(6))


def test_generation_with_cache_equals_without(model, processor):
    text = encode(processor, [prompt(processor, model.config, "ego", n) for n in (2, 4)])
    pixels = frames(6)
    with_cache = model.generate(**text, pixel_values=pixels, max_new_tokens=6, min_new_tokens=6, do_sample=False)
    ids, mask = text["input_ids"], text["attention_mask"]
    for _ in range(6):
        logits = model(ids, mask, pixels).logits[:, -1]
        logits[:, [*model.config.never_generated, model.config.eos_token_id]] = -torch.inf
        following = logits.argmax(-1, keepdim=True)
        ids, mask = torch.cat([ids, following], 1), torch.cat([mask, torch.ones_like(following)], 1)
    assert torch.equal(with_cache[:, : ids.shape[1]], ids[:, : with_cache.shape[1]])


def test_a_saved_folder_loads_equal_and_through_the_auto_classes(model, processor, tmp_path):
    build.register()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    for again in (build.load(tmp_path), AutoModelForImageTextToText.from_pretrained(tmp_path)):
        assert all(
            torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True)
        )
    reloaded = build.load_processor({"all": tmp_path})
    assert build.config_of(reloaded).to_dict()["text_config"] == model.config.to_dict()["text_config"]
    assert reloaded.tokenizer.get_vocab() == processor.tokenizer.get_vocab()


def test_assemble_takes_each_part_from_its_parent(processor, tmp_path):
    config = build.config_of(processor)
    for name, seed in (("one", 1), ("two", 2)):
        build.assemble(config, {}, seed=seed).save_pretrained(tmp_path / name)
    mixed = build.assemble(config, {"all": tmp_path / "one", "exo_encoder": tmp_path / "two"}, seed=3)
    one, two = build.load(tmp_path / "one").state_dict(), build.load(tmp_path / "two").state_dict()
    for name, value in mixed.state_dict().items():
        assert torch.equal(value, (two if part_of(name) == "exo_encoder" else one)[name])


def test_a_renewed_mapping_is_another_kind_and_all_else_stays(processor, tmp_path):
    model, told = (
        build.assemble(build.config_of(processor), {}, seed=1),
        build.processor_for(build.config_of(processor), processor.tokenizer),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    build.renew_mapping(model, told, "fc", seed=2)
    model.save_pretrained(tmp_path)
    told.save_pretrained(tmp_path)
    after = build.load(tmp_path)
    assert {type(part).__name__ for part in (after.model.mapping_f.mapping, after.model.mapping_g)} == {"PatchMapping"}
    for name, value in after.state_dict().items():
        assert part_of(name).startswith("mapping") or torch.equal(value, before[name])
    assert build.config_of(told).mapping == build.config_of(build.load_processor({"all": tmp_path})).mapping == "fc"


def test_unknown_part_is_named(processor):
    with pytest.raises(ValueError, match="parents name .'eyes'"):
        build.assemble(build.config_of(processor), {"eyes": "x"}, seed=0)


def test_the_same_classes_build_the_paper_scale_model():
    """CLIP-L/14-336 twice, Mistral-7B, nine blocks on a 24 x 24 grid: shapes on the meta device (systems §1.3)."""
    clip_l = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
        image_size=336, patch_size=14,
    )  # fmt: skip
    mistral_7b = {
        "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000 + len(SPECIAL_TOKENS),
    }  # fmt: skip
    ids = {token: 32000 + number for number, token in enumerate(SPECIAL_TOKENS)}
    config = EgoflowConfig(clip_l, mistral_7b, mapping_blocks=9, video_tokens=2304, token_ids=ids)
    with torch.device("meta"):
        model = EgoflowForConditionalGeneration(config)
        grid = model.model.encode(torch.empty(16, 3, 336, 336), "ego")
        assert grid.shape == (16, 1024, 24, 24)
        assert model.model.mapping_f(grid).shape == grid.shape
        assert model.model.exo_connector(grid, [config.grid(16)] * 16).shape == (16 * 144, 4096)
    sizes = {part: 0 for part in PARTS}
    for name, parameter in model.named_parameters():
        sizes[part_of(name)] += parameter.numel()
    assert 7.2e9 < sizes["language_model"] < 7.3e9
    assert 0.30e9 < sizes["ego_encoder"] == sizes["exo_encoder"] < 0.31e9
    assert config.vision_grid % 4 == 0
