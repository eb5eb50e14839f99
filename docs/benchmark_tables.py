"""Tables of the public benchmarks: what they are, what their files hold, and the leaderboard.

results/benchmarks.json is a dry run over the released files (`python -m flows.benchmark --dry-run --json`),
results/leaderboard.json what `--record` of the same program added: label -> `recorded_in`, how it was `asked`, and the
headline scores.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.benchmarks.registry import BENCHMARKS
from components.benchmarks.runner.metrics import METRICS
from components.benchmarks.shared.sample import Benchmark
from docs.tables import GLUE, NOTHING, RESULTS, markdown

REFERENCES = ("constant", "random", "text_only")


def descriptions() -> str:
    """Return what each benchmark is: metric, splits, licence, where to get it, and its traps."""
    rows = [
        [f"`{name}`", each.title, each.metric, str(each.frames), _answered(each), each.splits, each.licence]
        + [each.origin, each.note]
        for name, each in BENCHMARKS.items()
    ]
    names = ["name", "benchmark", "metric", "frames", "answers", "splits", "licence", "where to get it", "to know"]
    return markdown(names, [[cell or NOTHING for cell in row] for row in rows])


def files() -> str:
    """Return what the released files hold and what guesses score on them."""
    rows = []
    for row in _files().values():
        rejects = "; ".join(f"{count} {reason}" for reason, count in row["rejects"].items())
        counts = [str(row[key]) for key in ("rows", "samples", "videos")]
        guesses = [f"{figure(row[kind])} {row[kind]['label']}" for kind in REFERENCES]
        if "constant_in_file" in row:
            guesses[0] += f"; {figure(row['constant_in_file'])} {row['constant_in_file']['label']}"
        rows.append([row["title"], *counts, rejects or "0", row["metric"], *guesses])
    names = ["benchmark", "rows", "samples", "videos", "rejects", "metric", "constant answer", "random", "text only"]
    return markdown(names, rows)


def leaderboard() -> str:
    """Return each benchmark's headline score: of guesses, of the papers, and of the checkpoints recorded here."""
    recorded = json.loads((RESULTS / "leaderboard.json").read_text())
    known = _files()
    rows = []
    for name, each in BENCHMARKS.items():
        guesses = [figure(known.get(name, {}).get(kind)) for kind in REFERENCES]
        published = "; ".join(f"{system} {score:.1f}" for system, score in each.published)
        here = [figure(one["scores"].get(name)) for one in recorded.values()]
        rows.append([each.title, METRICS[each.metric].headline, *guesses, published or NOTHING, *here])
    commits = [f"{label} ({_asked(one['asked'])}; `{one['recorded_in']}`)" for label, one in recorded.items()]
    return markdown(["benchmark", "metric", "constant", "random", "text only", "published", *commits], rows)


def _answered(each: Benchmark) -> str:
    """Return how the authors let a model answer: nothing where neither form nor length is theirs."""
    if each.form == "ranked":
        return "ranked"
    return f"up to {each.answer_tokens} tokens" if each.answer_tokens else ""


def _asked(asked: Mapping[str, Any]) -> str:
    form, frames, tokens = (asked[key] or "prescribed" for key in ("form", "frames", "max_new_tokens"))
    return f"{form} options, {frames if asked['frames'] != 0 else 0} frames, {tokens} answer tokens at most"


def figure(entry: Mapping[str, Any] | None) -> str:
    """Return a score in percent with its interval.

    >>> figure({"value": 0.5, "lo": 0.25, "hi": 0.75}).replace(GLUE, " ")
    '50.0 [25.0, 75.0]'
    """
    if entry is None:
        return NOTHING
    text = f"{100 * entry['value']:.1f}"
    if entry["lo"] is None or entry["hi"] - entry["lo"] < 1e-9:  # a uniform guess has no spread
        return text
    return f"{text} [{100 * entry['lo']:.1f},{GLUE}{100 * entry['hi']:.1f}]"


def _files() -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads((RESULTS / "benchmarks.json").read_text())}
