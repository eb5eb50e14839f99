"""A raised version moves the keys of the stages that use its part and of those that stand on them, and no others."""

import hashlib
import json

import pytest

from components import params
from components.train import plan, versions
from tests.components.train.test_plan import WORLD, keys, recipe, stage


def raised(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    newest = max(versions.VERSIONS[part])
    monkeypatch.setitem(versions.VERSIONS, part, versions.VERSIONS[part] | {newest + 1: "for a test"})


@pytest.mark.parametrize(
    ("part", "moved"),
    [
        ("text", {"lm", "ego", "exo", "last"}),
        ("contrastive", {"encoder", "ego", "exo", "last"}),
        ("supervised", {"ego", "exo", "last"}),
        ("loss/kl", {"last"}),
        ("mapping", {"ego", "exo", "last"}),  # the first two begin with F and G, though they use neither
        ("lora", {"last"}),
        ("model/egoflow", {"lm", "encoder", "ego", "exo", "last"}),
        ("grpo", set()),
        ("model/qwen", set()),
        ("muon", set()),
    ],
)
def test_a_raised_version_moves_what_uses_the_part_and_what_stands_on_it(monkeypatch, part: str, moved: set[str]):
    last = {
        "loss_weights": {"vtg": 1.0, "kl": 1.0},
        "lora": {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "learning_rate": 1e-3},
    }
    before = keys(**last)
    raised(monkeypatch, part)
    after = keys(**last)
    assert {name for name in before if before[name] != after[name]} == moved


def test_a_part_without_a_version_is_refused(monkeypatch):
    monkeypatch.delitem(versions.VERSIONS, "loss/vtg")
    with pytest.raises(ValueError, match=r"'ego' uses \['loss/vtg'\].*versions.py"):
        keys()


def test_every_loss_reward_and_connector_of_the_schema_has_a_version():
    from components.params.recipe import Loss
    from components.rewards import REWARDS

    named = {*(f"loss/{name}" for name in Loss.__args__), *(f"reward/{name}" for name in REWARDS)}
    named |= {f"connector/{name}" for name in params.Egoflow.model_fields["connector"].annotation.__args__}
    named |= {*params.Stage.model_fields["algorithm"].annotation.__args__}
    assert named <= versions.VERSIONS.keys()
    assert all(list(lines) == list(range(1, len(lines) + 1)) for lines in versions.VERSIONS.values())


def test_ego_tokens_count_where_a_stage_has_them_from_its_parents():
    first = stage("first", ego_tokens=4)
    whole = params.Recipe(name="r", model=recipe().model, stages=(first, stage("then", parents={"all": "first"})))
    assert all("ego_tokens" in versions.of(whole, one) for one in whole.stages)
    assert "ego_tokens" not in versions.of(recipe(), recipe().stages[-1])
    qwen = params.Qwen(architecture="qwen2_5_vl", base="Qwen/Qwen2.5-VL-7B-Instruct")
    of_qwen = versions.of(whole.model_copy(update={"model": qwen}), whole.stages[-1])
    assert "ego_tokens/qwen" in of_qwen and "ego_tokens" not in of_qwen


def test_a_field_that_came_later_is_in_a_key_where_it_changes_something(monkeypatch):
    monkeypatch.setitem(versions.ADDED_LATER, "stage.grpo.new", 0)
    assert versions.settings("stage", {"a": 1, "grpo": {"b": 2, "new": 0}}) == {"a": 1, "grpo": {"b": 2}}
    assert versions.settings("stage", {"grpo": {"new": 5}, "new": 0}) == {"grpo": {"new": 5}, "new": 0}
    monkeypatch.setitem(versions.ADDED_LATER, "stage.weight_decay", 0.0)
    assert "weight_decay" not in plan.settings(recipe(), recipe().stages[0])["stage"]
    assert plan.settings(recipe(), stage("s", weight_decay=0.1))["stage"]["weight_decay"] == 0.1


def test_what_a_checkpoint_was_made_of_is_compared_part_by_part():
    assert versions.moved({"a": 1, "b": 1}, {"a": 2, "c": 1}) == {"a": (1, 2), "b": (1, None), "c": (None, 1)}
    assert versions.moved(None, {"a": 1}) == {"a": (None, 1)}


def test_the_keys_of_a_recipe_are_what_they_were(monkeypatch):
    """Every key that moves costs somebody a training."""
    monkeypatch.setattr(versions, "VERSIONS", {part: {1: ""} for part in versions.VERSIONS})
    known = params.Recipe.model_validate({"name": "r", "model": MODEL, "stages": STAGES})
    found = plan.stage_keys(known, dataset="d", world=WORLD)
    digest = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    assert digest == "39b3f9e31c30627f", (
        "the keys of a recipe moved, and with them those of every finished stage. A field that a schema has got goes "
        "into ADDED_LATER of components/train/versions.py, with the value that means what stages did before; if all "
        "stages are to train anew, write the new digest here"
    )


MODEL = {
    "image_px": 64, "patch_px": 8, "tubelet_frames": 2, "vision_width": 32, "vision_layers": 1, "vision_heads": 2,
    "image_tokens": 16, "video_tokens": 8, "mapping_blocks": 1, "text_width": 32, "text_layers": 1, "text_heads": 2,
}  # fmt: skip
PLAIN = {
    "max_steps": 10, "train_batch_size": 4, "warmup_ratio": 0.1, "weight_decay": 0.0, "save_steps": 5,
    "learning_rates": {"language_model": 1e-3},
}  # fmt: skip
STAGES = [
    PLAIN | {"name": "text", "algorithm": "text"},
    PLAIN | {"name": "learns", "algorithm": "supervised", "parents": {"language_model": "text"}},
    PLAIN | {
        "name": "rewarded", "algorithm": "grpo", "parents": {"all": "learns"}, "mixture": {"egore/qa/ego": 1.0},
        "grpo": {
            "num_generations": 2, "beta": 0.1, "temperature": 1.0, "max_completion_length": 4,
            "reward_weights": {"format": 1.0},
        },
    },
]  # fmt: skip
