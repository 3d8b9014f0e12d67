"""Decks of slides: what is on them, that nothing is too long for a slide, and that nothing is loaded from outside."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from facekit.batch.slides import NoReveal, in_slides, write_decks

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def kinds(*cells) -> list[tuple[str, str]]:
    slides = in_slides(new_notebook(cells=[new_code_cell("import torch"), *cells])).cells
    return [(cell.metadata.slideshow.slide_type, cell.source) for cell in slides]


def figure(lines: int):
    output = new_output("display_data", {"image/png": "aGVsbG8="})
    return new_code_cell("\n".join(["show()"] * lines), outputs=[output])


def test_a_section_starts_a_slide_and_short_cells_share_it():
    first, second, third = new_markdown_cell("## One"), figure(4), new_markdown_cell("## Two")
    assert [kind for kind, _ in kinds(first, second, third)] == ["slide", "-", "slide"]


def test_what_does_not_fit_continues_below():
    assert [kind for kind, _ in kinds(new_markdown_cell("## One"), figure(10), figure(10))] == [
        "slide",
        "-",
        "subslide",
    ]
    code, picture = in_slides(new_notebook(cells=[new_code_cell("import torch"), figure(30)])).cells
    assert (code.outputs, len(picture.outputs)) == ([], 1)
    paragraphs = [f"paragraph {i}" for i in range(40)]
    parts = kinds(new_markdown_cell("\n\n".join(["# Title", *paragraphs])))
    assert [kind for kind, _ in parts] == ["slide"] + ["subslide"] * (len(parts) - 1)
    assert "\n\n".join(source for _, source in parts).split("\n\n")[1:] == paragraphs


def test_code_in_a_text_is_not_divided():
    code = "```python\n" + "\n\n".join(["x = 1"] * 60) + "\n```"
    assert code in [source for _, source in kinds(new_markdown_cell(f"## Title\n\nBefore.\n\n{code}\n\nAfter."))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_deck_shows_everything_but_answers_parameters_and_imports(path):
    whole = nbformat.read(path, as_version=4)
    shown = in_slides(whole).cells
    tags = [{*cell.metadata.get("tags", ())} for cell in shown]
    assert not any({"solution", "check", "parameters"} & each for each in tags)
    text = "\n\n".join(cell.source for cell in shown if cell.cell_type == "markdown")
    words = "\n\n".join(cell.source for cell in whole.cells if cell.cell_type == "markdown")
    assert "".join(text.split()) == "".join(words.split())
    pictures = lambda cells: sum("image/png" in o.get("data", {}) for c in cells for o in c.get("outputs", ()))  # noqa: E731
    assert pictures(shown) == pictures(whole.cells)


def test_a_deck_needs_only_the_files_beside_it(tmp_path):
    (deck,) = write_decks(NOTEBOOKS[:1], tmp_path)
    page = deck.read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]+)"', page)
    files = [name for name in loaded if not name.startswith("data:")]
    assert files
    assert all((tmp_path / name).is_file() for name in files), files
    assert "reveal/dist/reveal.js" in files
    styles = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.css"))
    assert not re.search(r"(@import|url\()\s*\(?['\"]?https?:", styles)


def test_a_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoReveal, match="pip install"):
        write_decks(NOTEBOOKS[:1], tmp_path / "decks")
    assert not (tmp_path / "decks").exists()
