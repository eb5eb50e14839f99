"""Keys of older files: refused, with the new name; and files that are not what YAML should be."""

from pathlib import Path

import pytest

from components import params
from components.params.renamed_keys import RENAMED

EVERY = [(block, old, new) for block, table in RENAMED.items() for old, new in table.items()]


@pytest.mark.parametrize(("block", "old", "new"), EVERY)
def test_the_error_of_an_old_key_names_the_new_one(block, old, new):
    schema = getattr(params, block)
    assert new in schema.model_fields and old not in schema.model_fields
    with pytest.raises(ValueError, match=f"`{old}` is now `{new}`"):
        schema.model_validate({old: 1})


def test_all_old_keys_of_a_block_are_named_at_once(tmp_path):
    path = tmp_path / "eval.yaml"
    path.write_text("batch: 4\ngate: {}\nseed: 1\n")
    with pytest.raises(
        ValueError, match=r"(?s)`batch` is now `per_device_eval_batch_size`, `gate` is now `promotion`"
    ) as told:
        params.load(path, params.Eval)
    assert str(path) in str(told.value)


def test_an_unknown_key_that_never_was_one_is_refused_as_such():
    with pytest.raises(ValueError, match="rnak\n.*Extra inputs are not permitted"):
        params.Lora.model_validate({"rnak": 4, "r": 4, "lora_alpha": 8, "lora_dropout": 0, "learning_rate": 1e-3})


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
