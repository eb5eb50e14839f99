import numpy as np
import pytest
from PIL import Image

from components.models import build
from components.models.processing import EgoflowProcessor, conversation, layout, normalise
from components.prompts import split_think_answer, think_answer


def test_answers_survive_the_tokenizer(processor):
    answer = think_answer("C picks up the red cup", "[12, 32, 40, 100]")
    ids = processor.tokenizer(answer + "<eos>", add_special_tokens=False)["input_ids"]
    back = processor.tokenizer.decode(ids, skip_special_tokens=True)
    assert split_think_answer(back) == ("C picks up the red cup", "[ 12 , 32 , 40 , 100 ]")
    assert processor.tokenizer.unk_token_id not in ids


def test_layout_has_one_marker_a_step_and_fits_the_limits(processor):
    config = build.config_of(processor)
    assert layout(config, "ego", 2).count("<ego_patch>") == 16
    window = layout(config, "exo", 16)
    assert (window.count("<exo>"), window.count("<exo_patch>")) == (0, 8)
    guided = layout(config, "ego", 4, guidance=True)
    assert guided.count("<guide_patch>") == guided.count("<ego_patch>") == 8


@pytest.mark.parametrize(("view", "n_frames", "guidance"), [("ego", 3, False), ("exo", 4, True)])
def test_impossible_layouts_are_refused(processor, view, n_frames, guidance):
    with pytest.raises(ValueError):
        layout(build.config_of(processor), view, n_frames, guidance=guidance)


def test_the_processor_expands_frames_as_the_batches_do(processor):
    """What TRL's path builds from a conversation equals what our collator builds."""
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    content = [
        *({"type": "image", "image": Image.fromarray(f)} for f in frames),
        {"type": "text", "text": "what does C do?"},
    ]
    out = processor.apply_chat_template(
        conversation=[[{"role": "user", "content": content}]],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
    )
    visual = layout(build.config_of(processor), "ego", 4)
    ids = processor.tokenizer(f"<bos>{visual}<user>what does C do?<assistant>", add_special_tokens=False)["input_ids"]
    assert list(out["input_ids"][0]) == ids
    assert np.allclose(np.asarray(out["pixel_values"]), normalise(frames).numpy())


def test_images_of_another_size_are_refused(processor):
    with pytest.raises(ValueError, match="allowed is"):
        processor.image_processor([[Image.new("RGB", (40, 40))]])


@pytest.mark.parametrize("view", ["ego", "exo"])
def test_a_conversation_says_the_view_and_the_model_whether_it_maps(processor, view):
    told = EgoflowProcessor(
        processor.image_processor, processor.tokenizer, layout_config=processor.layout_config | {"guidance": True}
    )
    text = told.apply_chat_template(conversation("what does C do?", view, 4), add_generation_prompt=True)
    visual = layout(build.config_of(told), view, 4)
    assert ("<guide_patch>" in visual) == (view == "ego") and f"<{view}_patch>" in visual
    expected = processor.tokenizer(f"<bos>{visual}<user>what does C do?<assistant>", add_special_tokens=False)
    assert told(text=[text])["input_ids"] == [expected["input_ids"]]
