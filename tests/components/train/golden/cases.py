"""The stages of a few steps whose numbers are recorded: with fixed.py they use every part that needs no GPU."""

from __future__ import annotations

from components.train import versions

MODEL = {
    "image_px": 64, "patch_px": 8, "tubelet_frames": 2, "vision_width": 32, "vision_layers": 1, "vision_heads": 2,
    "image_tokens": 4, "video_tokens": 8, "mapping_blocks": 1, "text_width": 32, "text_layers": 2, "text_heads": 2,
}  # fmt: skip
# what each architecture, or its `base`, starts from is made by runs.py: "start" for the miniature, folders for others
EGOFLOW = {"architecture": "egoflow", "tubelet_frames": 1, "vision_layer": -2, "mapping_blocks": 1}
QWEN = {"architecture": "qwen2_5_vl"}
PLAIN = {
    "max_steps": 3, "train_batch_size": 4, "warmup_ratio": 0.34, "weight_decay": 0.1, "save_steps": 3,
    "threads_per_rank": 1, "zero_stage": 2, "evaluate": [],
}  # fmt: skip
LEARNS = PLAIN | {"algorithm": "supervised"}
ALL = {"parents": {"all": "start"}}
EGO = {"ego_encoder": 1e-3, "ego_connector": 3e-3}
GUIDED = {"guidance": True, "mixture": {"egoexoclip/caption/ego": 1.0}}
REWARDED = PLAIN | {
    # without a warm-up: the second step is away from the reference
    "algorithm": "grpo", "max_steps": 2, "warmup_ratio": 0.0,
    "grpo": {
        "num_generations": 3, "beta": 0.1, "temperature": 1.0, "max_completion_length": 5, "pause_rules": None,
        "reward_weights": {"format": 0.5, "box_iou": 1.0},
    },
}  # fmt: skip
CASES: dict[str, tuple[dict, dict]] = {
    "text": (MODEL, PLAIN | {
        "algorithm": "text", "learning_rates": {"language_model": 1e-3}, "muon_learning_rate": 0.014,
    }),
    "contrastive": (MODEL, PLAIN | {
        "algorithm": "contrastive", "learning_rates": {"ego_encoder": 1e-3}, "rendered_images": 16,
    }),
    "captions": (MODEL, LEARNS | ALL | {
        "learning_rates": {"exo_encoder": 1e-3, "exo_connector": 3e-3}, "per_device_train_batch_size": 2,
        "mixture": {"egoexoclip/caption/exo": 1.0},
    }),
    "guidance": (MODEL, LEARNS | ALL | GUIDED | {
        "learning_rates": EGO | {"mapping_f": 1e-3, "mapping_g": 1e-3},
        "loss_weights": {"vtg": 1.0, "ccl": 1.0, "kl": 10.0},
    }),
    "adapters": (MODEL, LEARNS | ALL | GUIDED | {
        "learning_rates": EGO | {"mapping_f": 1e-3},
        # no dropout: its random numbers are the processor's own
        "lora": {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "learning_rate": 1e-2},
        "mixture": {"egoit/caption/ego": 0.5, "egore/qa/ego": 0.5},
    }),
    "questions": (MODEL, LEARNS | ALL | {
        "learning_rates": EGO | {"language_model": 1e-3}, "muon_learning_rate": 0.004, "questions_per_context": 2,
        "mixture": {"egore/qa/ego": 0.5, "egore/ground_spatial/ego": 0.25, "egore/ground_temporal/ego": 0.25},
    }),
    "rewards": (MODEL, REWARDED | ALL | {
        "learning_rates": EGO | {"language_model": 1e-3}, "mixture": {"egore/ground_spatial/ego": 1.0},
    }),
    "rewards of both views": (MODEL, REWARDED | ALL | {
        "learning_rates": {"language_model": 1e-3},
        "mixture": {"egore/ground_temporal/ego": 0.5, "egore/ground_temporal/exo": 0.5},
        "grpo": REWARDED["grpo"] | {
            "paired_views": True, "reward_weights": {"temporal_iou": 1.0, "cross_view_answers": 0.5},
        },
    }),
    "teacher": (MODEL, {
        "algorithm": "distill", "train_batch_size": 3, "mixture": {"egoexoclip/caption/ego": 1.0}, **ALL,
        "distill": {
            "queries": "kitchen", "views": ["ego", "exo"], "segments": 2, "max_new_tokens": 6, "keep_cut": True,
        },
    }),
    "downloaded, stc": (EGOFLOW | {"connector": "stc"}, LEARNS | {
        "learning_rates": {f"{view}_{part}": 1e-3 for view in ("ego", "exo") for part in ("encoder", "connector")},
        "mixture": {"egoexoclip/caption/ego": 0.5, "egoexoclip/caption/exo": 0.5},
    }),
    "downloaded, mlp": (EGOFLOW | {"connector": "mlp"}, LEARNS | {
        "learning_rates": {"ego_connector": 1e-3, "ego_tokens": 1e-3}, "ego_tokens": 4, "video_last": 0.5,
        "mixture": {"egoexoclip/caption/ego": 1.0},
    }),
    "Qwen": (QWEN, LEARNS | {
        "learning_rates": {"language_model": 1e-3, "merger": 1e-2}, "questions_per_context": 2,
        "lora": {"r": 2, "lora_alpha": 4, "lora_dropout": 0.0, "learning_rate": {"vision_encoder": 1e-2}},
        "mixture": {"egore/qa/ego": 0.5, "egore/ground_spatial/ego": 0.5}, "max_pixels": 3136, "max_frames": 3,
    }),
    "Qwen's tokens": (QWEN | {"base": "qwen2_5_vl, places"}, LEARNS | {
        "learning_rates": {"merger": 1e-3, "ego_tokens": 1e-3}, "ego_tokens": 4, "questions_per_context": 2,
        "mixture": {"egore/qa/ego": 0.5, "egore/ground_spatial/ego": 0.5}, "max_pixels": 3136, "max_frames": 3,
    }),
    "Qwen's rewards": (QWEN, REWARDED | {
        "learning_rates": {"language_model": 1e-3, "vision_encoder": 1e-3}, "max_pixels": 3136, "max_frames": 3,
        "train_batch_size": 2, "mixture": {"egore/ground_spatial/ego": 1.0},
    }),
}  # fmt: skip
START = LEARNS | {"name": "start", "learning_rates": EGO, "mixture": {"egoexoclip/caption/ego": 1.0}}
STUDENT = LEARNS | {
    "name": "student", "parents": {"all": "start", "samples": "golden"}, "learning_rates": EGO,
    "mixture": {"captioned/caption/ego": 1.0},
}  # fmt: skip
# what answers is not in this project
UNTESTED = {"grpo/vllm": "vLLM samples on GPUs", "distill/endpoint": "an endpoint answers"}


def tested(parts: list[set[str]]) -> set[str]:
    """Return the parts that have no case among the parts of all cases, and no reason for that."""
    return versions.VERSIONS.keys() - set().union(*parts) - UNTESTED.keys()
