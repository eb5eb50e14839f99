"""What every block of parameters has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A frozen block; an unknown key is an error, and so is a number that is infinite or none (NaN)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
