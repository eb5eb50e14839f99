"""The review file: what was judged of each query, which a person may edit and no run takes back.

A CSV with a line for each query. A person changes `keep` (yes or no), `refined`, `misaligned` or `why` in place, and
leaves `judged` alone: a digest of what the judge wrote there, by which a run tells that a line was edited. Such a line
stays as it is. A line that nobody edited follows the judge, a new query adds a line, and one that vanished stays and is
marked in `state`. Columns that a person adds, such as notes, stay with their lines.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from components.data.partition.finished_parts import written_whole
from components.records import content_id

OPINION = ["keep", "refined", "misaligned", "why"]
COLUMNS = ["query_id", "source", "take", "query", *OPINION, "state", "judged"]
YES, NO = "yes", "no"
EDITED, VANISHED = "edited", "vanished"


def reviewed(path: Path, judged: pd.DataFrame) -> pd.DataFrame:
    """Bring the review file up to date and return what stands in it of the queries that are there.

    Args:
        path: of the file, made where it is not there.
        judged: `query_id`, `source`, `take`, `query` and the columns of OPINION.

    Returns:
        Rows of COLUMNS, in the order of `judged`.

    Raises:
        ValueError: a line cannot be read; names it, and leaves the file as it is.
    """
    columns, before = _read(path)
    rows: dict[str, dict[str, str]] = dict(before)
    for new in judged.to_dict("records"):
        old = before.get(new["query_id"])
        if old is not None and _digest(old) != old["judged"]:
            rows[new["query_id"]] = old | {"state": EDITED}
        else:
            rows[new["query_id"]] = {**(old or {}), **new, "state": "", "judged": _digest(new)}
    there = set(judged["query_id"])
    for query_id, row in before.items():
        if query_id not in there:
            rows[query_id] = row | {"state": VANISHED}
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as unfinished:
        pd.DataFrame(list(rows.values()), columns=columns).to_csv(unfinished, index=False)
    return pd.DataFrame([rows[query_id] for query_id in judged["query_id"]], columns=COLUMNS)


def _read(path: Path) -> tuple[list[str], dict[str, dict[str, str]]]:
    """Return the columns of the file, and its lines by query id."""
    if not path.is_file():
        return COLUMNS, {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets write a mark before the first letter
            reader = csv.DictReader(file, restval="")
            columns = list(reader.fieldnames or ())
            lines = [(reader.line_num, row) for row in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; allowed is a CSV in UTF-8: save it again as that") from error
    if missing := set(COLUMNS) - set(columns):
        raise ValueError(f"{path}: the columns {sorted(missing)} are missing, needed are {COLUMNS}; put them back")
    if twice := {name for name in columns if columns.count(name) > 1}:
        raise ValueError(f"{path}: the columns {sorted(twice)} come twice; give each column a name of its own")
    found: dict[str, dict[str, str]] = {}
    for number, row in lines:
        kept = {name: row[name].strip() for name in columns}
        problem = "it has more cells than there are columns" if None in row else _problem(kept, found)
        if problem:
            raise ValueError(f"{path}, line {number}: {problem}; mend the line")
        found[kept["query_id"]] = kept
    return columns, found


def _problem(row: dict[str, str], found: dict[str, dict[str, str]]) -> str:
    if not row["query_id"] or row["query_id"] in found:
        return f"the query_id {row['query_id']!r} is empty or comes twice"
    if row["keep"] not in (YES, NO):
        return f"keep is {row['keep']!r}, allowed are {YES} and {NO}"
    if row["keep"] == YES and not (row["refined"] and row["misaligned"]):
        return "a query that is kept has an empty refined or misaligned wording"
    return ""


def _digest(row: dict) -> str:
    return content_id(*(row[name] for name in OPINION))
