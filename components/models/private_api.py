"""What the models take from inside transformers, read in version 5.23.0.

It is not documented, so it is looked up again here, and only here, when that version changes. What our classes set for
transformers to read (`_supports_sdpa`, `_no_split_modules`), or override of it (`_process_images`), stands in them.
"""

from __future__ import annotations

from transformers import PretrainedConfig


def attention_of(config: PretrainedConfig) -> str | None:
    """Return the attention that a model was made with, such as "sdpa" or "eager"; only setting it is public."""
    return config._attn_implementation
