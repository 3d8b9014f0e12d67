import pytest
from trees import save, write_fer

from facekit.datasets.base import DATASETS
from facekit.datasets.check import check_data, check_dataset


def test_an_empty_home_says_where_everything_comes_from(tmp_path):
    report = check_data(tmp_path)
    names = [name for name in DATASETS if name != "joint"]  # whose files are those of two others
    assert [of.name for of in report.datasets] == names
    text = str(report)
    assert str(tmp_path) in text
    assert "synthetic: embedded" in text
    for name in names:
        if not name.startswith("synthetic"):
            source = report[name].source
            assert not report[name].found
            for fact in (source.address, source.terms, source.layout.splitlines()[0]):
                assert fact in text


def test_what_is_there_is_counted(tmp_path, fer_rows, monkeypatch):
    fer_rows[45][1] = fer_rows[0][1]  # a picture of train in valid
    fer_rows[3] = ["9", *fer_rows[3][1:]]
    write_fer(tmp_path / "fer2013" / "fer2013.csv", fer_rows)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    report = check_data()["fer2013"]
    assert report.found
    assert {split: sum(of.values()) for split, of in report.counts.items()} == {"train": 39, "valid": 12, "test": 12}
    assert report.repeated == {("train", "valid"): 1, ("train", "test"): 0, ("valid", "test"): 0}
    assert [problem.where for problem in report.problems] == ["fer2013.csv:5"]
    text = str(report)
    for said in ("1 pictures of valid are in train too", "fer2013.csv:5: label 9", "1 left out as unusable"):
        assert said in text
    happy = next(line for line in text.splitlines() if line.strip().startswith("happy")).split()
    wanted = [report.counts[split]["happy"] for split in ("train", "valid", "test")]
    assert [int(word) for word in happy[1::2]] == wanted
    assert happy[2] == f"{wanted[0] / 39:.1%}"


@pytest.mark.parametrize(("name", "tree"), [("ckplus", "ckplus_tree"), ("ferg", "ferg_tree"), ("rafd", "rafd_tree")])
def test_people_are_counted_and_splits_that_are_empty_are_no_error(name, tree, request):
    report = check_dataset(name, request.getfixturevalue(tree))
    assert report.found
    assert not report.problems
    assert sum(report.persons.values()) == {"ckplus": 5, "ferg": 6, "rafd": 8}[name]
    assert "people" in str(report)


def test_unlabelled_pictures_are_counted(tmp_path, drawn):
    rows = ["file,emotion"]
    for i in range(40):
        save(drawn.images[i], tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{'' if i % 2 else 'happy'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    report = check_dataset("folder", tmp_path)
    assert sum(of.get("unlabelled", 0) for of in report.counts.values()) == 20
    assert "unlabelled" in str(report)
