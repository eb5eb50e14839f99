"""Tiny weights in the place of downloaded ones: training reads them as it would read those."""

import json
from pathlib import Path

import pytest

from components import params
from components.models import build, pretrained_weights, qwen_vl
from components.train.rehearsal import smaller, tiny_bases

ROOT = Path(__file__).parents[4]
DATA = smaller.data(params.load(ROOT / "params/data.yaml", params.Data))
VISIBLE = "<think>it is on the left</think><answer>[0, 12, 36, 48]</answer> ä\n"


def recipe(name: str) -> params.Recipe:
    return params.load(ROOT / f"params/recipes/{name}.yaml", params.Recipe)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bases")


@pytest.mark.parametrize(("name", "tied"), [("egovlm", True), ("egothinker", False)])
def test_a_qwen_base_is_of_the_published_class(name, tied, folder):
    model = recipe(name).model
    [base] = tiny_bases.write(model, folder, DATA)
    assert (base.base, base.reading) == (model.base, "twin")
    made = qwen_vl.load(Path(base.folder), architecture=model.architecture)
    # 3B has tied embeddings, 7B has not; heads share keys in both
    assert made.config.tie_word_embeddings is tied
    text = made.config.text_config
    assert text.num_key_value_heads < text.num_attention_heads and made.num_parameters() < 1e6
    processor = qwen_vl.load_processor(Path(base.folder), pixels=100352)
    assert type(processor.tokenizer).__name__ == "Qwen2Tokenizer"
    assert processor.image_processor.patch_size == 14 and processor.image_processor.size["shortest_edge"] == 3136
    ids = processor.tokenizer(VISIBLE)["input_ids"]
    assert processor.tokenizer.decode(ids, skip_special_tokens=True) == VISIBLE
    again = tiny_bases.write(model, folder, DATA)
    assert again == [base], "kept, so that its stages are"


@pytest.mark.parametrize(("name", "turn"), [("exo2ego", "[INST]"), ("ego2exovlm", "<|im_start|>user")])
def test_bases_of_egoflow_fill_the_whole_model(name, turn, folder):
    whole = recipe(name)
    bases = {base.base: Path(base.folder) for base in tiny_bases.write(whole.model, folder, DATA)}
    assert len(bases) == 2, "two towers of one name are one folder"
    small = smaller.recipe(whole, bases=bases, frames=DATA.frames, ranks=1, zero_stage=None, has_gpus=False, on="world")
    processor = pretrained_weights.processor(small.model)
    model = build.assemble(build.config_of(processor), {}, seed=0)
    pretrained_weights.fill(model, small.model.base, set(small.model.base))
    assert model.config.image_px == DATA.frames.size_px
    assert model.config.vision_grid >= 8, "F and G halve it twice, and then look beyond its edge"
    assert turn in "".join(processor.turn_words)
    ids = processor.tokenizer(VISIBLE, add_special_tokens=False)["input_ids"]
    assert processor.tokenizer.decode(ids, skip_special_tokens=True) == VISIBLE


def test_the_miniature_has_no_bases(folder):
    assert tiny_bases.write(recipe("miniature").model, folder, DATA) == []


def test_published_files_are_taken_and_pickles_are_not(folder, tmp_path):
    twin = Path(tiny_bases.write(recipe("egovlm").model, folder, DATA)[0].folder)
    local = tmp_path / "downloaded"
    local.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (local / name).write_bytes((twin / name).read_bytes())
    images = json.loads((twin / "preprocessor_config.json").read_text()) | {"max_pixels": 1003520}
    (local / "preprocessor_config.json").write_text(json.dumps(images))
    (local / "pytorch_model.bin").write_bytes(b"pickle")
    model = recipe("egovlm").model.model_copy(update={"base": str(local)})
    [base] = tiny_bases.write(model, tmp_path / "bases", DATA)
    assert base.reading == "published"
    assert not (Path(base.folder) / "pytorch_model.bin").exists()
    assert qwen_vl.load_processor(Path(base.folder), pixels=None).image_processor.size["longest_edge"] == 1003520
    qwen_vl.load(Path(base.folder), architecture="qwen2_5_vl")


def test_an_unknown_tokenizer_is_refused_with_the_way_to_get_it(tmp_path):
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    whole = recipe("exo2ego").model
    model = whole.model_copy(update={"base": {**whole.base, "language_model": str(tmp_path / "llama")}})
    with pytest.raises(ValueError, match="no tokenizer of 'llama' is on this machine"):
        tiny_bases.write(model, tmp_path / "bases", DATA)
