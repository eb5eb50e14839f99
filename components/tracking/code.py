"""Which code a checkpoint or a run is of: its stage.json and its tags have the same members."""

from __future__ import annotations

from collections.abc import Mapping

CODE = ("code_digest", "git_commit")


def code_of(made: Mapping[str, str]) -> dict[str, str]:
    """Return the members `CODE` of stage.json or of a run's tags, those that it has."""
    return {name: made[name] for name in CODE if name in made}


def other_code(made: Mapping[str, str], code: str) -> str:
    """Say which code trained a stage that is reused; "" where it is the code of today, or nobody wrote it down.

    Args:
        made: stage.json, or the tags of the run.
        code: digest of the code of today.
    """
    if made.get("code_digest", code) == code:
        return ""
    commit, dirty, _ = made.get("git_commit", "none").partition("-dirty")
    return "trained by other code" if commit == "none" else f"trained by code of {commit[:12]}{dirty}"
