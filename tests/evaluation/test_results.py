"""The page of results and the README's table are what the numbers in the repository say."""

import json
import shutil

import pandas as pd
import pytest

from facekit import cli
from facekit.evaluation import results
from facekit.evaluation.results import BadResults, read_table, record, results_page, table_text, write_results
from facekit.workspace import checkout

TABLES = sorted(path.stem for path in (checkout() / "data" / "results").glob("*.json"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of the documents and numbers, which may be written to."""
    for name in ("data/results", "docs"):
        shutil.copytree(checkout() / name, tmp_path / name)
    shutil.copy(checkout() / "README.md", tmp_path / "README.md")
    monkeypatch.setattr(results, "results_home", lambda: tmp_path / "data" / "results")
    return tmp_path


def test_the_committed_page_and_readme_agree_with_the_numbers():
    assert (checkout() / "docs" / "results.md").read_text(encoding="utf-8") == results_page()
    assert table_text("readme") in (checkout() / "README.md").read_text(encoding="utf-8")


def test_writing_again_changes_nothing_and_a_new_number_changes_both(root):
    page, readme = write_results(root)
    before = page.read_text(), readme.read_text()
    assert before == ((checkout() / "docs/results.md").read_text(), (checkout() / "README.md").read_text())
    table = read_table("generators")
    row = next(row for row in table["rows"] if row.get("readme"))
    row["values"]["relative_error"] = 0.1234
    (root / "data/results/generators.json").write_text(json.dumps(table))
    write_results(root)
    assert "0.12" in readme.read_text()
    assert readme.read_text() != before[1]
    assert page.read_text() != before[0]


@pytest.mark.parametrize("name", TABLES)
def test_every_table_names_its_commands_and_has_a_value_for_each_column(name):
    table = read_table(name)
    assert all(table["commands"])
    assert table["note"]
    for row in table["rows"]:
        assert set(row["values"]) == set(table["columns"]), row["label"]
    assert len(table_text(name).splitlines()) == 2 + len(table["rows"])
    assert table_text(name) in results_page()


def test_the_readme_has_five_rows_and_at_most_1000_words():
    assert len(table_text("readme").splitlines()) == 2 + 5
    assert len((checkout() / "README.md").read_text(encoding="utf-8").split()) <= 1000


def test_a_leaderboard_is_recorded(root, capsys):
    leaderboard = root / "leaderboard.csv"
    row = {"name": "stargan-synthetic", "edit_success": 0.5, "edit_success_low": 0.4, "edit_success_high": 0.6}
    row |= {
        "relative_error": 0.75,
        "relative_error_low": 0.7,
        "relative_error_high": 0.8,
        "sharpness": 0.9,
        "two_sample_auc": 0.6,
        "au_direction_accuracy": 0.25,
    }
    pd.DataFrame([row]).to_csv(leaderboard, index=False)
    path = record("generators", leaderboard)
    values = {each["method"]: each["values"] for each in json.loads(path.read_text())["rows"]}
    expected = {"edit_success": [0.5, 0.4, 0.6], "relative_error": [0.75, 0.7, 0.8]}
    expected |= {"sharpness": 0.9, "two_sample_auc": 0.6, "au_direction_accuracy": 0.25}
    assert values["stargan-synthetic"] == expected
    assert values["mma_gan-synthetic"]["edit_success"][0] > 0.9  # the others stay
    assert cli.main(["results", "--record", "no_such_table", str(leaderboard)]) == 2
    assert "there is no table 'no_such_table'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "unknown"}, "has no method of the table"),
        ({"name": "stargan-synthetic", "edit_success": 1.0}, "no column au_direction_accuracy, relative_error"),
    ],
)
def test_a_leaderboard_that_does_not_fit_is_refused(root, row, message):
    pd.DataFrame([row]).to_csv(root / "leaderboard.csv", index=False)
    with pytest.raises(BadResults, match=message):
        record("generators", root / "leaderboard.csv")


def test_a_leaderboard_that_does_not_exist_is_refused(root):
    with pytest.raises(BadResults, match="there is no file"):
        record("generators", root / "leaderboard.csv")
