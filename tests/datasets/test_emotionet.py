import openpyxl
import pytest
import torch
from trees import all_of, emotionet_name, emotionet_row, open_splits

from facekit.datasets import DatasetMissing
from facekit.datasets.emotionet import EmotioNet
from facekit.datasets.sources import UnusableData
from facekit.faces.action_units import action_unit_columns

OPENFACE = " face, confidence, AU01_r, AU12_r, AU45_r, AU12_c\n 0, {confidence}, 0.0, {smile}, 5.0, 1.0\n"


def number(name):
    return int(name.split("_")[1])


def every(tree, **options):
    """All faces by the number in their name, whichever split they are in."""
    faces = [all_of(dataset) for dataset in open_splits("emotionet", tree, **options).values()]
    return {number(name): part[i] for part in faces for i, name in enumerate(part.names)}


def unit(face, name):
    return face.action_units[0, list(action_unit_columns(name))]


def write_table(tree, rows, name="dataFile_0001.txt"):
    (tree / name).write_text("\n".join("\t".join(row) for row in rows))


def test_units_that_are_present_have_full_intensity_and_unknown_ones_are_marked(emotionet_tree):
    faces = every(emotionet_tree)
    assert sorted(faces) == list(range(64))
    for i, face in faces.items():
        assert face.emotion.item() == -1
        assert unit(face, "AU12").tolist() == [i % 2, i % 2]
        annotated = face.attributes["annotated"][0]
        assert annotated[list(action_unit_columns("AU12"))].all()
        assert annotated[list(action_unit_columns("AU1"))].any() == (i % 3 != 0)
        assert not annotated[list(action_unit_columns("AU4"))].any()


def test_scores_above_one_are_the_letters_of_facs(emotionet_photographs):
    write_table(emotionet_photographs, [emotionet_row(i, {12: i % 6}) for i in range(64)])
    for i, face in every(emotionet_photographs).items():
        assert torch.allclose(unit(face, "AU12"), torch.tensor(0.2 * (i % 6)))


def test_workbooks_with_quoted_headers_are_read(emotionet_photographs):
    book = openpyxl.Workbook()
    book.active.append(["'URL'", "'orig_url'", *(f"' AU {unit}'" for unit in (1, 12))])
    for i in range(64):
        row = emotionet_row(i, {})
        book.active.append([f"'{row[0]}'", row[1], 999, i % 2])
    book.save(emotionet_photographs / "annotations.xlsx")
    for i, face in every(emotionet_photographs).items():
        assert unit(face, "AU12").tolist() == [i % 2, i % 2]


def test_openface_is_read_where_there_is_no_table(emotionet_photographs):
    for file in list(emotionet_photographs.rglob("*.jpg")):
        smile = 5 * (number(file.name) % 2)
        file.with_suffix(".csv").write_text(OPENFACE.format(confidence=0.98, smile=smile))
    unsure = emotionet_photographs / "photographs" / "0000" / emotionet_name(6)
    unsure.with_suffix(".csv").write_text(OPENFACE.format(confidence=0.3, smile=0))
    faces = every(emotionet_photographs)
    assert sorted(faces) == [i for i in range(64) if i != 6]
    assert unit(faces[1], "AU12").tolist() == [1, 1]
    assert unit(faces[1], "AU43").tolist() == [1, 1]  # AU45_r
    assert faces[1].attributes["annotated"].sum() == 6
    problems = [str(problem) for problem in EmotioNet(path=emotionet_photographs).problems]
    assert problems == [f"photographs/0000/{emotionet_name(6)[:-4]}.csv: OpenFace's confidence is 0.3, less than 0.8"]
    assert 6 in every(emotionet_photographs, confidence=0.2)


def test_photographs_that_are_not_there_are_counted(emotionet_tree):
    (emotionet_tree / "photographs" / "0000" / emotionet_name(4)).unlink()
    (emotionet_tree / "photographs" / "0001" / emotionet_name(5)).unlink()
    [problem] = EmotioNet(path=emotionet_tree).problems
    assert problem.where == "dataFile_0001.txt"
    assert problem.what.startswith("2 of its photographs are not in the folder")
    assert emotionet_name(4) in problem.what


BAD_ROWS = {
    "a word": ("AU12 is 'much'", {12: "much"}),
    "a value out of range": ("AU12 is 7", {12: 7}),
    "a fraction": ("AU12 is 0.5", {12: 0.5}),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_an_invalid_row_is_reported(emotionet_photographs, kind):
    message, units = BAD_ROWS[kind]
    write_table(emotionet_photographs, [emotionet_row(i, units if i == 3 else {12: 1}) for i in range(64)])
    [problem] = EmotioNet(path=emotionet_photographs).problems
    assert problem.where == "dataFile_0001.txt:4"
    assert message in problem.what
    with pytest.raises(UnusableData, match=r"dataFile_0001\.txt:4"):
        EmotioNet(path=emotionet_photographs, strict=True)


def test_a_short_row_is_reported(emotionet_tree):
    rows = [line.split("\t") for line in (emotionet_tree / "dataFile_0001.txt").read_text().splitlines()]
    write_table(emotionet_tree, [*rows[:5], rows[5][:20], *rows[6:]])
    [problem] = EmotioNet(path=emotionet_tree).problems
    assert "20 columns; it must have 62" in problem.what


def test_pickles_are_refused_with_the_remedy(emotionet_tree):
    (emotionet_tree / "aus_openface.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    [problem] = EmotioNet(path=emotionet_tree).problems
    assert problem.where == "aus_openface.pkl"
    assert "FaceLandmarkImg" in problem.what


def test_damaged_workbooks_and_other_csv_files_are_reported(emotionet_photographs):
    (emotionet_photographs / "broken.xlsx").write_text("text")
    with pytest.raises(DatasetMissing, match="the workbook is damaged"):
        EmotioNet(path=emotionet_photographs)
    (emotionet_photographs / "broken.xlsx").unlink()
    (emotionet_photographs / "list.csv").write_text("file,emotion\na.png,happy\n")
    with pytest.raises(DatasetMissing, match="not written by OpenFace"):
        EmotioNet(path=emotionet_photographs)


def test_a_missing_dataset_raises_with_its_source(tmp_path):
    with pytest.raises(DatasetMissing, match=r"no photograph in it has action units(?s:.*)ohio-state"):
        EmotioNet(path=tmp_path)
