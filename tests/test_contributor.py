"""docs/contributor.md is true: its code, as it stands, trains, edits, is measured, and is read."""

import re
import sys
import types
from pathlib import Path

import pytest

from facekit import Expression
from facekit.datasets import base, open_dataset
from facekit.datasets.base import DatasetMissing
from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation.benchmark import Panel, evaluate, synthetic_benchmark
from facekit.models import system
from facekit.models.load import available_generators, load_system
from facekit.show import to_image
from facekit.training import train

PAGE = (Path(__file__).parents[1] / "docs" / "contributor.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```python\n# (\S+\.py)(?:, in \w+)?\n(.*?)```", PAGE, re.DOTALL))


@pytest.fixture
def added(monkeypatch):
    """`added(file)`: the module that the page gives for a file of the library."""

    def add(file):
        name = file.removesuffix(".py").replace("/", ".")
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(BLOCKS[file], file, "exec"), module.__dict__)
        return module

    return add


def registered(file):
    return dict(re.findall(r'"(\w+)": "([\w.:]+)"', BLOCKS[file]))


def test_the_generator(added, monkeypatch, tmp_path):
    monkeypatch.setenv("FACEKIT_RUNS", str(tmp_path))
    added("facekit/models/editors/mean_face.py")
    for name, where in registered("facekit/models/system.py").items():
        monkeypatch.setitem(system.SYSTEMS, name, where)
    train("mean_face", profile="smoke", data="synthetic", out=tmp_path / "mine", progress=False)
    assert "runs/mine" in available_generators()
    generator = load_system("runs/mine")
    faces = SyntheticFaces("test", people=2, faces_per_person=1, size=48).faces([0, 1])
    shown = faces.expression.only("emotion", "intensity")
    assert (generator.edit(faces, Expression.of("surprise"), source=shown) - faces.images).abs().max() > 0.1
    with pytest.raises(ValueError, match="needs the expression of the input"):
        generator.edit(faces, Expression.of("happy"))
    benchmark = synthetic_benchmark(2, 48)
    assert 0 < evaluate(generator, benchmark, Panel.load(), tmp_path)["relative_error"]["estimate"] < 3


def test_the_dataset(added, monkeypatch, tmp_path):
    added("facekit/datasets/named.py")
    for name, where in registered("facekit/datasets/base.py").items():
        monkeypatch.setitem(base.DATASETS, name, where)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    with pytest.raises(DatasetMissing, match="named"):
        open_dataset("named")
    folder = tmp_path / "named"
    folder.mkdir()
    with pytest.raises(DatasetMissing, match="there is no picture in it"):
        open_dataset("named")
    drawn = SyntheticFaces(people=1, faces_per_person=2, size=80).faces([0, 1])
    for name, picture in zip(("happy_01", "sad_01"), drawn.images, strict=True):
        to_image(picture).save(folder / f"{name}.png")
    (folder / "angry_02.png").write_bytes(b"no picture")
    (folder / "holiday.png").write_bytes((folder / "sad_01.png").read_bytes())
    found = open_dataset("named", size=48)
    assert found.emotions == ("happy", "sad")
    assert found.faces([0, 1]).images.shape == (2, 3, 48, 48)
    assert [problem.where for problem in found.problems] == ["angry_02.png", "holiday.png"]
