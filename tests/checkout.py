"""A made-up checkout of a few files, for tests of what reads a whole checkout."""

from pathlib import Path


def write_checkout(root: Path, files: dict[str, str]) -> Path:
    """Write a checkout with the packages `components` and `flows`; `files` are further paths with their text."""
    for name, text in {"components/__init__.py": "", "flows/__init__.py": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root
