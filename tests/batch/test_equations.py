from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from facekit.batch.equations import with_mathml


def converted(text):
    return with_mathml(new_notebook(cells=[new_markdown_cell(text)])).cells[0].source


def test_equations_become_mathml():
    assert "<mi>x</mi>" in converted("a face $x$ and")
    block = converted("$$ L = -\\log p_y \\qquad (4) $$")
    assert 'display="block"' in block
    assert "$" not in block


def test_other_text_stays():
    for text in ("it costs 5$ or 10$", "`echo $HOME and $PATH`", "```\n$x$\n```", "no dollars", r"\$x\$"):
        assert converted(text) == text


def test_the_notebook_stays_unchanged_and_its_page_shows_the_equation():
    notebook = new_notebook(cells=[new_markdown_cell("$$ a_b $$"), new_code_cell("s = '$x$'")])
    changed = with_mathml(notebook)
    assert notebook.cells[0].source == "$$ a_b $$"
    assert changed.cells[1].source == "s = '$x$'"
    assert "<msub><mi>a</mi><mi>b</mi></msub>" in HTMLExporter().from_notebook_node(changed)[0]
