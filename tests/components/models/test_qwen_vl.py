"""Downloaded Qwen folders: what is refused, what a processor shows, and that nothing of a folder is lost."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer
from trl.data_utils import prepare_multimodal_messages

from components import params
from components.models import qwen_vl

BOX = {"kind": "box", "box_xyxy": [0.0, 0.0, 20.0, 20.0]}


def item(n_frames: int = 2, *, side: int = 64, **changes) -> dict:
    frames = np.random.default_rng(n_frames).integers(0, 255, (n_frames, side, side, 3), dtype=np.uint8)
    plain = {"question": "what does C do?", "answer": "C picks up the red cup.", "question_type": "caption"}
    plain |= {"reasoned": False, "media": [{"start_s": 0.0, "end_s": 2.0}]}
    made = {
        **plain,
        "target": {"kind": "text"},
        "frame_kind": "clip",
        "view": "ego",
        "frames": frames,
        "times_s": None,
        **changes,
    }
    return qwen_vl.shown(made, most_frames=None)


@pytest.fixture(params=params.QWEN)
def base(request, qwen_bases):
    return qwen_bases[request.param]


@pytest.fixture
def copied(base, tmp_path):
    """A folder of one's own, to break."""
    return shutil.copytree(base, tmp_path / "base")


@pytest.mark.parametrize(
    "names", [["config.json"], ["model.safetensors"], ["tokenizer.json"], ["preprocessor_config.json"]]
)
def test_a_folder_that_lacks_something_is_refused_by_name(copied, names):
    for name in names:
        (copied / name).unlink()
    (copied / "vocab.json").unlink(missing_ok=True)
    with pytest.raises(ValueError, match=f"lacks .*{names[0]}.*download it again, or mend `base`"):
        qwen_vl.folder_of(copied)


def test_a_missing_shard_is_named(copied):
    (copied / "model.safetensors").rename(copied / "model-00001-of-00002.safetensors")
    shards = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (copied / "model.safetensors.index.json").write_text(json.dumps(shards))
    with pytest.raises(ValueError, match="lacks model-00002-of-00002.safetensors: download it again"):
        qwen_vl.folder_of(copied)


def test_pickled_weights_are_not_read(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ValueError, match="lacks model.safetensors .*Pickled weights are never read"):
        qwen_vl.folder_of(copied)


def test_a_name_that_was_not_downloaded_says_how_to(monkeypatch, tmp_path):
    monkeypatch.setattr(qwen_vl.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match="`hf download nobody/no-model` brings them there"):
        qwen_vl.folder_of("nobody/no-model")


def test_a_name_is_found_where_it_was_downloaded_to(base, monkeypatch, tmp_path):
    monkeypatch.setattr(qwen_vl.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--somebody--tiny" / "snapshots" / "abc"
    shutil.copytree(base, snapshot)
    (tmp_path / "models--somebody--tiny" / "refs").mkdir()
    (tmp_path / "models--somebody--tiny" / "refs" / "main").write_text("abc")
    assert qwen_vl.folder_of("somebody/tiny") == snapshot


def test_another_architecture_is_refused(qwen_bases):
    with pytest.raises(ValueError, match="is a 'qwen2_vl', the recipe's architecture is 'qwen2_5_vl'"):
        qwen_vl.load(qwen_bases["qwen2_vl"], architecture="qwen2_5_vl")


def test_missing_parameters_are_refused(copied):
    weights = load_file(copied / "model.safetensors")
    name = next(name for name in weights if "merger" in name)
    del weights[name]
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"has not the parameters of Qwen.*merger"):
        qwen_vl.load(copied)


def test_what_the_chat_model_prefers_when_it_samples_is_left_out(base):
    model = qwen_vl.load(base)
    assert model.generation_config.repetition_penalty is None and model.generation_config.top_k is None
    tokenizer = AutoTokenizer.from_pretrained(base)
    assert model.generation_config.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert set(tokenizer.convert_ids_to_tokens(model.generation_config.suppress_tokens)) == {
        "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>",
    }  # fmt: skip


@pytest.mark.parametrize(("side", "pixels", "tokens"), [(64, None, 4), (280, None, 100), (280, 12544, 16)])
def test_the_pixels_of_the_recipe_are_the_most_that_a_frame_has(base, side, pixels, tokens):
    processor = qwen_vl.load_processor(base, pixels=pixels)
    prompts = qwen_vl.encode(processor, [item(3, side=side)])
    assert prompts["input_ids"][0].count(processor.image_token_id) == 3 * tokens
    assert [int(np.prod(grid)) for grid in prompts["image_grid_thw"]] == [4 * tokens] * 3


