import pytest
import torch

from components.models.processing import layout, prompt
from components.train.packing import IGNORE, pad, row

TURNS = [("what does C do?", "C picks up the red cup."), ("red?", "cup"), ("the hand?", "with the right hand")]


@pytest.fixture
def visual(model):
    return layout(model.config, "ego", 4)


def test_only_answers_are_learned(processor):
    packed = row(processor, "<ego>", TURNS)
    learned = [number for number in packed.labels if number != IGNORE]
    assert processor.tokenizer.decode(learned).replace(" ", "") == "<eos>".join(
        [answer.replace(" ", "") for _, answer in TURNS] + [""]
    )
    assert all(label in (IGNORE, number) for label, number in zip(packed.labels, packed.ids, strict=True))


def test_rows_of_unlike_length_are_padded(processor):
    batch = pad([row(processor, "", TURNS), row(processor, "", TURNS[1:2])], pad_id=0)
    length = batch["input_ids"].shape[1]
    assert batch["attention_mask"].shape == (2, 1, length, length)
    short = len(row(processor, "", TURNS[1:2]).ids)
    assert (batch["labels"][1, short:] == IGNORE).all() and (batch["input_ids"][1, short:] == 0).all()
    assert not batch["attention_mask"][1, 0, :short, short:].any()


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_packed_question_is_read_as_if_it_stood_alone(model, processor, visual, attention):
    model.set_attn_implementation(attention)
    frames = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    batch = pad([row(processor, visual, TURNS)], pad_id=0)
    with torch.no_grad():
        together = model(**{**batch, "labels": None}, pixel_values=frames).logits[0]
        for number, (question, answer) in enumerate(TURNS, start=1):
            alone = processor.tokenizer(
                f"{prompt(visual, question)}{answer}<eos>", add_special_tokens=False, return_tensors="pt"
            )["input_ids"]
            logits = model(alone, pixel_values=frames).logits[0]
            mine = torch.tensor(row(processor, visual, TURNS).turns) == number
            torch.testing.assert_close(together[mine], logits[-int(mine.sum()) :], rtol=1e-4, atol=1e-5)
