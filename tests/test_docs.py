"""The site of notebooks, documents and reference builds without a warning, and needs nothing from outside."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
EXTERNAL = re.compile(
    r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//|<link[^>]*rel=\"stylesheet\"[^>]*href=\"(?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built with warnings as errors."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "facekit", "docs", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == str(out / "docs" / "index.html")
    return out


def test_every_notebook_is_listed(site):
    index = (site / "docs" / "index.html").read_text(encoding="utf-8")
    assert NOTEBOOKS
    assert all((site / "notebooks" / f"{name}.html").is_file() for name in NOTEBOOKS)
    assert all(f"notebooks/{name}.html" in index for name in NOTEBOOKS)


def test_the_reference_has_what_users_call(site):
    objects = "".join(path.read_text(encoding="utf-8") for path in (site / "docs" / "api").glob("*.html"))
    for name in ("faces.expression.Expression.of", "models.load.load_system", "datasets.base.open_dataset"):
        assert f'id="facekit.{name}"' in objects


def test_equations_are_mathml_and_pictures_are_there(site):
    page = (site / "notebooks" / "03_conditional_vae.html").read_text(encoding="utf-8")
    assert page.count("<math") > 20
    assert "attachment:" not in page


def test_it_can_be_searched_and_loads_nothing_from_outside(site):
    assert (site / "searchindex.js").stat().st_size > 10_000
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(NOTEBOOKS) + 20
    external = [path.name for path in pages if EXTERNAL.search(path.read_text(encoding="utf-8"))]
    assert external == []
