"""Pages of Markdown, made from the templates that lie beside this file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jinja2


def rendered(template: str, filters: Mapping[str, Callable], **values: object) -> str:
    """A template with its values, of which none may be missing. `filters` are named as the template calls them."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("facekit", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(values)
