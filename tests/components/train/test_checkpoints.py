"""Which parameters a stage may move, and what its checkpoints keep."""

import json
import re

import pytest
import torch

from components import params
from components.models import checkpoint_files
from components.models.backbone import part_of
from components.models.modeling import EgoflowForConditionalGeneration
from components.train import checkpoints
from components.train.pretraining.contrastive import Contrastive
from components.train.safety import resumable
from components.train.trainer import optimiser_groups

LORA = params.Lora(r=4, lora_alpha=8, lora_dropout=0.1, learning_rate=5e-3)
PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def trainable(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def values(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def read_some_text(model: EgoflowForConditionalGeneration, processor) -> torch.Tensor:
    """Logits of a plain question and answer."""
    text = "<bos><user>what does C do?<assistant>C picks up the red cup with the right hand.<eos>"
    ids = processor.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    return model(input_ids=ids, labels=ids)


@pytest.mark.parametrize("train", [{"exo_encoder": 1e-4, "exo_connector": 1e-3}, {"mapping_f": 1e-3}, {}])
def test_prepare_frees_the_parts_of_the_table_and_no_other(model, train):
    checkpoints.prepare(model, train, None)
    assert trainable(model) == {name for name, _ in model.named_parameters() if part_of(name) in train}


def test_adapters_sit_on_every_projection_of_the_language_model_and_nowhere_else(model):
    plain = {name for name, _ in model.named_parameters()}
    checkpoints.prepare(model, {"ego_connector": 1e-3}, LORA)
    adapters = {name for name in trainable(model) if "lora_" in name}
    assert trainable(model) - adapters == {name for name in plain if part_of(name) == "ego_connector"}
    layers = model.config.text_config.num_hidden_layers
    of_layer = ["self_attn." + name for name in PROJECTIONS[:4]] + ["mlp." + name for name in PROJECTIONS[4:]]
    places = {f"model.language_model.layers.{layer}.{name}" for layer in range(layers) for name in of_layer}
    assert {name.rsplit(".lora_", 1)[0] for name in adapters} == places
    assert len(adapters) == 2 * len(places)


def test_a_part_that_is_none_is_named(model):
    with pytest.raises(
        ValueError, match=r"`learning_rates` names \['eyes'\], allowed are .*'ego_encoder'.*mend the recipe"
    ):
        checkpoints.prepare(model, {"ego_encoder": 1e-4, "eyes": 1e-4}, None)


def test_adapters_beside_a_trained_language_model_are_refused(model):
    with pytest.raises(ValueError, match="`lora` and `learning_rates: language_model` exclude one another"):
        checkpoints.prepare(model, {"language_model": 1e-4}, LORA)


def test_fresh_adapters_change_nothing_and_merged_ones_answer_alike(model, processor):
    before = values(model)
    plain = read_some_text(model, processor).logits
    checkpoints.prepare(model, {}, LORA)
    torch.testing.assert_close(read_some_text(model.eval(), processor).logits, plain)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=LORA.learning_rate)
    for _ in range(3):
        optimiser.zero_grad()
        read_some_text(model.train(), processor).loss.backward()
        optimiser.step()
    adapted = read_some_text(model.eval(), processor).logits
    assert (adapted - plain).abs().max() > 1e-3
    checkpoints.merge_adapters(model)
    torch.testing.assert_close(read_some_text(model, processor).logits, adapted, atol=1e-5, rtol=1e-5)
    after = values(model)
    assert list(after) == list(before)
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert {name.split(".")[-2] for name in changed} == set(PROJECTIONS)
    assert {part_of(name) for name in changed} == {"language_model"}


def test_the_newest_whole_checkpoint_is_resumed_and_half_ones_are_removed(tmp_path):
    for step in (2, 10, 12):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "training_args.bin").write_bytes(b"")
    for step in (2, 10):
        resumable.note_sizes(tmp_path / f"checkpoint-{step}")
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    assert resumable.newest(tmp_path) == tmp_path / "checkpoint-10"
    assert re.fullmatch("checkpoint-12: .* missing .* goes on from checkpoint-10", resumable.drop_damaged(tmp_path))
    assert resumable.drop_damaged(tmp_path) is None
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2", "checkpoint-10"}


