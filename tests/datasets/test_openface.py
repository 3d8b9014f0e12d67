import pytest

from facekit.datasets.openface import read_openface
from facekit.faces.action_units import action_unit_columns

HEADER = "frame, face_id, timestamp, confidence, success, AU01_r, AU12_r, AU28_c, AU45_r"


def written(tmp_path, *rows, header=HEADER):
    file = tmp_path / "video.csv"
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def test_rows_hold_intensities_from_0_to_1(tmp_path):
    rows = read_openface(written(tmp_path, "1, 0, 0.0, 0.9, 1, 2.5, 5, 1, 0", "2, 0, 0.04, 0.5, 1, 0, 1, 0, 5"))
    assert [(row.frame, row.confidence) for row in rows] == [(1, 0.9), (2, 0.5)]
    assert rows[0].action_units[list(action_unit_columns(1))].tolist() == [0.5, 0.5]
    assert rows[0].action_units[list(action_unit_columns(12))].tolist() == [1, 1]
    assert rows[1].action_units[list(action_unit_columns(43))].tolist() == [1, 1]  # a blink
    assert rows[0].estimated.sum() == 6  # AU28 has no intensity


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1, 0, 0, 0.9, 1, 2.5, 5.5, 1, 0", "video.csv:2: AU12_r is 5.5; intensities are 0 to 5"),
        ("1, 0, 0, 0.9, 1, nan, 1, 1, 0", "AU01_r is nan"),
        ("1, 0, 0, 0.9, 1, high, 1, 1, 0", "video.csv:2 has a value that is not a number"),
        ("1, 0, 0, 0.9", "video.csv:2 has 4 values; it must have 9"),
    ],
)
def test_an_invalid_row_raises(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        read_openface(written(tmp_path, row))


def test_another_csv_file_raises(tmp_path):
    with pytest.raises(ValueError, match="it was not written by OpenFace"):
        read_openface(written(tmp_path, header="file,emotion"))
    with pytest.raises(ValueError, match="it was not written by OpenFace"):
        read_openface(written(tmp_path, header=""))
