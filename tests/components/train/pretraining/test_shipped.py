"""What infra/base_models ships still is what the code of today makes: words, held-out score, both towers alike."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from components import params
from components.models import build
from components.tracking import history
from components.train import algorithms
from components.train.pretraining import language

ROOT = Path(__file__).parents[4]
SHIPPED = ROOT / "infra/base_models"
LANGUAGE, ENCODER = (SHIPPED / name / "model" for name in ("base_lm", "base_encoder"))


@pytest.fixture(scope="module")
def data() -> params.Data:
    return params.load(ROOT / "params/data.yaml", params.Data)


def test_the_words_of_the_shipped_language_model_are_those_of_the_world(data: params.Data):
    model = params.load(ROOT / "params/recipes/miniature.yaml", params.Recipe).model
    shipped = build.load_processor({"language_model": LANGUAGE})
    fresh = algorithms.fresh_processor(model, data)
    assert shipped.tokenizer.get_vocab() == fresh.tokenizer.get_vocab()


@pytest.mark.long
def test_the_shipped_language_model_scores_what_it_did(data: params.Data):
    processor = build.load_processor({"language_model": LANGUAGE})
    config = build.config_of(processor)
    model = build.assemble(config, {"language_model": LANGUAGE}, seed=0)
    samples = language.held_out(config, data, language.HELD_OUT_SAMPLES, seed=language.HELD_OUT_SEED)
    scores = language.measure(model, processor, samples)
    rows = [row for row in history.read(LANGUAGE.parent / "history.jsonl")[0] if "held_out/qa" in row]
    before = {task: rows[-1][f"held_out/{task}"] for task in scores}
    assert scores == pytest.approx(before, abs=0.05)
    assert min(scores[task] for task in language.MEASURED_TASKS) >= 0.8


def test_both_views_start_from_the_same_tower():
    towers = load_file(ENCODER / "model.safetensors")
    names = [name.removeprefix("model.ego_encoder.") for name in towers if name.startswith("model.ego_encoder.")]
    assert len(names) * 2 == len(towers) > 0
    assert all(torch.equal(towers[f"model.ego_encoder.{n}"], towers[f"model.exo_encoder.{n}"]) for n in names)


@pytest.mark.parametrize("name", ["base_lm", "base_encoder"])
def test_what_is_shipped_says_what_it_was_made_from(name: str):
    made = json.loads((SHIPPED / name / "stage.json").read_text())
    assert made["stage"] == name and made["parents"] == {} and made["steps"] > 0
    assert {"params", "model", "world", "code_digest", "git_commit", "seconds"} <= made.keys()
