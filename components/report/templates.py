"""The HTML templates of this folder; every page is one file without script or external resource."""

from __future__ import annotations

from pathlib import Path


def render(template: str, **values: object) -> str:
    """Fill a template of this folder.

    Args:
        template: its file name, such as page.html.
        values: of its variables; texts are escaped.

    Returns:
        The page.

    Raises:
        jinja2.UndefinedError: the template uses a variable that is not given.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return templates.get_template(template).render(values)
