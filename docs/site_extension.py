"""What the site adds to Sphinx: equations as MathML, docstrings as reStructuredText, and a page for each room."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path

import latex2mathml.converter
from docutils import nodes
from sphinx.application import Sphinx

import facekit

_CODE = re.compile(r"``?([^`]+)``?")
_ARGUMENT = re.compile(r"(\w[\w.*, ]*?)  +(\S.*)")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_display, None))
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-docstring", to_restructured_text)
    app.connect("source-read", embed_attachments)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# ------------------------------------------------------------------------------------------------------- equations
# MathJax would be fetched from outside whenever a page is opened.


def visit_inline(translator, node: nodes.math) -> None:
    translator.body.append(latex2mathml.converter.convert(node.astext()))
    raise nodes.SkipNode


def visit_display(translator, node: nodes.math_block) -> None:
    # Numbers of equations are written by hand in the text, so labels are not needed.
    translator.body.append(latex2mathml.converter.convert(node.astext(), display="block"))
    raise nodes.SkipNode


# ------------------------------------------------------------------------------------------------------- notebooks


def embed_attachments(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the pictures attached to Markdown cells into the text, as MyST does not know attachments."""
    if not docname.startswith("notebooks/"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        for name, kinds in cell.pop("attachments", {}).items():
            kind, data = next(iter(kinds.items()))
            text = "".join(cell["source"]).replace(f"attachment:{name}", f"data:{kind};base64,{''.join(data)}")
            cell["source"] = text
    source[0] = json.dumps(notebook)


# ------------------------------------------------------------------------------------------------------ docstrings


def to_restructured_text(app, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring as this library writes them (paragraphs, `code`, lists of arguments in columns) into
    reStructuredText, in place. A value from another library that a class has as a default keeps no docstring."""
    if what != "module" and not (getattr(obj, "__module__", "facekit") or "").startswith("facekit"):
        lines.clear()
        return
    paragraphs = re.split(r"\n\s*\n", "\n".join(lines).strip("\n"))
    lines[:] = "\n\n".join(map(_paragraph, paragraphs)).split("\n")


def _paragraph(text: str) -> str:
    if text.lstrip().startswith(">>>"):
        return text
    rows = text.split("\n")
    indent = min(len(row) - len(row.lstrip()) for row in rows)
    rows = [row[indent:] for row in rows]
    if _ARGUMENT.match(rows[0]) or (len(rows) > 1 and rows[1].startswith(" ") and " " not in rows[0].strip()):
        return _arguments(rows)
    if rows[0].startswith("* "):
        return _bullets(rows)
    if indent >= 4:
        return "::\n\n" + "\n".join("   " + row for row in rows)
    return _escaped(" ".join(row.strip() for row in rows))


def _arguments(rows: list[str]) -> str:
    """A list of names and what they mean as a field list. Lines that are indented continue the last one."""
    fields: list[list[str]] = []
    for row in rows:
        match = _ARGUMENT.fullmatch(row)
        if match and not row.startswith(" "):
            fields.append([match[1].strip(), match[2]])
        elif row.startswith(" ") and fields:
            fields[-1].append(row.strip())
        else:
            fields.append([row.strip()])
    return "\n".join(f":{_escaped(name)}: {_escaped(' '.join(words))}" for name, *words in fields)


def _bullets(rows: list[str]) -> str:
    """A list whose items begin with an asterisk; other lines continue the last item."""
    items: list[list[str]] = []
    for row in rows:
        if row.startswith("* "):
            items.append([row[2:]])
        else:
            items[-1].append(row.strip())
    return "\n".join(f"* {_escaped(' '.join(item))}" for item in items)


def _escaped(text: str) -> str:
    """Text whose `code` is literal and in which nothing else is markup."""
    parts = _CODE.split(text)
    plain = [re.sub(r"([\\*_|`])", r"\\\1", part) for part in parts[::2]]
    code = [f"``{part.strip()}``" for part in parts[1::2]]
    # A literal has to end at a space or at punctuation: an escaped space, which is not shown, makes a plural possible.
    plain = [plain[0], *(("\\ " if part[:1].isalnum() else "") + part for part in plain[1:])]
    return "".join(a + b for a, b in zip(plain, [*code, ""], strict=True))


# -------------------------------------------------------------------------------------------------- pages of rooms


def write_reference(app: Sphinx) -> None:
    """Write `docs/api/ROOM.rst` for each room of the library, with its modules in the order of their names."""
    folder = Path(app.srcdir) / "docs" / "api"
    folder.mkdir(exist_ok=True)
    for room in re.findall(r"^    (\w+)  ", facekit.__doc__, re.MULTILINE):
        package = importlib.import_module(f"facekit.{room}")
        title = f"facekit.{room}"
        parts = [f"{title}\n{'=' * len(title)}\n\n{_escaped(inspect.getdoc(package) or '')}\n"]
        modules = [each for each in pkgutil.walk_packages(package.__path__, f"{title}.") if not each.ispkg]
        for module in sorted(each.name for each in modules):
            parts.append(f"{module}\n{'-' * len(module)}\n\n.. automodule:: {module}\n")
        text = "\n".join(parts)
        path = folder / f"{room}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
