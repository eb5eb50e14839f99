"""GRPO trains what supervised training does, of either view and with F(x): the same likelihoods, the same gradients."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from trl.data_utils import prepare_multimodal_messages
from trl.trainer.utils import add_fused_lm_head

from components.models.backbone import part_of
from components.models.processing import conversation
from components.train.dataset import Collate
from components.train.grpo.shared_prompt import SharedPromptTrainer

QUESTION, ANSWER = "what does C do?", "C picks up the red cup"
TRAINED = {  # by view, and whether F(x) stands beside x
    ("ego", False): {"language_model", "ego_encoder", "ego_connector"},
    ("exo", False): {"language_model", "exo_encoder", "exo_connector"},
    ("ego", True): {"language_model", "ego_encoder", "ego_connector", "mapping_f", "exo_connector"},
    ("exo", True): {"language_model", "exo_encoder", "exo_connector"},
}


def gradients(model) -> dict[str, torch.Tensor]:
    found = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize(("view", "guidance"), TRAINED)
def test_a_completion_is_as_likely_as_in_supervised_training(model, processor, view, guidance):
    model.config.guidance = guidance
    told = processor.__class__(
        processor.image_processor, processor.tokenizer, layout_config=processor.layout_config | {"guidance": guidance}
    )
    frames = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8)
    batch = Collate(model.config, told)([{"view": view, "frames": frames, "turns": [(QUESTION, ANSWER)]}])
    loss = model(**batch).loss
    loss.backward()
    expected = gradients(model)

    messages = prepare_multimodal_messages(conversation(QUESTION, view, len(frames)), list(frames))
    prompt = told.apply_chat_template([messages], add_generation_prompt=True, tokenize=True, return_dict=True)
    said = told.tokenizer(f"{ANSWER}<eos>", add_special_tokens=False)["input_ids"]
    ids = torch.tensor([prompt["input_ids"][0] + said])
    trainer = SimpleNamespace(accelerator=SimpleNamespace(autocast=nullcontext), _tokenizer=told.tokenizer)
    add_fused_lm_head(model)
    logps, _, _ = SharedPromptTrainer._get_per_token_logps_and_entropies(
        trainer, model, ids, torch.ones_like(ids), len(said), pixel_values=prompt["pixel_values"], num_images=[4]
    )
    torch.testing.assert_close(-logps.mean(), loss, rtol=1e-5, atol=1e-5)
    (-logps.mean()).backward()
    found = gradients(model)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=name)
    assert {part_of(name) for name, value in found.items() if value.any()} == TRAINED[view, guidance]
