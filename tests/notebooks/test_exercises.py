"""Exercises tell right from wrong: the solution passes its check, an empty answer and plausible wrong ones do not."""

from pathlib import Path

import nbformat
import pytest
import torch

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def exercises() -> list:
    """One (stub, solution, check) of cells for each exercise, with a name."""
    found = []
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        parts = {
            tag: [c for c in cells if tag in c.metadata.get("tags", ())] for tag in ("exercise", "solution", "check")
        }
        assert len({len(part) for part in parts.values()}) == 1, f"{path.name}: each exercise needs solution and check"
        found += [
            pytest.param(*cells, id=f"{path.stem}-{i}") for i, cells in enumerate(zip(*parts.values(), strict=True))
        ]
    return found


def answer(source: str) -> dict:
    """The names that an answer defines. What a solution goes on to show needs the notebook, and is left out."""
    names = {"torch": torch}
    body = source.split("\n\n\nprint(")[0]
    exec("import facekit\nfrom facekit import Expression, show\n" + body, names)
    return names


def judged(check: str, source: str) -> str | None:
    """What the check says against an answer, or None."""
    try:
        exec(check, answer(source))
    except AssertionError as problem:
        return str(problem)
    return None


@pytest.mark.parametrize(("stub", "solution", "check"), exercises())
def test_the_check_tells_right_from_wrong(stub, solution, check, capsys):
    assert judged(check.source, solution.source) is None
    assert capsys.readouterr().out.startswith("Correct")
    wrong = check.metadata["facekit"]["wrong_answers"]
    assert wrong
    for source in (stub.source, *wrong):
        problem = judged(check.source, source)
        assert problem is not None, f"the check takes this for right: {source}"
        assert len(problem.split()) >= 4, f"the check does not say what is wrong: {problem!r}"
