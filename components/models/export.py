"""A finished checkpoint as a plain transformers folder: the whole model, or its language model as a class of its own.

Run as: python -m components.models.export --checkpoint checkpoints/grpo-… --output exported [--part language_model]

The whole model is loaded by the classes of components/models; its language model by transformers alone.
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PreTrainedModel, PreTrainedTokenizerFast

from components.models import build, checkpoint_files
from components.models.hub_configs import READING
from components.models.modeling import EgoflowForConditionalGeneration
from components.models.typed_transformers import load_with_info

PARTS = ("all", "language_model")
MADE_BY = "made_by.json"


def export(checkpoint: Path, output: Path, *, part: str = "all") -> None:
    """Write a folder that `from_pretrained` loads: config, safetensors, tokenizer, and `made_by.json`.

    Args:
        checkpoint: folder of a finished stage; its adapters were merged when the stage ended.
        output: folder to write; it appears only when it is complete.
        part: "all", or "language_model" for the causal language model by itself, as transformers' own class.

    Raises:
        ValueError: no such part, the stage is not finished or damaged, the weights are not those of the class that the
            folder names, there is no language model to take out, or `output` exists.
    """
    if part not in PARTS:
        raise ValueError(f"part {part!r} came, allowed are {list(PARTS)}")
    if not (checkpoint / checkpoint_files.RECORD).is_file():
        raise ValueError(
            f"{checkpoint} has no stage.json, so it is no finished checkpoint; allowed are folders "
            "checkpoints/<stage>-<key> of stages that ended. Run the pipeline again: it goes on where the stage stopped"
        )
    made = checkpoint_files.check(checkpoint, members=())
    if output.exists():
        raise ValueError(f"{output} exists; name a folder that does not, or remove it")
    model = load(checkpoint / "model")
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    if part == "all":
        model.save_pretrained(partial)
        for pattern in READING:
            for path in (checkpoint / "model").glob(pattern):
                shutil.copy(path, partial / path.name)
    else:
        language_model(model).save_pretrained(partial)
        # by this class, too, it is to be loaded: AutoTokenizer of transformers 5.23 takes Qwen2's own rules for any
        # folder whose model is qwen2, and reads the words of the miniature's tokenizer otherwise than they were trained
        PreTrainedTokenizerFast.from_pretrained(checkpoint / "model").save_pretrained(partial)
    made_by = {"checkpoint": checkpoint.name, "part": part, **made}
    (partial / MADE_BY).write_text(json.dumps(made_by, indent=2))
    partial.rename(output)


def load(folder: Path) -> PreTrainedModel:
    """Load the model of a folder, in the precision that it is kept in, by the class that its config.json names.

    Raises:
        ValueError: parameters are missing, or are there that the class does not have (adapters that nobody merged).
    """
    build.register()
    model, found = load_with_info(AutoModelForImageTextToText, folder, dtype="auto")
    if wrong := sorted(found["missing_keys"]) + sorted(found["unexpected_keys"]):
        raise ValueError(
            f"{folder} has not the parameters of {type(model).__name__}: {wrong[:3]} and {len(wrong[3:])} more are "
            "missing or unknown; a stage merges its adapters when it ends, train it again"
        )
    return model


def language_model(model: PreTrainedModel) -> PreTrainedModel:
    """Return the causal language model inside: same weights, same logits for text; what only places frames is left out.

    Raises:
        ValueError: the model is not Egoflow, whose language model is a class of its own in transformers.
    """
    if not isinstance(model, EgoflowForConditionalGeneration):
        raise ValueError(
            f"{type(model).__name__} has no language model that is a class of its own; export it as a whole"
        )
    config = copy.deepcopy(model.config.text_config)
    config.tie_word_embeddings = False  # Egoflow's head is always a matrix of its own
    with torch.device("meta"):
        plain = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    plain.model, plain.lm_head = model.model.language_model, model.lm_head
    plain.generation_config = copy.deepcopy(model.generation_config)
    return plain


def main() -> int:
    """Read the command line and export; give the exit code."""
    parser = argparse.ArgumentParser(prog="components.models.export", description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of a finished stage")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must not exist")
    parser.add_argument("--part", choices=PARTS, default="all", help="what to take out (default: %(default)s)")
    options = parser.parse_args()
    try:
        export(options.checkpoint, options.output, part=options.part)
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(f"{options.output}: {options.part} of {options.checkpoint.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
