"""Keys of older files: refused, with the new name; and files that are not what YAML should be."""

from pathlib import Path

import pytest

from components import params
from components.params.renamed_keys import RENAMED

EVERY = [(block, old, new) for block, table in RENAMED.items() for old, new in table.items()]


@pytest.mark.parametrize(("block", "old", "new"), EVERY)
def test_the_error_of_an_old_key_names_the_new_one(block, old, new, tmp_path):
    schema = getattr(params, block)
    assert new in schema.model_fields and old not in schema.model_fields
    (tmp_path / "old.yaml").write_text(f"{old}: 1\n")
    with pytest.raises(ValueError, match=f"`{old}`: `{old}` is now `{new}`"):
        params.load(tmp_path / "old.yaml", schema)


def test_all_old_keys_of_a_block_are_named_at_once(tmp_path):
    path = tmp_path / "eval.yaml"
    path.write_text("batch: 4\ngate: {}\nseed: 1\n")
    with pytest.raises(ValueError, match=r"(?s)`batch` is now `max_batch_tokens`.*`gate` is now `promotion`") as told:
        params.load(path, params.Eval)
    assert str(path) in str(told.value)


def test_an_unknown_key_that_never_was_one_is_refused_with_what_is_near(tmp_path):
    path = tmp_path / "lora.yaml"
    path.write_text("rnak: 4\nr: 4\nlora_alfa: 8\nlora_dropout: .nan\nlearning_rate: [1]\n")
    with pytest.raises(ValueError, match=r"has mistakes \(5\):") as told:
        params.load(path, params.Lora)
    for words in (
        "- `rnak`: the key is unknown, allowed are learning_rate, lora_alpha, lora_dropout, r\n",
        "- `lora_alfa`: the key is unknown (did you mean lora_alpha?), allowed are",
        "- `lora_alpha`: nothing came, the key is required",
        "- `lora_dropout`: nan came; input should be",
        "- `learning_rate`: [1] came; input should be a valid number; or: [1] came; input should be a valid dictionary",
    ):
        assert words in str(told.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nlimits: {qa: 3}\nseed: 2\n", r'line 3: found duplicate key "seed" .*; allowed is each key once'),
        ("limits:\n  qa: 3\n  qa: 4\n", r'line 3: found duplicate key "qa"'),
        ("- seed: 1\n", r"has \[\{'seed': 1\}\] at its top level, allowed are keys with values"),
        ("", "has None at its top level, allowed are keys with values"),
        ("seed: [1\n", "is no YAML: .*\nMend it there"),
    ],
)
def test_a_file_that_is_no_mapping_of_single_keys_is_refused_in_words(tmp_path: Path, text, words):
    path = tmp_path / "eval.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"(?s){path}.*{words}"):
        params.load(path, params.Eval)
