"""`train`: training, evaluation and weights in one call, with its arguments checked first."""

import logging
from dataclasses import replace

import pytest
import torch
import toys

from facekit.datasets.base import DATASETS
from facekit.datasets.synthetic import SyntheticFaces
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression, UnsupportedExpression
from facekit.models.gans.mma_gan import MMAGAN
from facekit.models.load import initialise_from, load_system
from facekit.models.system import SYSTEMS
from facekit.training import PROFILES, train
from facekit.training.config import ConfigDiffers
from facekit.training.overrides import checked, overridden
from facekit.training.records import read_log
from facekit.training.run import BadRun, dataset_options
from facekit.weights.store import WeightsError, read_card
from facekit.workspace.files import read_json


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(SYSTEMS, "denoiser", "toys:Denoiser")
    monkeypatch.setitem(DATASETS, "squares", "toys:Squares")


def run(out, **changes):
    options = {"profile": "smoke", "data": "squares", "out": out, "progress": False}
    return train("denoiser", **options | changes)


def test_a_run_writes_weights_with_their_card(tmp_path):
    path = run(tmp_path / "run", overrides={"steps": "30", "clip_norm": "none", "data.count": 35})
    assert path == tmp_path / "run" / "weights.safetensors"
    card = read_card(path)
    assert (card.system, card.profile, card.steps, card.channels, card.size) == ("denoiser", "smoke", 30, 1, 8)
    assert card.preset["clip_norm"] is None
    counts = dict.fromkeys(PROTOCOL_EMOTIONS, 5)
    options = {"size": 8, "count": 35}
    assert card.data == {"name": "squares", "split": "train", "faces": 35, "options": options, "emotions": counts}
    assert card.metrics == read_json(path.with_name("metrics.json"))
    assert read_json(path.with_name("config.json"))["run"]["preset"]["steps"] == 30

    system = load_system(path)
    assert not system.training
    assert system.preset == replace(toys.Denoiser.presets["smoke"], steps=30, clip_norm=None)
    assert system.card == card
    assert system.evaluate(toys.Squares("valid", count=35))["error"] == pytest.approx(card.metrics["error"], rel=1e-2)


def test_a_finished_run_is_left_unchanged(tmp_path, caplog):
    path = run(tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    with caplog.at_level(logging.INFO):
        assert run(tmp_path) == path
    assert "is finished; nothing was trained" in caplog.text
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()} == before


