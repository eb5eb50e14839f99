"""Tables at the terminal, alike in the dry run and in the flows. No torch, so that a flow starts quickly."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich.table import Table

Row = tuple[str, ...]


def table(
    title: str, columns: Iterable[str], rows: Iterable[Row], *, is_dim: Callable[[Row], bool] | None = None
) -> Table:
    """Lay out a table whose long cells are folded, not cut.

    Args:
        title: above it, on the left.
        columns: names.
        rows: a text for each column.
        is_dim: whether a row is shown dim; None dims none.

    Returns:
        The table, for `rich.console.Console.print`.
    """
    laid_out = Table(title=title, title_justify="left")
    for column in columns:
        laid_out.add_column(column, overflow="fold")
    for row in rows:
        laid_out.add_row(*row, style="dim" if is_dim and is_dim(row) else None)
    return laid_out
