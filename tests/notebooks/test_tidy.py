"""What is left in a notebook for those who read it without a kernel."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from facekit.batch.notebooks import WIDGET, tidy


def executed(*outputs: dict, tag: str = "x"):
    cell = new_code_cell(outputs=[new_output("display_data", data) for data in outputs], metadata={"tags": [tag]})
    return new_notebook(cells=[new_markdown_cell("# Title"), cell])


def test_a_widget_is_kept_as_the_picture_that_it_gives():
    notebook = executed({WIDGET: {"model_id": "x"}, "image/png": "iVBOR", "text/plain": "panel"}, {WIDGET: {}})
    tidy(notebook)
    assert [output.data for output in notebook.cells[1].outputs] == [{"image/png": "iVBOR", "text/plain": "panel"}]


def test_the_title_shows_the_picture_of_the_cell_tagged_cover():
    notebook = executed({"text/plain": "1"}, {"image/png": "iVBOR\n"}, tag="cover")
    tidy(notebook)
    assert notebook.cells[0].attachments == {"cover.png": {"image/png": "iVBOR"}}


def test_without_such_a_cell_the_title_is_left_alone():
    notebook = executed({"image/png": "iVBOR"})
    tidy(notebook)
    assert "attachments" not in notebook.cells[0]
