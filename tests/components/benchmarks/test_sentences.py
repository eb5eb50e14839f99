"""Wrong options by sentences: a random model in the layout of sentence-transformers, and vectors drawn by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from components.benchmarks import charades_ego
from components.benchmarks.shared.files import RowError
from components.benchmarks.shared.sentences import SAME, embedder, most_alike, nearest_of

WORDS = "door book lamp hand cup pan towel shoe bag box chair table phone sink knife window".split()
NAMES = ["closing a door", "opening a door", "eating", *(f"holding the {word}" for word in WORDS), *WORDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp("sentences")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for name in NAMES for word in name.split()})]
    (made / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(made / "vocab.txt")).save_pretrained(made)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), initializer_range=1.0, **sizes)).save_pretrained(made)
    kinds = [f"sentence_transformers.models.{name}" for name in ("Transformer", "Pooling", "Normalize")]
    (made / "modules.json").write_text(json.dumps([{"type": kind} for kind in kinds]))
    (made / "1_Pooling").mkdir()
    pooled = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
    (made / "1_Pooling/config.json").write_text(json.dumps(pooled))
    return made


def test_a_vector_is_the_mean_of_the_tokens_of_length_one_whatever_stands_beside(folder):
    together = embedder(folder)(NAMES)
    tokenizer, model = BertTokenizerFast.from_pretrained(folder), BertModel.from_pretrained(folder).eval()
    for name, vector in zip(NAMES, together, strict=True):
        with torch.no_grad():
            mean = model(**tokenizer(name, return_tensors="pt")).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(vector, mean / mean.norm(), atol=1e-5)


def test_wrong_options_of_charades_are_the_nearest_sentences(folder, tmp_path):
    (tmp_path / "Charades_v1_classes.txt").write_text("".join(f"c{n:03} {name}\n" for n, name in enumerate(NAMES)))
    (tmp_path / "CharadesEgo_v0_test.csv").write_text("id,actions\nBHP3HEGO,c000 1.5 4.0\n")
    vectors = dict(zip(NAMES, embedder(folder)(NAMES), strict=True))
    [sample] = charades_ego.BENCHMARK.load_alike(tmp_path, nearest_of(folder)).samples
    assert set(sample.target.options) == {NAMES[0], *most_alike(NAMES[0], NAMES[1:], vectors, count=4)}
    [by_words] = charades_ego.load(tmp_path).samples
    assert set(by_words.target.options) != set(sample.target.options)


def test_what_says_the_same_is_no_wrong_option_and_no_second_one():
    angles = {"right": 0.0, "same": 0.1, "near": 0.5, "like near": 0.6, "far": 1.2}
    assert np.cos(0.1) > SAME and np.cos(0.5) < SAME
    vectors = {name: np.array([np.cos(angle), np.sin(angle)]) for name, angle in angles.items()}
    others = [name for name in angles if name != "right"]
    assert most_alike("right", others, vectors, count=2) == ["near", "far"]
    with pytest.raises(RowError, match="too_few_wrong_options"):
        most_alike("right", others, vectors, count=3)


def test_a_folder_of_another_form_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match=r"has no modules.json.*sentence_model"):
        embedder(tmp_path)
    (tmp_path / "modules.json").write_text((folder / "modules.json").read_text())
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    with pytest.raises(ValueError, match=r"pools by \['pooling_mode_cls_token'\]; allowed are"):
        embedder(tmp_path)
