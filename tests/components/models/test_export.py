import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedTokenizerFast

from components import params
from components.models import build, checkpoint_files, export
from components.models.processing import layout, normalise, prompt
from components.train import checkpoints

QUESTION = "what does C do?"


@pytest.fixture
def checkpoint(model, processor, tmp_path) -> Path:
    """A finished stage whose language model had adapters that moved."""
    checkpoints.prepare(model, {}, params.Lora(r=4, lora_alpha=8, lora_dropout=0.0, learning_rate=1e-3))
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    provenance = {"stage": "stage3", "stage_key": "k", "dataset_digest": "d", "parents": {"all": "checkpoints/a"}}
    checkpoints.save(model, processor, tmp_path / "stage3-k", provenance)
    return tmp_path / "stage3-k"


def question(processor, config, n_frames: int) -> torch.Tensor:
    visual = layout(config, "ego", n_frames)
    return processor.tokenizer(prompt(visual, QUESTION), add_special_tokens=False, return_tensors="pt")["input_ids"]


def test_the_whole_model_answers_as_the_stage_did(checkpoint, model, processor, tmp_path):
    export.export(checkpoint, tmp_path / "out")
    again = AutoModelForImageTextToText.from_pretrained(
        tmp_path / "out", attn_implementation=model.config._attn_implementation
    )
    read = build.load_processor({"all": tmp_path / "out"})
    frames = normalise(np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), dtype=np.uint8))
    ids = question(read, again.config, 4)
    assert torch.equal(ids, question(processor, model.config, 4))
    with torch.no_grad():
        assert torch.equal(again(input_ids=ids, pixel_values=frames).logits, model(ids, pixel_values=frames).logits)
    assert again.generation_config.suppress_tokens == model.config.never_generated
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".json", ".jinja", ".safetensors"}
    assert not any("lora" in name for name in load_file(tmp_path / "out" / "model.safetensors"))
    made_by = json.loads((tmp_path / "out" / "made_by.json").read_text())
    assert made_by == {"checkpoint": "stage3-k", "part": "all"} | json.loads((checkpoint / "stage.json").read_text())


def test_the_language_model_is_transformers_own_and_answers_text_alike(checkpoint, model, processor, tmp_path):
    export.export(checkpoint, tmp_path / "out", part="language_model")
    plain = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", attn_implementation=model.config._attn_implementation
    )
    assert type(plain).__module__ == "transformers.models.qwen2.modeling_qwen2"
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "out")
    ids = tokenizer(prompt("", QUESTION), add_special_tokens=False, return_tensors="pt")["input_ids"]
    assert torch.equal(ids, question(processor, model.config, 0))
    with torch.no_grad():
        assert torch.equal(plain(ids).logits, model(ids).logits)
    said = plain.generate(ids, max_new_tokens=4, do_sample=False)[0, ids.shape[1] :]
    assert not set(said.tolist()) & set(model.config.never_generated)


@pytest.mark.slow
def test_the_language_model_needs_no_code_of_ours(checkpoint, tmp_path):
    export.export(checkpoint, tmp_path / "out", part="language_model")
    code = (
        "import sys\nfrom transformers import AutoModelForCausalLM as A\n"
        "_, found = A.from_pretrained(sys.argv[1], output_loading_info=True)\n"
        "assert not any(found.values()), found\nassert 'components' not in sys.modules"
    )
    subprocess.run([sys.executable, "-P", "-c", code, str(tmp_path / "out")], cwd=tmp_path, check=True)


def test_a_stage_that_has_not_ended_is_refused(checkpoint, tmp_path, monkeypatch, capsys):
    (checkpoint / "stage.json").unlink()
    with pytest.raises(ValueError, match="has no stage.json, so it is no finished checkpoint"):
        export.export(checkpoint, tmp_path / "out")
    command = ["export", "--checkpoint", str(checkpoint), "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        export.main()
    assert ended.value.code == 2 and "no finished checkpoint" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weights_of_another_class_are_refused_by_name(checkpoint, tmp_path):
    file = checkpoint / "model" / "model.safetensors"
    weights = load_file(file)
    name = "model.language_model.layers.0.self_attn.q_proj"
    weights[f"{name}.base_layer.weight"] = weights.pop(f"{name}.weight")
    save_file(weights, file, metadata={"format": "pt"})
    checkpoint_files.finish(checkpoint, json.loads((checkpoint / "stage.json").read_text()))
    with pytest.raises(ValueError, match="has not the parameters of EgoflowFor.*q_proj"):
        export.export(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_written_into(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="exists; name a folder that does not"):
        export.export(checkpoint, tmp_path)


def test_only_egoflow_has_a_language_model_to_take_out(model):
    with pytest.raises(ValueError, match="EgoflowModel has no language model that is a class of its own"):
        export.language_model(model.model)