def test_the_processor_lays_out_what_trl_lays_out(base):
    """Our batches and TRL's prompts must be the same tokens and the same pixels."""
    processor = qwen_vl.load_processor(base, pixels=None)
    one = item(4)
    images = list(one["frames"])
    message = prepare_multimodal_messages([{"role": "user", "content": one["question"]}], images=images)
    theirs = processor.apply_chat_template(
        conversation=[message], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    ours = qwen_vl.encode(processor, [one])
    assert theirs["input_ids"] == ours["input_ids"]
    assert np.array_equal(theirs["pixel_values"], ours["pixel_values"])
    assert processor.tokenizer.decode(ours["input_ids"][0]).endswith(
        "<|vision_end|>what does C do?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_samples_with_frames_and_without_stand_in_one_batch(base):
    processor = qwen_vl.load_processor(base, pixels=None)
    prompts = qwen_vl.encode(processor, [item(2), item(0), item(5)])
    counts = [ids.count(processor.image_token_id) for ids in prompts["input_ids"]]
    assert counts == [8, 0, 20] and len(prompts["image_grid_thw"]) == 7
    assert [sum(kinds) for kinds in prompts["mm_token_type_ids"]] == counts


def test_images_that_are_alike_are_prepared_once_and_stand_as_often_as_they_were_given(base, monkeypatch):
    processor = qwen_vl.load_processor(base, pixels=None)
    items, prepared = [item(2), item(3, side=96), item(2), item(1)], []
    prepare = processor.image_processor._preprocess
    monkeypatch.setattr(
        processor.image_processor,
        "_preprocess",
        lambda images, **how: prepared.append(len(images)) or prepare(images, **how),
    )
    once = qwen_vl.encode(processor, items)
    assert prepared == [2 + 3 + 1]
    each = [qwen_vl.encode(processor, [one]) for one in items]
    for name in ("pixel_values", "image_grid_thw"):
        assert np.array_equal(once[name], np.concatenate([one[name] for one in each]))
    assert once["input_ids"] == [one["input_ids"][0] for one in each]


def test_a_saved_processor_is_the_folder_it_was_read_from_with_the_pixels_it_was_trained_at(base, tmp_path):
    qwen_vl.load_processor(base, pixels=6272).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        assert (tmp_path / name).read_bytes() == (base / name).read_bytes()
    before, after = (json.loads((folder / "preprocessor_config.json").read_text()) for folder in (base, tmp_path))
    size = {"shortest_edge": 3136, "longest_edge": 6272}
    assert after == before | {"min_pixels": 3136, "max_pixels": 6272, "size": size}
    assert dict(qwen_vl.load_processor(tmp_path, pixels=None).image_processor.size) == size
    assert not (tmp_path / "config.json").exists()


@given(st.integers(1, 64), st.integers(1, 64))
def test_at_most_so_many_frames_are_shown_in_order(stored, most):
    frames = np.arange(stored)
    shown = qwen_vl.shown(
        {"frames": frames, "times_s": frames + 0.5, "frame_kind": "window", "question": "q", "answer": "a"}
        | {"target": {"kind": "text"}, "question_type": "t", "reasoned": False}
        | {"media": [{"start_s": 0.0, "end_s": 64.0}]},
        most_frames=most,
    )
    assert np.array_equal(shown["times_s"], shown["frames"] + 0.5)
    shown = shown["frames"]
    step = -(-stored // most)
    assert len(shown) == -(-stored // step) <= most, "as many as one distance allows"
    assert (np.diff(shown) == step).all() and np.isin(shown, frames).all()
    assert abs(shown[0] - (stored - 1 - shown[-1])) <= 1, "as many are left out at both ends"


def test_a_still_image_is_shown_once():
    assert len(item(2, frame_kind="image")["frames"]) == 1


@pytest.mark.parametrize(
    ("target", "question_type", "ends"),
    [
        ({"kind": "text"}, "caption", "do?"),
        ({"kind": "choice", "choices": ["a cup", "a pan"]}, "object", "a cup; a pan. Answer with the option alone."),
        ({"kind": "choice", "choices": ["a"]}, "cot", "letter of the right option alone inside <answer></answer>."),
        (BOX, "spatial", "[x1, y1, x2, y2] in percent of the frame, as integers inside <answer></answer>."),
        ({"kind": "span"}, "temporal", "in seconds from the start of the video inside <answer></answer>."),
    ],
)  # fmt: skip
def test_the_question_says_how_it_is_answered(target, question_type, ends):
    made = item(target=target, question_type=question_type)
    assert made["question"].startswith("what does C do?") and made["question"].endswith(ends)
    assert made["turns"] == [(made["question"], made["answer"])]
