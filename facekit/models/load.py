"""Systems with their weights, by name: `load_system("emotion_resnet-fer2013")`."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from torch import Tensor

from facekit.models.system import Generator, Preset, System, system_class
from facekit.weights.store import WeightsCard, WeightsError, available_weights, find_weights, load_weights, read_card


def load_system(source: str | os.PathLike) -> System:
    """The system that weights belong to, built by their card and with the weights in it, in eval mode on the CPU.

    source  a name or path, as `facekit.weights.find_weights` takes it

    The card stays with the system as `system.card`. Raises `WeightsError` where the weights are missing, damaged,
    of a system that does not exist, or do not fit the system as it is built now.
    """
    tensors, card = load_weights(source)
    try:
        cls = system_class(card.system)
        system = cls(preset_from(cls, card.preset), channels=card.channels)
        _check_required(system, card)
        system.take_weights(tensors)
    except WeightsError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"the weights {source} were made by facekit {card.facekit} and do not fit {card.system!r} here: {error}"
        ) from error
    system.card = card
    return system.eval()


def available_generators() -> dict[str, WeightsCard]:
    """The cards of all weights that edit faces, by the names that `load_system` takes; what cannot be read is left
    out."""
    found = {}
    for name, path in available_weights().items():
        try:
            card = read_card(path)
            if issubclass(system_class(card.system), Generator):
                found[name] = card
        except (WeightsError, ValueError):
            continue
    return found


def start_from(system: System, source: str | os.PathLike) -> int:
    """Put other weights into a system that is not trained yet, wherever a tensor has the same name and shape.

    Of a system of another kind that is what both have: the denoiser of `label_diffusion` in a `vae_diffusion`, but for
    the embedding of codes (P1 §7). A network of grey pictures takes those of a colour one (`greyed`). Remembered in
    `system.started_from`.

    Returns how many tensors were put in place. Raises `WeightsError` where none fits, or there are none.
    """
    tensors, card = load_weights(source)
    if system.channels < card.channels:
        tensors = greyed(tensors, card.preset.get("factor", 1))
    own = system.state_dict()
    fitting = {name: value for name, value in tensors.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise WeightsError(f"none of the {len(tensors)} tensors of {source} fits {system.name}: nothing to start from")
    system.load_state_dict(fitting, strict=False)
    system.started_from = {card.name: card.sha256}
    return len(fitting)


_TAKE_PICTURES = ("unet.stem.weight", "generator.down.0.conv.weight")
_GIVE_PICTURES = ("unet.head.weight", "unet.head.bias", "generator.last.weight")


def greyed(tensors: Mapping[str, Tensor], factor: int) -> dict[str, Tensor]:
    """The weights of a `UNet` or a `Translator` of colour pictures, by name, as they act on grey ones, whose three
    channels are alike; what the last layer says is the mean of the three it would have. Other tensors are returned as
    they are.

    factor  of its `PixelUnshuffle`, which puts the places of a channel side by side
    """
    cells, grey = factor**2, {}
    for name, value in tensors.items():
        if name.endswith(_TAKE_PICTURES):
            value = value.unflatten(1, (-1, 3, cells)).sum(2).flatten(1, 2)
        elif name.endswith(_GIVE_PICTURES):
            value = value.unflatten(0, (-1, 3, cells)).mean(1).flatten(0, 1)
        grey[name] = value
    return grey


def _check_required(system: System, card: WeightsCard) -> None:
    """Raise `WeightsError` where weights that a system stands on, also in use, are not those it was trained with."""
    in_use = {name for field, name in system.requires.items() if field not in system.guided_by}
    for name, digest in card.requires.items():
        if name in in_use and (found := read_card(find_weights(name)).sha256) != digest:
            raise WeightsError(
                f"these weights of {card.system} were trained with {name} of SHA-256 {digest[:12]}…, and the one here "
                f"is {found[:12]}…: put the old one back, or train {card.system} again"
            )


def preset_from(cls: type[System], values: dict[str, object]) -> Preset:
    """A system's preset from the values of its fields as JSON gives them, where a tuple has become a list."""
    kind = type(next(iter(cls.presets.values())))
    unknown = set(values) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
