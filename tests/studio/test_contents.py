"""What the studio shows: texts for everything, pictures by name, presets that exist, and which generators."""

import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import facekit
from facekit import Expression
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces import ACTION_UNIT_COLUMNS, EMOTIONS, PROTOCOL_EMOTIONS, to_uint8
from facekit.models.load import load_system
from facekit.show import catalogue
from facekit.studio.contents import PRESETS, contents, described, ground_truth, picture, pictures
from facekit.weights.shipped import SHIPPED

WEB = Path(facekit.__file__).parent / "studio" / "web"
TEXTS = json.loads((WEB / "texts.json").read_text(encoding="utf-8"))


def test_everything_that_the_page_says_is_a_text():
    used = set()
    for path in (*WEB.glob("*.js"), WEB / "index.html"):
        source = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'\bt\("([^"]+)"', source)) | set(re.findall(r'data-(?:text|label)="([^"]+)"', source))
    shown = contents(lambda name: name)
    by_data = {unit["region"] for unit in shown["units"]} | {name for name, _ in PRESETS} | {*PROTOCOL_EMOTIONS}
    by_code = {
        "left",
        "right",
        "next",
        "done",
        "play",
        "pause",
        "hint_face",
        "hint_emotion",
        "hint_units",
        "hint_everyone",
    }
    by_code |= {"lead_served"}
    assert used | by_data | by_code == set(TEXTS)


def test_the_contents_agree_with_the_library():
    shown = contents(lambda name: f"at/{name}", people=3)
    assert json.loads(json.dumps(shown)) == shown | {"people": json.loads(json.dumps(shown["people"]))}
    assert shown["columns"] == list(ACTION_UNIT_COLUMNS)
    assert shown["labels"] == list(EMOTIONS)
    for emotion in shown["emotions"]:
        units = Expression.of(emotion["name"]).to_action_units().action_units[0]
        torch.testing.assert_close(torch.tensor(emotion["units"]), units)
    for (_, asked), preset in zip(PRESETS, shown["presets"], strict=True):
        vector = torch.tensor([preset["units"].get(column, 0.0) for column in ACTION_UNIT_COLUMNS])
        torch.testing.assert_close(vector, Expression.from_action_units(asked).action_units[0])
    assert [person["id"] for person in shown["people"]] == [0, 1, 2]
    assert shown["people"][1]["truth"]["happy"] == "at/person/1/happy"


def test_each_picture_has_a_name_and_inputs_lose_nothing():
    drawn = dict(pictures(people=2))
    wanted = {unit["picture"] for unit in contents(lambda name: name, people=2)["units"]}
    for person in contents(lambda name: name, people=2)["people"]:
        wanted |= {*person["images"].values(), *person["truth"].values()}
    assert set(drawn) == wanted
    for size in (64, 128):
        people = SyntheticFaces("test", people=2, faces_per_person=1, size=size)
        image = to_uint8(people.counterfactual([1], Expression.neutral()).images[0]).permute(1, 2, 0).numpy()
        for file in (drawn[f"person/1/{size}"], picture(f"person/1/{size}")):
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(file))), image)


@pytest.mark.parametrize(
    "name", ["person/7/elated", "person/x/64", "person/500/64", "unit/3", "unit/12/64", "mouth/1/64"]
)
def test_there_are_no_other_pictures(name):
    with pytest.raises(KeyError):
        picture(name)


def test_the_ground_truth_is_the_drawing():
    people = SyntheticFaces("test", people=9, faces_per_person=1, size=128)
    units = Expression.from_action_units({"AU12L": 0.7}).action_units[0]
    expected = people.counterfactual([8], Expression(action_units=units[None])).images[0]
    torch.testing.assert_close(ground_truth(8, units), expected)


def test_generators_have_names_and_leftovers_of_smoke_runs_are_not_offered():
    entries = list(catalogue.available())
    assert {entry.weights for entry in catalogue.on_page()} <= {entry.weights for entry in entries} & set(SHIPPED)
    for entry in entries:
        assert entry.name != entry.weights or entry.own
        assert entry.line.endswith(".")
    cards = {entry.weights: load_system(entry.weights).card for entry in entries if entry.own}
    assert all(card.profile != "smoke" for card in cards.values())


def test_a_generator_says_what_it_was_not_trained_on():
    entry = catalogue.on_page()[0]
    generator = load_system(entry.weights)
    shown = described(entry, generator)
    assert (shown["size"], shown["part"], shown["untrained"]) == (128, "action_units", [])
    known = [name for name in generator.card.data["action_units"] if not name.startswith("AU43")]
    generator.card = dataclasses.replace(generator.card, data=generator.card.data | {"action_units": known})
    shown = described(entry, generator)
    assert shown["untrained"] == ["AU43L", "AU43R"]
    assert json.dumps(shown)
