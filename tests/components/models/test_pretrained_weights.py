"""Downloaded weights: what comes out of a folder, and which folders are refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPVisionModel, MistralForCausalLM, PreTrainedTokenizerFast, Qwen2ForCausalLM

from components import params
from components.models import build, pretrained_weights
from components.models.backbone import part_of
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.processing import EgoflowProcessor, layout, normalise, prompt
from components.train.packing import row
from tests.components.bases import COLOURS, TEXTS, save_bases, save_qwen2, save_tower


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> dict[str, str]:
    return save_bases(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def recipe_model(base) -> params.Egoflow:
    return params.Egoflow(
        architecture="egoflow", base=base, tubelet_frames=1, vision_layer=-2, connector="stc", mapping_blocks=1
    )


@pytest.fixture(scope="module")
def processor(recipe_model) -> EgoflowProcessor:
    return pretrained_weights.processor(recipe_model)


@pytest.fixture(scope="module")
def filled(processor, base) -> EgoflowForConditionalGeneration:
    made = build.assemble(build.config_of(processor), {}, seed=0).eval()
    pretrained_weights.fill(made, base, set(base))
    return made


def own_tokenizer(base) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(base["language_model"])


def test_the_tokenizer_reads_text_as_the_downloaded_one_and_its_words_keep_their_numbers(processor, base):
    own = own_tokenizer(base)
    for text in TEXTS:
        ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == own(text, add_special_tokens=False)["input_ids"]
        assert processor.tokenizer.decode(ids) == text
    numbers = build.config_of(processor).token_ids
    assert (
        (numbers["<unk>"], numbers["<bos>"], numbers["<eos>"]) == (0, own.bos_token_id, own.eos_token_id) == (0, 1, 2)
    )
    new = [number for name, number in numbers.items() if name not in ("<unk>", "<bos>", "<eos>")]
    assert sorted(new) == list(range(len(own), len(own) + len(new)))
    text = "<bos><ego><ego_patch>what?<eos>"
    assert processor.tokenizer(text, add_special_tokens=False)["input_ids"][:3] == [
        numbers[name] for name in ("<bos>", "<ego>", "<ego_patch>")
    ]


def test_a_question_stands_in_the_words_of_the_downloaded_chat_template(processor, base):
    own = own_tokenizer(base)
    assert processor.turn_words == ("[INST] ", " [/INST]")
    said = row(processor, "", [("what does C do?", "C picks up the red cup")])
    chat = [{"role": "user", "content": "what does C do?"}, {"role": "assistant", "content": "C picks up the red cup"}]
    assert own.decode(said.ids) == own.apply_chat_template(chat, tokenize=False)


def test_a_conversation_of_trl_becomes_the_tokens_of_the_batches(processor):
    frames = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    content = [*({"type": "image", "image": frame} for frame in frames), {"type": "text", "text": "what?"}]
    out = processor.apply_chat_template(
        conversation=[[{"role": "user", "content": content}]],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    visual = layout(build.config_of(processor), "ego", 2)
    # without the answer and its end
    assert list(out["input_ids"][0]) == row(processor, visual, [("what?", "")]).ids[:-1]


def test_the_language_model_says_what_the_downloaded_one_says(filled, base):
    theirs = MistralForCausalLM.from_pretrained(base["language_model"], dtype=torch.float32).eval()
    ids = own_tokenizer(base)(TEXTS[0], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        said, expected = filled(input_ids=ids).logits, theirs(input_ids=ids).logits
    # a head of more words is multiplied in blocks of another size, which round otherwise
    torch.testing.assert_close(said[..., : expected.shape[-1]], expected, rtol=1e-5, atol=1e-6)
    table = filled.get_input_embeddings().weight
    assert filled.dtype == table.dtype == torch.float32
    torch.testing.assert_close(table[expected.shape[-1] :], table[: expected.shape[-1]].mean(0).expand(10 + 3, -1))


def test_a_language_model_of_qwen2_with_tied_words_and_its_own_chat(recipe_model, base, tmp_path):
    folder = save_qwen2(tmp_path / "qwen2")
    base = base | {"language_model": str(folder)}
    processor = pretrained_weights.processor(recipe_model.model_copy(update={"base": base}))
    own = PreTrainedTokenizerFast.from_pretrained(folder)
    numbers = build.config_of(processor).token_ids
    assert (numbers["<pad>"], numbers["<eos>"]) == (0, 2) and numbers["<bos>"] >= len(own)
    ids = row(processor, "", [("what?", "a cup")]).ids
    chat = [{"role": "user", "content": "what?"}]
    asked = own.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    said = own(asked + "a cup<|im_end|>", add_special_tokens=False, return_tensors="pt")["input_ids"]
    assert ids == [numbers["<bos>"], *said[0].tolist()]
    made = build.assemble(build.config_of(processor), {}, seed=0).eval()
    pretrained_weights.fill(made, base, {"language_model"})
    theirs = Qwen2ForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        expected = theirs(input_ids=said).logits
        shown = made(input_ids=said).logits[..., : expected.shape[-1]]
    torch.testing.assert_close(shown, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("view", ["ego", "exo"])
def test_a_tower_sees_what_the_downloaded_one_sees_through_its_own_colours(filled, base, view):
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), dtype=np.uint8)
    tower = CLIPVisionModel.from_pretrained(base[f"{view}_encoder"]).eval()
    colours = (frames / 255 - COLOURS["image_mean"]) / COLOURS["image_std"]
    with torch.no_grad():
        pixels = torch.from_numpy(colours).permute(0, 3, 1, 2).float()
        expected = tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        found = filled.model.encode(normalise(frames), view)
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), expected, atol=1e-4, rtol=1e-4)


def test_only_the_named_parts_are_filled(processor, base, filled):
    fresh = build.assemble(build.config_of(processor), {}, seed=0)
    before = {name: value.clone() for name, value in fresh.state_dict().items()}
    pretrained_weights.fill(fresh, base, {"exo_encoder"})
    changed = {part_of(name) for name, value in fresh.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"exo_encoder"}


def test_it_answers_about_videos_of_unlike_lengths_in_words_of_the_downloaded_vocabulary(processor, filled):
    config = filled.config
    texts = [prompt(layout(config, view, n), "what?") for view, n in (("ego", 2), ("exo", 5))]
    batch = processor.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=False)
    shown = torch.rand(7, 3, 64, 64) * 2 - 1
    said = filled.generate(**batch, pixel_values=shown, max_new_tokens=4, min_new_tokens=4, do_sample=False)
    answers = said[:, batch["input_ids"].shape[1] :]
    assert answers.shape == (2, 4) and not set(answers.flatten().tolist()) & set(config.never_generated)


def test_a_checkpoint_reads_as_the_processor_it_was_saved_with(processor, filled, tmp_path):
    filled.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = build.load_processor({"all": tmp_path})
    visual = layout(build.config_of(processor), "exo", 3)
    asked = [("what does C do?", "C picks up")]
    assert row(again, visual, asked) == row(processor, visual, asked)
    assert again.turn_words == processor.turn_words and again.chat_template == processor.chat_template
    loaded = build.load(tmp_path)
    assert loaded.config.image_mean == COLOURS["image_mean"]
    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in filled.state_dict().items())


def test_one_encoder_for_both_views_is_the_ego_one(recipe_model, base):
    shared = pretrained_weights.processor(recipe_model.model_copy(update={"shared_encoder": True}))
    made = build.assemble(build.config_of(shared), {}, seed=0).eval()
    pretrained_weights.fill(made, base, set(base))
    assert {part_of(name) for name, _ in made.named_parameters()} & {"exo_encoder", "exo_connector"} == set()
    frames = torch.rand(2, 3, 64, 64)
    assert torch.equal(made.model.encode(frames, "ego"), made.model.encode(frames, "exo"))


def spoiled(base: dict[str, str], folder: Path, part: str = "ego_encoder") -> Path:
    """A copy to break."""
    return Path(shutil.copytree(base[part], folder / part))


def test_a_folder_of_pickles_is_refused(base, tmp_path):
    broken = spoiled(base, tmp_path)
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no \*.safetensors but \['pytorch_model.bin'\]; a pickle may run code"):
        pretrained_weights.folder_of(str(broken))


def test_what_was_not_downloaded_is_named_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained_weights.constants, "HF_HUB_OFFLINE", True)
    for base in (str(tmp_path / "nowhere"), "nobody/never-downloaded"):
        with pytest.raises(ValueError, match=f"base '{base}' is no folder, and no downloaded name.*hf download"):
            pretrained_weights.folder_of(base)


def test_weights_of_another_shape_than_promised_are_refused(processor, base, tmp_path):
    small = save_tower(tmp_path / "small", seed=0, image_px=32)
    model = build.assemble(build.config_of(processor), {}, seed=0)
    with pytest.raises(ValueError, match=r"lacks \['.*position_embedding.weight'\], or has it in another shape"):
        pretrained_weights.fill(model, base | {"ego_encoder": str(small)}, {"ego_encoder"})


def test_missing_weights_are_refused(processor, base, tmp_path):
    broken = spoiled(base, tmp_path)
    values = json.loads((broken / "config.json").read_text()) | {"num_hidden_layers": 3}
    (broken / "config.json").write_text(json.dumps(values))
    model = build.assemble(build.config_of(processor), {}, seed=0)
    with pytest.raises(ValueError, match="lacks"):
        pretrained_weights.fill(model, base | {"ego_encoder": str(broken)}, {"ego_encoder"})


@pytest.mark.parametrize(
    ("part", "file", "message"),
    [
        ("language_model", "tokenizer.json", "has no tokenizer.json"),
        ("ego_encoder", "preprocessor_config.json", "is missing or has no image_mean"),
    ],
)
def test_a_missing_file_is_named(recipe_model, base, tmp_path, part, file, message):
    broken = spoiled(base, tmp_path, part)
    (broken / file).unlink()
    with pytest.raises(ValueError, match=message):
        pretrained_weights.processor(recipe_model.model_copy(update={"base": base | {part: str(broken)}}))


def test_towers_that_see_colours_differently_are_refused(recipe_model, base, tmp_path):
    broken = spoiled(base, tmp_path)
    (broken / "preprocessor_config.json").write_text(json.dumps(COLOURS | {"image_mean": [0.5, 0.5, 0.5]}))
    with pytest.raises(ValueError, match="exo_encoder .*allowed are equal ones"):
        pretrained_weights.processor(recipe_model.model_copy(update={"base": base | {"ego_encoder": str(broken)}}))
