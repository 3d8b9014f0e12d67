import gzip

import pytest

from facekit.datasets.tables import open_table, open_text

TEXT = 'File;Emotion ;Person\nä/1.png;happy;Zoë\n\n"b,c/2.png";sad;\n3.png\n'
ROWS = [
    (2, {"file": "ä/1.png", "emotion": "happy", "person": "Zoë"}),
    (4, {"file": "b,c/2.png", "emotion": "sad", "person": ""}),
    (5, {"file": "3.png", "emotion": "", "person": ""}),
]


def read(file):
    with open_text(file) as stream:
        table = open_table(stream)
        return table.columns, list(table.rows)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_every_common_encoding_is_read(tmp_path, encoding):
    (tmp_path / "table.csv").write_bytes(TEXT.encode(encoding))
    assert read(tmp_path / "table.csv") == (("file", "emotion", "person"), ROWS)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_every_common_separator_is_read(tmp_path, separator):
    text = TEXT.replace('"b,c/2.png"', "b/2.png").replace(";", separator)
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    assert read(tmp_path / "table.csv")[1][1] == (4, {"file": "b/2.png", "emotion": "sad", "person": ""})


def test_excels_line_that_names_the_separator_is_understood(tmp_path):
    (tmp_path / "table.csv").write_text(f"sep=;\r\n{TEXT}", encoding="utf-8")
    columns, rows = read(tmp_path / "table.csv")
    assert columns == ("file", "emotion", "person")
    assert rows[0] == (3, ROWS[0][1])


def test_gzipped_and_empty_tables(tmp_path):
    (tmp_path / "table.csv.gz").write_bytes(gzip.compress(TEXT.encode("utf-16")))
    assert read(tmp_path / "table.csv.gz")[1] == ROWS
    (tmp_path / "empty.csv").write_bytes(b"")
    assert read(tmp_path / "empty.csv") == ((), [])
