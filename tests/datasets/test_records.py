from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facekit.datasets.base import SPLITS
from facekit.datasets.folder import SOURCE
from facekit.datasets.records import Record, in_split, split_named, split_of
from facekit.datasets.sources import Problems, UnusableData, inside
from facekit.workspace.folders import data_home


def test_shares_of_the_splits():
    counts = Counter(split_of(f"person {i}") for i in range(5000))
    assert counts["train"] / 5000 == pytest.approx(0.8, abs=0.02)
    assert counts["valid"] / 5000 == pytest.approx(0.1, abs=0.015)


def test_the_split_of_a_key_is_fixed():
    """A change would move people between the splits of trained models."""
    assert "".join(split_of(f"ckplus/S{i:03d}")[0] for i in range(30)) == "tttttvtttttttttvttttttttvttttt"


records = st.lists(
    st.tuples(st.integers(0, 12), st.sampled_from(["train", "valid", "test", None])), min_size=1, max_size=40
)


@settings(max_examples=60, deadline=None)
@given(records, st.booleans())
def test_splits_are_disjoint_and_complete(assignments, official):
    all_records = [
        Record((Path(f"{i}"),), f"{i}", person=f"p{person}", split=split if official else None)
        for i, (person, split) in enumerate(assignments)
    ]
    given_splits = {record.split for record in all_records} - {None}
    problems = Problems()
    parts = {split: in_split(all_records, split, SOURCE, problems) for split in SPLITS}
    if given_splits and "test" not in given_splits:
        assert parts["test"] == parts["valid"]
        parts["test"] = []
    placed = Counter(record.name for part in parts.values() for record in part)
    left_out = {problem.where for problem in problems}
    assert set(placed.values()) <= {1}
    assert set(placed) | left_out == {record.name for record in all_records}
    if not given_splits:
        people = [{record.person for record in part} for part in parts.values()]
        assert sum(map(len, people)) == len(set().union(*people))
    for split in given_splits & {"test", "valid"}:
        assert parts[split] == [record for record in all_records if record.split == split]


@pytest.mark.parametrize(("word", "split"), [("val", "valid"), ("Validation", "valid"), ("TEST", "test"), ("x", None)])
def test_names_of_splits(word, split):
    assert split_named(word) == split


def test_paths_outside_of_the_folder_raise(tmp_path):
    assert inside(tmp_path, "a/../b.png") == tmp_path / "b.png"
    for name in ("../b.png", "a/../../b.png", "/etc/passwd", f"../{tmp_path.name}x/b.png"):
        with pytest.raises(ValueError, match="leads out"):
            inside(tmp_path, name)


def test_problems_are_collected_or_raised():
    problems = Problems()
    problems.add("a:1", "wrong")
    problems.add(Path("b"), ValueError("bad"))
    assert [str(problem) for problem in problems] == ["a:1: wrong", "b: bad"]
    again = Problems()
    again.add_array(problems.to_array())
    assert again == problems
    with pytest.raises(UnusableData, match="a:1: wrong"):
        Problems(strict=True).add_array(problems.to_array())
    assert Problems().to_array().shape == (0, 2)


def test_the_data_home(monkeypatch, tmp_path):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    assert data_home() == tmp_path
    monkeypatch.delenv("FACEKIT_DATA")
    assert data_home().name == "data"
    assert (data_home().parent / "pyproject.toml").exists()
