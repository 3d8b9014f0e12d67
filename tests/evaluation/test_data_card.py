import json
from dataclasses import replace

import pytest

from facekit import cli
from facekit.datasets.synthetic import SyntheticFaces
from facekit.evaluation import realism
from facekit.evaluation.data_card import (
    REQUIREMENTS,
    External,
    Requirement,
    deterministic,
    measure,
    to_markdown,
    write_card,
)
from facekit.evaluation.external import EXTERNAL_JUDGES


@pytest.fixture(scope="module")
def card():
    """A card of ten people, without external networks and datasets."""
    return measure(External(), "valid", people=10)


def test_the_card_names_missing_networks_and_datasets(card):
    page = to_markdown(card)
    for option in ("--judges", "--fer2013", "--pairs"):
        assert option in page
    assert len(card["missing"]) == len(EXTERNAL_JUDGES) + 2
    assert card["versions"]["command"] == "python -m facekit data card --split valid"
    assert "## 1. Emotions" not in page
    assert "## 5. Transfer" in page
    assert page.count("| not measured |") == sum(item["value"] is None for item in card["requirements"]) == 12


def test_measures_without_external_inputs_are_made(card):
    assert card["transfer"]["synthetic"]["accuracy"] > 0.5
    assert card["rendering"]["deterministic"] is True
    assert card["rendering"]["faces_per_second"] > 0
    met = {item["measure"]: item["met"] for item in card["requirements"]}
    assert met["independent of order and batch"] is True
    assert met["emotion accuracy of a classifier of photographs"] is None


def test_page_and_numbers_are_written(card, tmp_path):
    numbers = write_card(card, tmp_path / "card.md")
    assert numbers == tmp_path / "card.json"
    assert json.loads(numbers.read_text())["transfer"] == card["transfer"]
    assert (tmp_path / "card.md").read_text() == to_markdown(card)
    assert len(list(tmp_path.iterdir())) == 2


def test_tables_are_complete(card):
    """Every row has as many cells as the header of its table."""
    tables = to_markdown(card).split("\n\n")
    for table in (block.splitlines() for block in tables if block.startswith("|")):
        assert len({line.count("|") for line in table}) == 1, table[0]


@pytest.mark.parametrize(
    ("value", "at_most", "met"),
    [(0.5, False, True), (0.49, False, False), (0.5, True, True), (0.51, True, False), (None, False, None)],
)
def test_a_requirement_is_met_or_not(value, at_most, met):
    requirement = Requirement(1, "share", ("part", "share"), 0.5, at_most=at_most)
    checked = requirement.check({"part": {"share": value}})
    assert (checked["value"], checked["met"]) == (value, met)
    assert requirement.check({"part": None})["met"] is None


def test_all_groups_of_requirements_are_there():
    assert {requirement.number for requirement in REQUIREMENTS} == set(range(1, 8))


def test_faces_that_depend_on_the_batch_are_not_deterministic():
    class Uneven(SyntheticFaces):
        def faces(self, indices):
            faces = super().faces(indices)
            faces.images[0] += 0.01
            return faces

    options = {"people": 2, "faces_per_person": 7, "size": 16}
    assert deterministic(SyntheticFaces("valid", **options))
    assert not deterministic(Uneven("valid", **options))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["card.txt"], "card.txt must end in .md"),
        (["card.md", "--judges", "no/judges"], "there is no ONNX network at no/judges"),
        (["card.md", "--fer2013", "no.csv"], "FER-2013 is not at no.csv"),
        (["card.md", "--pairs", "no.zip"], "is not at no.zip"),
    ],
)
def test_an_invalid_path_ends_in_one_sentence(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "card", *arguments]) == 2
    message = capsys.readouterr().err
    assert words in message
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_command_passes_its_options(card, capsys, tmp_path, monkeypatch):
    options = {}

    def measured(external, split):
        options.update(external=external, split=split)
        return card

    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path / "nothing"))
    monkeypatch.setattr("facekit.evaluation.data_card.measure", measured)
    assert cli.main(["data", "card", str(tmp_path / "card.md"), "--split", "valid"]) == 0
    assert options == {"external": External(), "split": "valid"}
    assert capsys.readouterr().out.split() == [str(tmp_path / "card.md"), str(tmp_path / "card.json")]


def test_a_few_faces_with_all_external_inputs(outside, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEKIT_DATA", str(tmp_path))
    external = External.open(outside("judges"), pairs=outside("data/muxspace_pairs/muxspace_pairs.zip"))
    few = external.pairs.faces(range(20))
    assert realism.detected(few).mean() > 0.9
    with_landmarks = replace(few, landmarks=external.judges["landmarks"].landmarks(few))
    assert realism.identity_verification(external.judges["identity"], realism.aligned(with_landmarks))["auc"] > 0.9
    assert -0.05 < realism.horizontal_bias(external.judges["landmarks"], few) < -0.01  # a property of the network
    page = to_markdown(measure(External(external.judges), "valid", people=10, many=60))
    for section in range(1, 8):
        assert f"## {section}. " in page
