"""Markdown pages from Jinja templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jinja2


def rendered(template: str, filters: Mapping[str, Callable], **values: object) -> str:
    """A template filled with values, none of which may be missing.

    template  path of the template in the package
    filters   the functions that the template uses as filters, by name
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("facekit", "."),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment.get_template(template).render(values)