def test_damaged_weights_are_written_again_without_training(tmp_path):
    path = run(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    run(tmp_path)
    assert path.read_bytes() == content
    assert len(read_log(tmp_path)) == 24


def test_a_run_in_slices_equals_a_run_in_one_piece(tmp_path):
    whole = run(tmp_path / "whole")
    assert run(tmp_path / "sliced", minutes=0) is None
    assert run(tmp_path / "sliced", minutes=0) is None
    assert not (tmp_path / "sliced" / "weights.safetensors").exists()
    sliced = run(tmp_path / "sliced", minutes=5)
    assert read_card(sliced).sha256 == read_card(whole).sha256
    assert [row["step"] for row in read_log(tmp_path / "sliced")] == list(range(1, 25))


def test_the_seed_determines_the_initial_weights(tmp_path):
    torch.manual_seed(1)
    first = run(tmp_path / "first")
    torch.manual_seed(2)
    assert read_card(run(tmp_path / "second")).sha256 == read_card(first).sha256
    assert read_card(run(tmp_path / "third", seed=1)).sha256 != read_card(first).sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overrides": {"stepz": 3}}, "ToyPreset has no 'stepz'; it has size, batch, steps"),
        ({"overrides": {"steps": 2.5}}, "steps is 2.5; it must be int"),
        ({"overrides": {"steps": "many"}}, "steps is 'many'; it must be int"),
        ({"overrides": {"steps": True}}, "steps is True; it must be int"),
        ({"overrides": {"augment": "blur"}}, "augment is 'blur'; it must be one of none, flip"),
        ({"overrides": {"schedule": "step"}}, "schedule is 'step'"),
        ({"overrides": {"data.colour": 1}}, "Squares has no 'colour'; it has split, size, count"),
        ({"overrides": {"profile.precision": "half"}}, "precision 'half' is none of auto"),
        ({"overrides": {"model.size": 4}}, "'model.size' sets nothing"),
        ({"profile": "paper"}, "denoiser has no preset for the profile 'paper'; it has smoke, laptop"),
        ({"profile": "desktop"}, "'desktop' is no profile"),
        ({"data": "circles"}, "'circles' is not a dataset"),
    ],
)
def test_arguments_that_do_not_exist_raise_before_training(tmp_path, changes, message):
    with pytest.raises(BadRun, match=message):
        run(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


def test_text_is_converted_to_the_type_of_the_field():
    preset = overridden(
        toys.ToyPreset(),
        {"learning_rate": "3e-4", "batch": "16", "ema": "0.5", "clip_norm": 1, "balanced": "true", "widths": "8, 16"},
    )
    changed = {"learning_rate": 3e-4, "batch": 16, "ema": 0.5, "clip_norm": 1.0, "balanced": True, "widths": (8, 16)}
    assert preset == replace(toys.ToyPreset(), **changed)
    assert overridden(preset, {"widths": [4], "ema": "none"}) == replace(preset, widths=(4,), ema=None)
    distilled = replace(MMAGAN.presets["smoke"], teacher="a teacher")
    assert overridden(distilled, {"teacher": "none", "skips": "none"}) == replace(distilled, teacher=None, skips="none")
    assert checked(toys.Squares, {"count": "9"}) == {"count": 9}
    with pytest.raises(ValueError, match="widths"):
        overridden(preset, {"widths": "8, x"})


def test_the_options_of_a_profile_are_those_of_the_dataset():
    from facekit.datasets.synthetic import SyntheticFaces

    for profile in PROFILES.values():
        options = {split: dataset_options("synthetic", split, profile, 32) for split in ("train", "valid")}
        assert checked(SyntheticFaces, options["train"]) == options["train"]
        assert options["train"]["people"] == profile.people > options["valid"]["people"]
        assert dataset_options("fer2013", "train", profile, 48) == {"size": 48}


def test_options_of_the_dataset_can_be_overridden(tmp_path):
    path = train(
        "action_units",
        profile="smoke",
        out=tmp_path,
        overrides={
            "steps": 2,
            "size": 16,
            "batch": 8,
            "profile.people": 4,
            "data.free_units": "1",
            "data.cache": "false",
        },
        progress=False,
    )
    metrics = read_json(path.with_name("metrics.json"))
    assert {"correlation/AU14L", "correlation/AU43R"} <= set(metrics)  # units that no emotion contains
    assert read_card(path).data["options"]["free_units"] == 1.0


def test_weights_that_do_not_fit_raise(tmp_path, monkeypatch):
    path = run(tmp_path)
    monkeypatch.setattr(toys.Denoiser, "__init__", toys.Adversaries.__init__)
    with pytest.raises(WeightsError, match="do not fit 'denoiser' here"):
        load_system(path)
    monkeypatch.delitem(SYSTEMS, "denoiser")
    with pytest.raises(WeightsError, match="'denoiser' is no system"):
        load_system(path)


# ------------------------------------------------------------------------------------ initialisation from weights


def test_a_run_can_be_initialised_from_other_weights_and_names_them(tmp_path):
    first = run(tmp_path / "first")
    again = run(tmp_path / "again", start=first, overrides={"steps": 1, "learning_rate": 0.0})
    card = read_card(again)
    assert card.started_from == {"denoiser-squares": read_card(first).sha256}
    before, after = (load_system(path).state_dict() for path in (first, again))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert read_json(again.with_name("config.json"))["run"]["started_from"] == [read_card(first).sha256]


def test_a_run_cannot_be_resumed_with_another_initialisation(tmp_path):
    first = run(tmp_path / "first")
    run(tmp_path / "run", minutes=0)
    with pytest.raises(ConfigDiffers, match="started_from was None"):
        run(tmp_path / "run", start=first)


def test_initialisation_copies_the_tensors_that_both_systems_have(tmp_path):
    first = run(tmp_path / "first")
    system = Wider(Wider.presets["smoke"])
    own = {name: value.clone() for name, value in system.state_dict().items()}
    count = initialise_from(system, first)
    pretrained = load_system(first).state_dict()
    assert 0 < count < len(own)
    for name, value in system.state_dict().items():
        assert torch.equal(value, pretrained[name] if name in pretrained else own[name])


def test_initialisation_from_weights_of_which_no_tensor_fits_raises(tmp_path):
    first = run(tmp_path / "first")
    system = toys.Denoiser(replace(toys.Denoiser.presets["smoke"], size=4))
    with pytest.raises(WeightsError, match=r"none of the .* tensors .* fits denoiser"):
        initialise_from(system, first)


class Wider(toys.Denoiser):
    """A toy system with an additional network."""

    name = "wider"

    def __init__(self, preset, channels=1):
        super().__init__(preset, channels)
        self.further = torch.nn.Linear(3, 3)


# ---------------------------------------------------------------------------------------- what the faces do not show


def drawn(out, system="stargan", **changes):
    """A short run on a few drawn faces of 16 pixels."""
    small = {"profile.people": 16, "size": 16, "steps": 2, "batch": 8, "discriminator_layers": 2}
    overrides = {name: v for name, v in small.items() if system == "stargan" or name != "discriminator_layers"}
    return train(system, profile="smoke", out=out, progress=False, overrides=overrides | changes.pop("overrides", {}))


class Happy(SyntheticFaces):
    """Drawn people, all of them happy or neutral."""

    shown = ("happy", "neutral")

    def __init__(self, split="train", **options):
        super().__init__(split, **options | {"emotions": self.shown, "cache": None})


@pytest.fixture
def happy(monkeypatch):
    monkeypatch.setattr("facekit.training.run.open_dataset", lambda name, split, **options: Happy(split, **options))


def test_a_generator_knows_only_the_emotions_that_its_faces_show(tmp_path, happy, caplog):
    with caplog.at_level(logging.INFO):
        path = drawn(tmp_path / "run")
    assert "no face of synthetic (train) shows angry, disgust, fear, sad, surprise" in caplog.text
    system = load_system(path)
    assert system.emotions == ("happy", "neutral")
    assert set(system.card.data["emotions"]) == {"happy", "neutral"}
    faces = Happy("test", size=16, people=2).faces([0])
    assert system.edit(faces, Expression.of("happy")).shape == (1, 3, 16, 16)
    with pytest.raises(UnsupportedExpression, match="was trained on happy, neutral, not on fear"):
        system.edit(faces, Expression.of("fear"))


def test_an_editor_of_action_units_refuses_emotions_that_its_faces_do_not_show(tmp_path, happy):
    system = load_system(drawn(tmp_path / "run", "diffusion_editor"))
    faces = Happy("test", size=16, people=2).faces([0])
    with pytest.raises(UnsupportedExpression, match="not on fear"):
        system.edit(faces, Expression.of("fear"))
    assert "AU12L" in system.card.data["action_units"]
    assert {"AU14L", "AU43R"} <= set(system.untrained_units)


@pytest.mark.parametrize("system", ["stargan", "emotion_resnet", "label_diffusion"])
def test_faces_of_one_emotion_are_refused(tmp_path, happy, monkeypatch, system):
    monkeypatch.setattr(Happy, "shown", ("neutral",))
    with pytest.raises(BadRun, match=r"show one emotion only, neutral, and .* needs two at least"):
        drawn(tmp_path / "run", system)
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_faces_of_one_emotion_prepare_a_later_training_where_the_emotions_are_named(tmp_path):
    path = drawn(tmp_path / "run", "label_diffusion", overrides={"data.emotions": ("neutral",)})
    assert load_system(path).emotions == PROTOCOL_EMOTIONS
    assert set(read_card(path).data["emotions"]) == {"neutral"}