def test_nothing_to_resume_is_none(tmp_path):
    assert resumable.newest(tmp_path / "trainer") is None


def test_a_saved_stage_is_a_plain_folder_whose_last_file_is_stage_json(model, processor, tmp_path):
    checkpoints.prepare(model, {}, LORA)
    (tmp_path / "trainer" / "checkpoint-2").mkdir(parents=True)
    checkpoints.save(model, processor, tmp_path, {"stage": "stage3"})
    assert {path.name for path in tmp_path.iterdir()} == {"model", "stage.json"}
    made = json.loads((tmp_path / "stage.json").read_text())
    assert made["stage"] == "stage3" and made["files"] == checkpoint_files.digests(tmp_path)
    assert {"model/model.safetensors", "model/config.json"} <= made["files"].keys()
    again = EgoflowForConditionalGeneration.from_pretrained(tmp_path / "model")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items())


RATES = {"ego_encoder": 1e-4, "ego_connector": 1e-3, "mapping_f": 1e-3}


def rate_and_decay(groups: list[dict], model: torch.nn.Module) -> dict[str, list[tuple[float, float]]]:
    """Parameter name to (rate, decay) of every group that holds it."""
    held = {name: [] for name, _ in model.named_parameters()}
    for group in groups:
        members = {id(parameter) for parameter in group["params"]}
        for name, parameter in model.named_parameters():
            if id(parameter) in members:
                held[name].append((group["lr"], group["weight_decay"]))
    return held


def test_every_trainable_parameter_is_in_one_group_with_its_own_rate(model):
    checkpoints.prepare(model, RATES, LORA)
    groups = optimiser_groups(model, RATES, lora_rate=LORA.learning_rate, weight_decay=0.02)
    shape = {name: parameter.ndim for name, parameter in model.named_parameters()}
    for name, held in rate_and_decay(groups, model).items():
        rate = LORA.learning_rate if "lora_" in name else RATES.get(part_of(name))
        expected = [(rate, 0.02 if shape[name] > 1 else 0.0)] if name in trainable(model) else []
        assert held == expected, name


def test_muon_takes_the_matrices_of_transformer_layers_and_nothing_else(model):
    rates = {"language_model": 1e-3, "ego_encoder": 1e-4, "ego_connector": 1e-3}
    checkpoints.prepare(model, rates, None)
    groups = optimiser_groups(model, rates, lora_rate=None, weight_decay=0.02, muon_rate=0.01)
    by_muon = {id(parameter) for group in groups if group["use_muon"] for parameter in group["params"]}
    assert {group["lr"] for group in groups if group["use_muon"]} == {0.01}
    for name, parameter in model.named_parameters():
        inside = ".language_model.layers." in name or ".ego_encoder" in name and ".layers." in name
        assert (id(parameter) in by_muon) == (inside and parameter.ndim == 2), name
    assert sum(len(group["params"]) for group in groups) == len(trainable(model))


def test_pretext_heads_take_the_highest_rate_of_the_stage(model):
    rates = {"ego_encoder": 1e-4, "ego_connector": 5e-4}
    checkpoints.prepare(model, rates, None)
    wrapped = Contrastive(model)
    held = rate_and_decay(optimiser_groups(wrapped, rates, lora_rate=None, weight_decay=0.1), wrapped)
    heads = {name: group for name, group in held.items() if name.startswith("pretext.")}
    assert heads and all(len(group) == 1 and group[0][0] == 5e-4 for group in heads.values())
    assert held["pretext.log_scale"] == [(5e-4, 0.0)]
    assert {name for name, group in held.items() if group} == trainable(wrapped)
