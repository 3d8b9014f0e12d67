"""`python -m facekit train SYSTEM --profile PROFILE` ends in weights, or in one sentence that says what to do next.

Every preset is trained for two steps on a handful of faces. Sizes of images and dependencies are those of the preset;
batches, widths and the steps of samplers are reduced.
"""

import functools

import pytest

from facekit import cli
from facekit.datasets import open_dataset
from facekit.models.load import load_system
from facekit.models.system import SYSTEMS, system_class
from facekit.training import PROFILES

FEW = {"steps": 2, "batch": 4, "profile.people": 8, "profile.faces_per_person": 2, "profile.workers": 0}

# Smaller networks and fewer steps of the sampler, for systems that have these fields.
SMALL = {
    "width": 8,
    "blocks": 1,
    "sample_steps": 2,
    "groups": 1,
    "condition": 8,
    "discriminator_width": 8,
    "discriminator_widest": 16,
    "pool": 2,
    "hidden": 8,
}

TRAINED_FIRST = {
    ("vae_diffusion", "smoke"): ("encoder", "vae"),
    ("vae_diffusion", "laptop"): ("encoder", "vae"),
    ("completion_editor", "laptop"): ("proposal", "conditional_vae"),
    ("diffusion_editor", "laptop"): ("teacher", "stargan"),
}
"""Where the weights that the preset names take images of another size: the field, and the system that is trained."""

MISSING = {("cnn_diffusion", "paper"): "emotion_cnn-fer2013", ("vae_diffusion", "paper"): "vae-fer2013"}
"""Weights of a photographic dataset, which cannot be distributed."""


def small_fields(system, profile):
    """Overrides that make the networks of a preset small.

    The judges' stages keep 16 channels: with fewer, torch 2.14's strided 1 x 1 convolution in channels_last and float32
    writes beyond its memory on CPUs with AVX-512, and the process dies.
    """
    preset = system_class(system).presets[profile]
    fields = {name: value for name, value in SMALL.items() if type(getattr(preset, name, None)) is int}
    for name in ("widths", "encoder_widths", "blocks"):
        if isinstance(value := getattr(preset, name, None), tuple):
            fields[name] = (SMALL.get(name, 16),) * len(value)
    return fields


# Sequences of which every emotion occurs twice in a batch, for systems that take statistics from the first.
MOTIONS = {"batch": 16, "components": 4}


def arguments(system, profile, out, **more):
    own = MOTIONS if system in ("motion_gan", "motion_flow") else {}
    overrides = FEW | small_fields(system, profile) | own | more
    if (system, profile) in TRAINED_FIRST:
        field, kind = TRAINED_FIRST[system, profile]
        own = {"steps": 2, "batch": 4} | small_fields(kind, profile)
        overrides |= {f"{field}.{name}": value for name, value in own.items()}
    sets = [word for name, value in overrides.items() for word in ("--set", f"{name}={value}")]
    return ["train", system, "--profile", profile, "--out", str(out), *sets]


@functools.cache
def opened(name, split, options):
    return open_dataset(name, split, **dict(options))


@pytest.fixture(autouse=True, scope="module")
def _shared_datasets(tmp_path_factory):
    """Each dataset is rendered and opened once for all runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEKIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        shared = lambda name, split, **options: opened(name, split, tuple(options.items()))  # noqa: E731
        patch.setattr("facekit.training.run.open_dataset", shared)
        yield
    opened.cache_clear()


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_preset_trains_or_names_the_next_command(capsys, tmp_path, system, profile):
    presets = system_class(system).presets
    if profile not in presets:
        assert cli.main(["train", system, "--profile", profile]) == 2
        assert capsys.readouterr().err.endswith(f"no preset for the profile {profile!r}; it has {', '.join(presets)}\n")
        return
    status = cli.main(arguments(system, profile, tmp_path / "run"))
    printed = capsys.readouterr()
    if (system, profile) in MISSING:
        assert status == 2
        assert printed.err.count("\n") == 1
        assert f"{MISSING[system, profile]!r} is not available" in printed.err
        assert f"python -m facekit train {system} --profile {profile} --data synthetic --from-scratch" in printed.err
        assert not (tmp_path / "run").exists()
        return
    assert status == 0
    assert printed.out.splitlines()[-1] == str(tmp_path / "run" / "weights.safetensors")
    card = load_system(tmp_path / "run").card
    assert (card.system, card.profile, card.size) == (system, profile, presets[profile].size)
    if (system, profile) in TRAINED_FIRST:
        field, kind = TRAINED_FIRST[system, profile]
        first = load_system(tmp_path / "run" / field).card
        assert (first.system, first.size, first.channels) == (kind, card.size, card.channels)
        assert set(card.requires.values()) == {first.sha256}
        assert f"{system}: its {field}, a {kind}, is trained first" in printed.out
    else:
        assert "is trained first" not in printed.out


def test_a_dependency_for_other_channels_is_trained_first(capsys, tmp_path):
    small = {
        f"encoder.{name}": value for name, value in ({"steps": 1, "batch": 4} | small_fields("vae", "gpu")).items()
    }
    assert cli.main(arguments("vae_diffusion", "gpu", tmp_path, **{"data.channels": 1} | small)) == 0
    reason = "as vae-synthetic takes colour images of 64 x 64 pixels and this run has grey images of 64 x 64 pixels"
    assert (
        f"its encoder, a vae, is trained first (tens of minutes on one GPU) in {tmp_path / 'encoder'}, {reason}\n"
        in (capsys.readouterr().out)
    )
    assert load_system(tmp_path).encoder.network.channels == 1


def test_a_dependency_named_on_the_command_line_must_fit(capsys, tmp_path):
    assert cli.main(arguments("vae_diffusion", "smoke", tmp_path / "run", encoder="vae-synthetic")) == 2
    error = capsys.readouterr().err
    assert "vae-synthetic cannot be the encoder of this run: vae-synthetic takes colour images of 64 x 64" in error
    assert not (tmp_path / "run").exists()


def test_a_run_interrupted_in_its_dependency_is_resumed(capsys, tmp_path):
    command = arguments("vae_diffusion", "smoke", tmp_path)
    assert cli.main([*command, "--minutes", "0"]) == 0
    assert not (tmp_path / "encoder" / "weights.safetensors").exists()
    assert cli.main(command) == 0
    assert load_system(tmp_path).card.steps == 2
    capsys.readouterr()
    assert cli.main(command) == 0  # both are finished
    assert "is trained first" not in capsys.readouterr().out
