"""Data Docs without a network: Great Expectations' pages take style, scripts and a logo from six other hosts.

The logo's address carries the id of the data context, and the index is built by those scripts, so that offline it is
empty. Here each page gets a style of its own and no script, and the index a table of all results.
"""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

STYLE = Path(__file__).parent / "offline_docs.css"
MARK = "data-offline"  # of a page that is done
ELSEWHERE = re.compile(
    r"<script\b.*?</script>"  # all of them need jQuery
    r'|<link\b[^>]*href="https?://[^>]*>'
    r'|<img\b[^>]*src="https?://[^>]*>'
    r'|<div class="btn-group btn-group-toggle".*?</div>',  # a switch that only scripts turn
    re.DOTALL,
)


def write(site: Path, step: str) -> None:
    """Make the pages of a step and the index whole without a network, after Great Expectations wrote them.

    Args:
        site: folder of the pages; the results lie in `validations` two folders above it.
        step: of the data graph.
    """
    for folder in ("validations", "expectations"):
        for page in (site / folder / step).rglob("*.html"):
            page.write_text(offline(page.read_text()))
    index = site / "index.html"
    index.write_text(offline(index.read_text(), _results(site)))


def offline(page: str, body: str = "") -> str:
    """Return a page that asks nothing of other hosts.

    Args:
        page: HTML of Great Expectations.
        body: what stands in the place of its content; "" keeps that.
    """
    if MARK in page:
        return page
    page = ELSEWHERE.sub("", page)
    if body:
        head, _, _ = page.partition("<body")
        page = f"{head}<body>{body}</body></html>"
    return page.replace("</head>", f"<style {MARK}>{STYLE.read_text()}</style></head>", 1)


def _results(site: Path) -> str:
    rows = []
    for path in sorted((site.parents[1] / "validations").rglob("*.json")):
        result = json.loads(path.read_text())
        page = (site / "validations" / path.relative_to(site.parents[1] / "validations")).with_suffix(".html")
        checked = result["statistics"]
        rows.append(
            f'<tr><td><a href="{escape(page.relative_to(site).as_posix())}">{escape(result["suite_name"])}</a></td>'
            f"<td>{'good' if result['success'] else '<b>failed</b>'}</td>"
            f"<td>{checked['successful_expectations']} of {checked['evaluated_expectations']}</td></tr>"
        )
    head = "<tr><th>contract</th><th>result</th><th>expectations met</th></tr>"
    return f"<main><h1>Contracts of all tables</h1><table>{head}{''.join(rows)}</table></main>"
