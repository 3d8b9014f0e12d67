import json
from dataclasses import replace

import pytest

from facekit import cli
from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation import drawn
from facekit.evaluation.data_card import BARS, Bar, Outside, measure, same_however_asked, to_markdown, write_card
from facekit.evaluation.external import EXTERNAL_JUDGES


@pytest.fixture(scope="module")
def card():
    """A card of ten people, without anything from outside."""
    return measure(Outside(), "valid", people=10)


def test_without_outside_data_the_card_says_what_to_give(card):
    page = to_markdown(card)
    for option in ("--judges", "--fer2013", "--pairs"):
        assert option in page
    assert len(card["missing"]) == len(EXTERNAL_JUDGES) + 2
    assert card["made"]["command"] == "python -m facekit data card --split valid"
    assert "## 1. Emotions" not in page
    assert "## 5. From drawn faces" in page
    assert page.count("| not measured |") == sum(bar["value"] is None for bar in card["bars"]) == 12


def test_what_needs_nothing_from_outside_is_measured(card):
    assert card["transfer"]["drawn"]["accuracy"] > 0.5
    assert card["drawing"]["same"] is True
    assert card["drawing"]["faces_per_second"] > 0
    met = {bar["what"]: bar["met"] for bar in card["bars"]}
    assert met["the same however they are asked for"] is True
    assert met["faces that a network trained on photographs reads right"] is None


def test_page_and_numbers_are_written_side_by_side(card, tmp_path):
    numbers = write_card(card, tmp_path / "card.md")
    assert numbers == tmp_path / "card.json"
    assert json.loads(numbers.read_text())["transfer"] == card["transfer"]
    assert (tmp_path / "card.md").read_text() == to_markdown(card)
    assert len(list(tmp_path.iterdir())) == 2


def test_tables_are_whole(card):
    """Every row has as many cells as the head of its table."""
    tables = to_markdown(card).split("\n\n")
    for table in (block.splitlines() for block in tables if block.startswith("|")):
        assert len({line.count("|") for line in table}) == 1, table[0]


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(0.5, False, True), (0.49, False, False), (0.5, True, True), (0.51, True, False), (None, False, None)],
)
def test_a_bar_is_met_or_not(value, at_most, met):
    bar = Bar(1, "share", ("part", "share"), 0.5, at_most=at_most)
    judged = bar.judge({"part": {"share": value}})
    assert (judged["value"], judged["met"]) == (value, met)
    assert bar.judge({"part": None})["met"] is None


def test_every_bar_of_the_issue_is_there():
    assert {bar.number for bar in BARS} == set(range(1, 8))


def test_faces_that_depend_on_the_batch_are_found_out():
    class Uneven(SyntheticFaces):
        def faces(self, indices):
            faces = super().faces(indices)
            faces.images[0] += 0.01
            return faces

    options = {"people": 2, "faces_per_person": 7, "size": 16}
    assert same_however_asked(SyntheticFaces("valid", **options))
    assert not same_however_asked(Uneven("valid", **options))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["card.txt"], "card.txt must end in .md"),
        (["card.md", "--judges", "no/judges"], "there is no ONNX network at no/judges"),
        (["card.md", "--fer2013", "no.csv"], "FER-2013 is not at no.csv"),
        (["card.md", "--pairs", "no.zip"], "is not at no.zip"),
    ],
)
def test_a_path_that_leads_nowhere_ends_in_one_sentence(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "card", *arguments]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_measures_what_it_is_asked_to(card, capsys, tmp_path, monkeypatch):
    asked = {}

    def measured(outside, split):
        asked.update(outside=outside, split=split)
        return card

    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("facekit.evaluation.data_card.measure", measured)
    assert cli.main(["data", "card", str(tmp_path / "card.md"), "--split", "valid"]) == 0
    assert asked == {"outside": Outside(), "split": "valid"}
    assert capsys.readouterr().out.split() == [str(tmp_path / "card.md"), str(tmp_path / "card.json")]


def test_a_few_faces_with_all_that_is_outside(outside, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    found = Outside.open(outside("judges"), pairs=outside("data/muxspace_pairs/muxspace_pairs.zip"))
    few = found.pairs.faces(range(20))
    assert drawn.found(few).mean() > 0.9
    located = replace(few, landmarks=found.judges["landmarks"].landmarks(few))
    assert drawn.same_person(found.judges["identity"], drawn.aligned(located))["auc"] > 0.9
    assert -0.05 < drawn.lean(found.judges["landmarks"], few) < -0.01  # the network's own
    page = to_markdown(measure(Outside(found.judges), "valid", people=10, many=60))
    for section in range(1, 8):
        assert f"## {section}. " in page
