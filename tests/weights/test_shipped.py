"""The weights that ship: each is there, small, loads with its checksum, and is as good as the suite says."""

import dataclasses

import pytest

from facekit.datasets import open_dataset
from facekit.evaluation.benchmark import Panel, evaluate, synthetic_benchmark
from facekit.evaluation.metrics.reference import psnr
from facekit.evaluation.model_cards import page
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.expression import Expression
from facekit.models.load import load_system
from facekit.models.system import system_class
from facekit.weights.shipped import SHIPPED
from facekit.workspace.folders import checkout

LARGEST = 4_000_000  # bytes


def valid(size, faces_per_person):
    """Held-out drawn people: 64 are enough to tell good weights from bad ones."""
    return open_dataset("synthetic", "valid", size=size, people=64, faces_per_person=faces_per_person)


@pytest.mark.parametrize("name", SHIPPED)
def test_each_is_small_and_made_as_its_recipe_says(name):
    recipe, system = SHIPPED[name], load_system(name)
    assert (checkout() / "data" / "weights" / f"{name}.safetensors").stat().st_size <= LARGEST
    assert (system.card.system, system.card.profile, system.card.data["name"]) == (
        recipe.system,
        recipe.profile,
        recipe.data,
    )
    assert system.card.name == name
    preset = system_class(recipe.system).presets[recipe.profile]
    overrides = {**recipe.overrides, **(recipe.then or {})}
    fields = {name: value for name, value in overrides.items() if "." not in name}
    assert system.preset == dataclasses.replace(preset, **fields)


def test_nothing_ships_that_no_recipe_makes():
    assert {path.stem for path in (checkout() / "data" / "weights").iterdir()} == set(SHIPPED)


def test_the_page_of_model_cards_is_of_these_weights():
    written = (checkout() / "docs" / "model_cards.md").read_text(encoding="utf-8")
    assert written == page(), "docs/model_cards.md is of other weights: python -m facekit weights-cards"
    assert all(f"## {name}\n" in written for name in SHIPPED)
    assert "the people in it were not asked" in written  # FER-2013's terms


def test_e1_reads_drawn_people_that_it_has_not_seen():
    assert load_system("emotion_cnn-synthetic").evaluate(valid(48, 7))["accuracy"] > 0.85


def test_e2_reads_drawn_people_that_it_has_not_seen():
    assert load_system("emotion_resnet-synthetic").evaluate(valid(48, 7))["accuracy"] > 0.96


def test_e2_reads_photographs(outside):
    photographs = open_dataset("fer2013", "valid", size=48, path=outside("data/fer2013/fer2013.csv.gz"))
    assert load_system("emotion_resnet-fer2013").evaluate(photographs)["accuracy"] >= 0.65


def test_the_identity_network_knows_people_again():
    measured = load_system("identity-synthetic").evaluate(valid(48, 4))
    assert measured["auc"] > 0.99
    assert measured["auc_matched"] > 0.97


def test_the_action_unit_regressor_tells_left_from_right():
    faces = open_dataset("synthetic", "valid", people=40, faces_per_person=7, size=64, one_sided=1.0).faces(range(280))
    said = load_system("action_units-synthetic").read(faces.images)
    left, right = (ACTION_UNIT_COLUMNS.index(f"AU12{side}") for side in "LR")
    true = faces.action_units[:, left] - faces.action_units[:, right]
    smiling = true.abs() > 0.2
    told = (said[:, left] - said[:, right])[smiling]
    assert (told.sign() == true[smiling].sign()).float().mean() > 0.95
    assert told.abs().mean() > 0.6 * true[smiling].abs().mean()


def test_the_action_unit_regressor_follows_the_truth():
    measured = load_system("action_units-synthetic").evaluate(valid(64, 4))
    assert measured["mae"] < 0.1
    assert measured["correlation"] > 0.8


EDITS = {
    "conditional_vae-synthetic": (0.85, 0.85),
    "label_diffusion-synthetic": (0.75, 1.6),
    "vae_diffusion-synthetic": (0.85, 0.9),
    "diffusion_autoencoder-synthetic": (0.85, 1.1),
    "paired_oracle-synthetic_pairs": (0.95, 0.25),
    "completion_editor-synthetic": (0.85, 0.75),
    "diffusion_editor-synthetic": (0.92, 0.55),
    "stargan-synthetic": (0.8, 0.85),
    "stargan-synthetic_both": (0.75, 1.05),
    "mma_gan-synthetic": (0.9, 0.55),
}
"""The least share of edits that are read as asked and keep the person, and the most error over that of copying. G12
has none, as it keeps nobody."""


@pytest.fixture(scope="module")
def sitting(tmp_path_factory):
    """What `evaluate` is given beside a generator: people, judges, and a place for what does not depend on it."""
    return synthetic_benchmark(7, split="valid"), Panel.load(), tmp_path_factory.mktemp("protocol")


def test_g14_finds_a_face_again_by_both_of_its_codes():
    assert load_system("diffusion_autoencoder-synthetic").evaluate(valid(64, 1))["reconstruction_psnr"] > 36


@pytest.mark.parametrize("name", ["diffusion_autoencoder-synthetic", "diffusion_editor-synthetic"])
def test_a_face_at_rest_that_is_asked_to_be_at_rest_stays_as_it_is(name):
    at_rest = open_dataset("synthetic", "valid", size=64, people=64, faces_per_person=1, emotions=("neutral",))
    faces, neutral = at_rest.faces(range(64)), Expression.neutral()
    edited = load_system(name).edit(faces, neutral, source=neutral)
    assert psnr(edited, faces.images).mean() > 30


@pytest.mark.parametrize("name", EDITS)
def test_a_generator_changes_expressions_and_keeps_people(name, sitting):
    measured = evaluate(load_system(name), *sitting)
    least, most = EDITS[name]
    assert measured["edit_success"]["estimate"] > least
    assert measured["relative_error"]["estimate"] < most
