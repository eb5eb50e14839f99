"""docs/asking.ipynb from docs/asking.md: a cell for each block of Python and for the words between two of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

PAGE = Path(__file__).parent / "asking.md"
PART = "## From Python\n"
BEGIN = """# Asking from Python

Written by `python -m docs.generate` from `docs/asking.md`. First put a film from each view and an export of a
checkpoint (`egoflow export --checkpoint checkpoints/… --output exported`) into the project folder, as `film.mp4`,
`outside.mp4` and `exported`, and start Jupyter with the Python of `.venv`."""
TO_ROOT = "%cd .."


def asking() -> str:
    """Return the notebook, as JSON of nbformat 4.5."""
    pieces = re.split(r"^```python\n(.*?)^```\n", PAGE.read_text().split(PART)[1], flags=re.DOTALL | re.MULTILINE)
    cells = [("markdown", BEGIN), ("code", TO_ROOT)]
    _, *pieces = pieces  # words about the test of the page
    cells += [("markdown" if at % 2 else "code", piece.strip()) for at, piece in enumerate(pieces)]
    made = [_cell(number, kind, text) for number, (kind, text) in enumerate(cells) if text]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, text: str) -> dict[str, object]:
    of_code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    lines = text.splitlines(keepends=True)
    return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": lines} | of_code
