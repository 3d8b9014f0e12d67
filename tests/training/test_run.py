"""`train`: training, evaluation and weights in one call, with its arguments checked first."""

import logging
from dataclasses import replace

import pytest
import torch
import toys

from facekit.datasets.base import DATASETS
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
    assert card.data == {"name": "squares", "split": "train", "faces": 35, "options": {"size": 8, "count": 35}}
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
        ({"overrides": {"augment": "blur"}}, "'blur' is not an augmentation"),
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
