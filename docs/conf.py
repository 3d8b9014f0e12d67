"""The site that `python -m facekit docs` builds. Its source folder is the checkout, so that relative links work."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import facekit  # noqa: E402

project, author, copyright = "facekit", "The facekit contributors", "The facekit contributors, MIT licence"
release = version = facekit.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx_copybutton", "site_extension"]
root_doc = "docs/index"
include_patterns = [
    "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "data/README.md",
    "docs/*.md", "docs/api/*.rst", "notebooks/*.ipynb",
]  # fmt: skip
exclude_patterns = [".*", "runs", "facekit", "tests", "**/.ipynb_checkpoints"]

# Markdown and notebooks, which are shown as committed and never executed.
nb_execution_mode = "off"
nb_ipywidgets_js = {}  # nothing is fetched from outside
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]  # a widget's state, beside which its picture stands

# The reference of the library.
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "none"  # signatures say them already, in docstrings they would be repeated
templates_path = []

html_theme = "sphinx_book_theme"
html_title = "facekit"
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "home_page_in_toc": False,
    "use_download_button": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
}
copybutton_exclude = ".linenos, .gp, .go"
