"""What every block of parameters has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator

from components.params.renamed_keys import new_names


class Strict(BaseModel):
    """A frozen block; an unknown key is an error, and that of a renamed key says its new name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _no_old_keys(cls, block: object) -> object:
        if isinstance(block, dict) and (names := new_names(cls.__name__, block)):
            raise ValueError(names)
        return block
