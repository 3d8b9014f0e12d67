"""Notebooks as slides: one deck of reveal.js each, in a folder that needs no network.

A section of a notebook is a column of slides, each of its cells a slide below. Short cells share one; code with a long
figure is followed by its figure. Solutions and checks are left out, and so are the parameters and imports.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode
from traitlets.config import Config

from facekit.batch.equations import with_mathml
from facekit.workspace.files import write_text

_REVEAL = "reveal"  # folder of reveal.js beside the decks
_THEME = "white"  # the themes with other fonts fetch them
_PARTS = ("dist/reveal.js", "dist/reveal.css", f"dist/theme/{_THEME}.css", "plugin/notes/notes.js")
_FONT = "dist/theme/fonts/source-sans-pro"
_LEFT_OUT = {"solution", "check", "parameters"}
_HEIGHT = 680  # pixels of a slide, and below of what is on it; slides.html.j2 sets the sizes of the fonts
_TEXT, _CODE, _FIGURE, _COVER = 31, 20, 340, 310
_COLUMNS = 112  # characters of a line of text


class NoReveal(ImportError):
    """reveal.js is not installed. The message says how to get it."""


def write_decks(notebooks: Iterable[Path], out: Path) -> list[Path]:
    """Write the deck of each notebook as an HTML page into a folder, with reveal.js beside them; returns their paths.

    Raises `NoReveal`, before anything is written, where the package that brings reveal.js is not installed.
    """
    package = importlib.util.find_spec("sphinx_revealjs")
    if package is None:
        raise NoReveal("slides need reveal.js, which sphinx-revealjs brings: pip install 'sphinx-revealjs>=3.2'")
    source = Path(package.origin).parent / "_static" / "revealjs"
    for part in _PARTS:
        (out / _REVEAL / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / part, out / _REVEAL / part)
    shutil.copytree(source / _FONT, out / _REVEAL / _FONT, dirs_exist_ok=True)
    template = Path(__file__).with_name("slides.html.j2").read_text(encoding="utf-8")
    settings = {"reveal_url_prefix": _REVEAL, "reveal_theme": _THEME}
    exporter = SlidesExporter(raw_template=template, config=Config({"SlidesExporter": settings}))
    written = []
    for path in notebooks:
        notebook = with_mathml(in_slides(nbformat.read(path, as_version=4)))
        html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        written.append(out / f"{path.stem}.html")
        write_text(written[-1], html)
    return written


def in_slides(notebook: NotebookNode) -> NotebookNode:
    """A copy of a notebook whose cells are divided into slides by Jupyter's metadata for slides."""
    copy = deepcopy(notebook)
    copy.cells, room = list(_shown(copy)), 0
    for cell in copy.cells:
        height = _height(cell)
        if cell.source.startswith(("# ", "## ")) and cell.cell_type == "markdown":
            kind, room = "slide", _HEIGHT
        elif height > room or (cell.source.startswith("### ") and cell.cell_type == "markdown"):
            kind, room = "subslide", _HEIGHT
        else:
            kind = "-"
        room -= height
        cell.metadata.slideshow = {"slide_type": kind}
    return copy


def _shown(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """The cells that are shown. Code and outputs that do not fit onto one slide are two cells, long text several."""
    imports = True  # the first code without a tag
    for cell in notebook.cells:
        if _LEFT_OUT & {*cell.metadata.get("tags", ())}:
            continue
        if cell.cell_type == "markdown":
            yield from _divided(cell)
        elif imports:
            imports = False
        else:
            cell.source = cell.source.removeprefix("# NBVAL_CHECK_OUTPUT\n")
            if cell.outputs and _height(cell) > _HEIGHT:
                outputs = deepcopy(cell)
                outputs.id = f"{cell.id}-output"[:64]
                outputs.metadata.transient = {"remove_source": True}  # nbconvert's own mark
                cell.outputs = []
                yield cell
                yield outputs
            else:
                yield cell


def _divided(cell: NotebookNode) -> Iterator[NotebookNode]:
    """The paragraphs of a text in as many cells as fit onto slides. Code in a text stays whole."""
    parts: list[list[str]] = [[]]
    for i, part in enumerate(cell.source.split("```")):
        blocks = [f"```{part}```"] if i % 2 else [block for block in part.split("\n\n") if block.strip()]
        for block in blocks:
            if parts[-1] and sum(map(_text_height, (*parts[-1], block))) > _HEIGHT:
                parts.append([])
            parts[-1].append(block)
    for i, blocks in enumerate(parts):
        slide = deepcopy(cell)
        slide.source = "\n\n".join(blocks)
        slide.id = cell.id if i == 0 else f"{cell.id}-{i}"[:64]
        yield slide


def _height(cell: NotebookNode) -> int:
    """About how many pixels of a slide a cell takes."""
    if cell.cell_type == "markdown":
        return sum(map(_text_height, cell.source.split("\n\n")))
    hidden = cell.metadata.get("transient", {}).get("remove_source")
    height = 0 if hidden else _CODE * (1 + len(cell.source.splitlines()))
    for output in cell.outputs:
        data = output.get("data", {})
        figure = any(kind.startswith("image/") or kind == "text/html" for kind in data)
        text = output.get("text", data.get("text/plain", ""))
        height += _FIGURE if figure else _CODE * len(text.splitlines())
    return height


def _text_height(block: str) -> int:
    """About how many pixels a paragraph, a heading or a list takes."""
    if "](attachment:" in block:
        return _COVER
    lines = sum(1 + len(line) // _COLUMNS for line in block.splitlines())
    return _TEXT * (lines + (2 if block.startswith("#") else 1))
