"""Equations in a notebook's text as MathML, which browsers render without any library from the network."""

from __future__ import annotations

import re
from copy import deepcopy

from nbformat import NotebookNode

# The alternative for code comes first, so that a dollar in code starts no equation.
_CODE_OR_EQUATION = re.compile(
    r"(?P<code>```.*?```|`[^`\n]+`)|\$\$(?P<block>.+?)\$\$|(?<![\\$])\$(?P<inline>[^\s$](?:[^$\n]*[^\s$])?)\$(?!\d)",
    re.DOTALL,
)


def with_mathml(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook in whose Markdown cells MathML replaces TeX."""
    copy = deepcopy(notebook)
    for cell in copy.cells:
        if cell.cell_type == "markdown":
            cell.source = _CODE_OR_EQUATION.sub(_mathml, cell.source)
    return copy


def _mathml(match: re.Match[str]) -> str:
    from latex2mathml.converter import convert

    if match["code"]:
        return match["code"]
    display = "block" if match["block"] else "inline"
    return convert((match["block"] or match["inline"]).strip(), display=display)
