"""The values that presets may have: every field of every system, with values that it does not allow."""

import dataclasses
import typing

import pytest

from facekit.models.gans.stargan import StarGAN
from facekit.models.limits import Annotated, Counts, Filled, Interval, OneOf, check_fields
from facekit.models.system import SYSTEMS, Preset, system_class
from facekit.training import train
from facekit.training.run import BadRun

PRESETS = {name: system_class(name).presets for name in SYSTEMS}
FREE = (str, str | None, bool, tuple[bool, ...])
"""Types without limits: names of weights, and switches."""


@dataclasses.dataclass(frozen=True)
class Example:
    widths: Counts = (8, 16)
    share: Annotated[float, Interval(0, 1, below=True)] | None = 0.5
    mode: Annotated[str, OneOf(("mean", "range"))] = "mean"


@dataclasses.dataclass(frozen=True)
class Redeclared(Example):
    widths: tuple[int, ...] = (4,)  # the limits of the base class remain


def test_a_value_outside_its_limits_is_named_with_what_is_allowed():
    check_fields(Example(share=None))
    for changed, message in [
        ({"widths": ()}, "the preset's widths is (); it must be a sequence with at least one value"),
        ({"widths": (8, 0)}, "the preset's widths[1] is 0; it must be at least 1"),
        ({"share": 1.0}, "the preset's share is 1.0; it must be at least 0 and below 1"),
        ({"share": float("nan")}, "the preset's share is nan; it must be at least 0 and below 1"),
        ({"share": "half"}, "the preset's share is 'half'; it must be at least 0 and below 1"),
        ({"mode": "men"}, "the preset's mode is 'men'; it must be one of mean, range. Did you mean 'mean'?"),
    ]:
        with pytest.raises(ValueError, match="preset") as raised:
            check_fields(Example(**changed))
        assert str(raised.value) == message
    with pytest.raises(ValueError, match=r"widths\[0\] is 0; it must be at least 1"):
        check_fields(Redeclared((0,)))
    with pytest.raises(ValueError, match=r"share is 2; .*; the preset's mode is 'x'"):  # all at once
        check_fields(Example(share=2, mode="x"))


@pytest.mark.parametrize("name", SYSTEMS)
def test_all_presets_are_allowed(name):
    for preset in PRESETS[name].values():
        preset.check()


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_field_refuses_values_that_it_does_not_allow(name):
    preset = PRESETS[name]["smoke"]
    hints = typing.get_type_hints(type(preset), include_extras=True)
    for field in dataclasses.fields(preset):
        hint = hints[field.name]
        bad = list(_bad_values(hint))
        assert bad or hint in FREE, f"{field.name} of {name} has no limits: give it a type of facekit.models.limits"
        for value in bad:
            with pytest.raises(ValueError, match=rf"the preset's {field.name}\b"):
                dataclasses.replace(preset, **{field.name: value}).check()


def _bad_values(hint):
    """Values just outside the limits of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if type(None) in arguments:
        yield from _bad_values(next(each for each in arguments if each is not type(None)))
    elif origin is tuple:
        yield from ((value,) * (1 if ... in arguments else len(arguments)) for value in _bad_values(arguments[0]))
    elif origin is Annotated:
        kind, *limits = arguments
        for limit in limits:
            if isinstance(limit, Interval):
                yield from [kind(limit.low if limit.above else limit.low - 1), float("nan"), float("inf")]
                yield from [kind(limit.high if limit.below else limit.high + 1)] if limit.high < float("inf") else []
            elif isinstance(limit, OneOf):
                yield "nonsense"
            elif isinstance(limit, Filled):
                yield ()
        yield from _bad_values(kind)


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_size_that_the_networks_cannot_reduce_is_refused_with_the_nearest_ones(name):
    preset = PRESETS[name]["smoke"]
    if preset.multiple == 1:
        return
    size = 50 if 50 % preset.multiple else 51
    below = size // preset.multiple * preset.multiple
    with pytest.raises(ValueError, match=rf"size is {size}; .*multiple of {preset.multiple}, such as.* {below or ''}"):
        dataclasses.replace(preset, size=size).check()


def test_a_system_cannot_be_built_with_values_that_are_not_allowed():
    with pytest.raises(ValueError, match=r"skips is 'mirror'; .* Did you mean 'mirrored'\?"):
        StarGAN(dataclasses.replace(PRESETS["stargan"]["smoke"], skips="mirror"))
    with pytest.raises(ValueError, match="learning_rate is 1000000"):
        dataclasses.replace(Preset(), learning_rate=1e6).check()


@pytest.mark.parametrize(
    ("system", "overrides", "message"),
    [
        ("stargan", {"size": 50}, "size is 50; it must be a multiple of 4, such as 48 or 52"),
        ("stargan", {"batch": 0}, "batch is 0; it must be at least 1"),
        ("stargan", {"learning_rate": 1e6}, "learning_rate is 1000000.0; it must be at least 0 and at most 10"),
        ("stargan", {"groups": 7}, "width, 8, is not divisible by its 7 groups"),
        ("stargan", {"discriminator_layers": 9}, "cannot be halved 9 times: use fewer layers"),
        ("mma_gan", {"scales": 9}, "must be a multiple of"),
        ("mma_gan", {"emotions": ("happy", "sad")}, "needs neutral among its emotions"),
        ("label_diffusion", {"widths": (8,)}, "1 levels, but attention is given for 2"),
        ("label_diffusion", {"heads": 7}, "cannot be split into 7 heads"),
        ("label_diffusion", {"groups": 7}, "divisible by num_groups"),
        ("emotion_resnet", {"blocks": (1,)}, "widths of 3 stages, but numbers of blocks for 1"),
        ("conditional_vae", {"factor": 3}, "factor is 3; it must be even"),
        ("identity", {"batch": 1}, "batch is 1; it must be at least 2"),
    ],
)
def test_what_does_not_fit_is_named_before_any_face_is_read(tmp_path, monkeypatch, system, overrides, message):
    monkeypatch.setattr("facekit.training.run.open_dataset", None)
    with pytest.raises(BadRun, match=message):
        train(system, profile="smoke", out=tmp_path / "run", overrides=overrides)
    assert not (tmp_path / "run").exists()
