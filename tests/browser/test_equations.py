"""The equations of all notebooks as JupyterLab draws them."""

import re

import nbformat

EQUATION = re.compile(r"\$\$.+?\$\$", re.DOTALL)
DRAWN = "mjx-container[display='true'] > mjx-math"
WIDTHS = "all => all.map(m => [m.getBoundingClientRect().width, m.parentElement.parentElement.clientWidth])"


def test_no_equation_is_wider_than_the_page(page, lab, copies):
    equations = [
        (path.name, equation)
        for path in sorted(copies.glob("[0-9]*.ipynb"))
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
        for equation in EQUATION.findall(cell.source)
    ]
    together = nbformat.v4.new_markdown_cell("\n\n".join(equation for _, equation in equations))
    nbformat.write(nbformat.v4.new_notebook(cells=[together]), copies / "equations.ipynb")
    page.goto(lab("equations.ipynb"), wait_until="domcontentloaded")
    page.locator(DRAWN).nth(len(equations) - 1).wait_for()
    widths = page.eval_on_selector_all(DRAWN, WIDTHS)
    assert len(widths) == len(equations) > 30
    too_wide = [name for (name, _), (width, room) in zip(equations, widths, strict=True) if width > room]
    assert not too_wide, f"equations in {', '.join(too_wide)} are cut off"
