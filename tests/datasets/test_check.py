import pytest
from trees import save, write_fer

from facekit.datasets.base import DATASETS
from facekit.datasets.check import check_data, check_dataset


def test_the_report_on_an_empty_folder_names_all_sources(tmp_path):
    report = check_data(tmp_path)
    names = [name for name in DATASETS if name != "joint"]  # it consists of two other datasets
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


def test_images_are_counted(tmp_path, fer_rows, monkeypatch):
    fer_rows[45][1] = fer_rows[0][1]  # an image of train in valid
    fer_rows[3] = ["9", *fer_rows[3][1:]]
    write_fer(tmp_path / "fer2013" / "fer2013.csv", fer_rows)
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    report = check_data()["fer2013"]
    assert report.found
    assert {split: sum(of.values()) for split, of in report.counts.items()} == {"train": 39, "valid": 12, "test": 12}
    assert report.repeated == {("train", "valid"): 1, ("train", "test"): 0, ("valid", "test"): 0}
    assert [problem.where for problem in report.problems] == ["fer2013.csv:5"]
    text = str(report)
    for message in ("1 images of valid are also in train", "fer2013.csv:5: label 9", "1 left out as unusable"):
        assert message in text
    happy = next(line for line in text.splitlines() if line.strip().startswith("happy")).split()
    wanted = [report.counts[split]["happy"] for split in ("train", "valid", "test")]
    assert [int(word) for word in happy[1::2]] == wanted
    assert happy[2] == f"{wanted[0] / 39:.1%}"


@pytest.mark.parametrize(("name", "tree"), [("ckplus", "ckplus_tree"), ("ferg", "ferg_tree"), ("rafd", "rafd_tree")])
def test_people_are_counted_and_empty_splits_are_allowed(name, tree, request):
    report = check_dataset(name, request.getfixturevalue(tree))
    assert report.found
    assert not report.problems
    assert sum(report.persons.values()) == {"ckplus": 5, "ferg": 6, "rafd": 8}[name]
    assert "people" in str(report)


def test_unlabelled_images_are_counted(tmp_path, rendered):
    rows = ["file,emotion"]
    for i in range(40):
        save(rendered.images[i], tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{'' if i % 2 else 'happy'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    report = check_dataset("folder", tmp_path)
    assert sum(of.get("unlabelled", 0) for of in report.counts.values()) == 20
    assert "unlabelled" in str(report)
