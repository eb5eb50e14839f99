"""Both sides of the SFT benchmark learn the same from the same samples, so that their times may be compared."""

import numpy as np
import torch

from components.models import build
from components.models.processing import build_tokenizer
from components.train.dataset import Collate
from tests.benchmarks import sft
from tests.components.conftest import TINY

TURNS = [("what does C do?", "C picks up the red cup."), ("red?", "cup"), ("the hand?", "with the right hand")]


def test_rows_of_several_questions_have_the_token_losses_of_trls_rows():
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling
    from trl.trainer.utils import add_fused_lm_head

    tokenizer = build_tokenizer([text for turn in TURNS for text in turn])
    processor = build.processor_for(build.tiny_config(TINY, tokenizer), tokenizer)
    config = build.config_of(processor)
    model = build.assemble(config, {}, seed=0)
    rng = np.random.default_rng(0)
    items = [
        {
            "turns": turns, "view": "ego",
            "frames": rng.integers(0, 255, (frames, 64, 64, 3), dtype=np.uint8),
        }
        for turns, frames in ((TURNS, 2), (TURNS[1:], 4), (TURNS[:1], 16))
    ]  # fmt: skip
    batch = Collate(config, processor)(items)
    labels = batch["labels"][:, 1:]
    with torch.no_grad():
        output = model(**batch)
        ours = torch.nn.functional.cross_entropy(output.logits, labels[labels != -100], reduction="none")
        asked = [sft.conversation(item, turn) for item in items for turn in range(len(item["turns"]))]
        plain = DataCollatorForVisionLanguageModeling(processor, completion_only_loss=True)(asked)
        add_fused_lm_head(model)
        theirs = model(**plain, fused_lm_head=True)
    assert len(plain["input_ids"]) == 6 and len(batch["input_ids"]) == 3
    torch.testing.assert_close(ours, -theirs.log_probs[plain["labels"][:, 1:] != -100], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.mean(), output.loss)
