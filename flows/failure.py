"""The error that stopped a command, at the terminal: one panel, no traceback. Imports nothing that is slow."""

from __future__ import annotations

from rich.console import Console
from rich.panel import Panel
from rich.text import Text


def show(error: Exception) -> None:
    """Print the message of an error, which says what came, what is allowed and where to mend it."""
    # plain text: a value that came may look like markup
    Console(stderr=True).print(Panel(Text(str(error)), title=f"stopped by {type(error).__name__}", border_style="red"))
