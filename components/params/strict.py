"""What every block of parameters has in common.

Values are strict: "3" and true are no numbers. YAML has no tuples and no paths, so fields of these types take lists and
texts: `Field(strict=False)`, or `class Block(Strict, strict=False)`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen block: an unknown key is an error, and so is a number that is infinite, NaN, a text or true or false."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)
