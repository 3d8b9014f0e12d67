"""Systems with trained weights, by name: `load_system("emotion_resnet-fer2013")`."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from facekit.models.system import Generator, Preset, System, system_class
from facekit.weights.hub import downloaded, read_folder
from facekit.weights.store import WeightsCard, WeightsError, available_weights, find_weights, load_weights, read_card


def load_system(source: str | os.PathLike) -> System:
    """A system with its trained weights, in evaluation mode on the CPU. Its card is `system.card`.

    source  name or path of the weights, as `facekit.weights.find_weights` takes it

    Raises `WeightsError` for weights that are missing or damaged, that belong to an unknown system, or that do not fit
    the present version of their system.
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
            f"the weights {source} were written by facekit {card.facekit} and do not fit {card.system!r} here: {error}"
        ) from error
    system.card = card
    return system.eval().to(memory_format=torch.channels_last)  # convolutions are faster, and the results equal


def from_pretrained(source: str | os.PathLike) -> System:
    """A system from a folder that `System.save_pretrained` wrote, or from a repository of the Hugging Face Hub, which
    is downloaded. Raises what `load_system` raises."""
    folder = Path(source) if Path(source).is_dir() else downloaded(str(source))
    with tempfile.TemporaryDirectory() as scratch:
        return load_system(read_folder(folder, Path(scratch)))


def available_generators() -> dict[str, WeightsCard]:
    """The cards of all weights of generators, by the names that `load_system` takes. Weights whose card cannot be read
    are left out."""
    found = {}
    for name, path in available_weights().items():
        try:
            card = read_card(path)
            if issubclass(system_class(card.system), Generator):
                found[name] = card
        except (WeightsError, ValueError):
            continue
    return found


def initialise_from(system: System, source: str | os.PathLike) -> int:
    """Initialise an untrained system from trained weights: every tensor of the same name and shape is copied.

    Between related systems these are the tensors that both have: a `vae_diffusion` takes the denoiser of a
    `label_diffusion`, without the embedding of the code (P1 §7). A system for grey images may take the weights of one
    for colour images (`weights_for_grey_images`). The source is noted in `system.started_from`.

    Returns the number of tensors that were copied. Raises `WeightsError` where none fits, and for weights that are
    missing or damaged.
    """
    tensors, card = load_weights(source)
    if system.channels < card.channels:
        tensors = weights_for_grey_images(tensors, card.preset.get("factor", 1))
    own = system.state_dict()
    fitting = {name: value for name, value in tensors.items() if name in own and own[name].shape == value.shape}
    if not fitting:
        raise WeightsError(
            f"none of the {len(tensors)} tensors of {source} fits {system.name}, so that it cannot be initialised from "
            "them"
        )
    system.load_state_dict(fitting, strict=False)
    system.started_from = {card.name: card.sha256}
    return len(fitting)


_FIRST_LAYERS = ("unet.stem.weight", "generator.down.0.conv.weight")
_LAST_LAYERS = ("unet.head.weight", "unet.head.bias", "generator.last.weight")


def weights_for_grey_images(tensors: Mapping[str, Tensor], factor: int) -> dict[str, Tensor]:
    """Convert the weights of a `UNet` or a `Translator`, by name, from colour images to grey ones.

    The first layer then acts on one channel as it did on three equal ones, and the last layer returns the mean of the
    three channels. All other tensors are returned unchanged.

    factor  downsampling factor of its `PixelUnshuffle`, which lays factor² positions of each channel side by side
    """
    cells, converted = factor**2, {}
    for name, value in tensors.items():
        if name.endswith(_FIRST_LAYERS):
            value = value.unflatten(1, (-1, 3, cells)).sum(2).flatten(1, 2)
        elif name.endswith(_LAST_LAYERS):
            value = value.unflatten(0, (-1, 3, cells)).mean(1).flatten(0, 1)
        converted[name] = value
    return converted


def _check_required(system: System, card: WeightsCard) -> None:
    """Raise `WeightsError` where a network that the system uses after training has other weights than in training."""
    in_use = {name for field, name in system.requires.items() if field not in system.guided_by}
    for name, digest in card.requires.items():
        if name in in_use and (found := read_card(find_weights(name)).sha256) != digest:
            raise WeightsError(
                f"these weights of {card.system} were trained with {name} of SHA-256 {digest[:12]}…, and the one here "
                f"is {found[:12]}…: restore the former, or train {card.system} again"
            )


def preset_from(cls: type[System], values: dict[str, object]) -> Preset:
    """A system's preset from a JSON object with the values of its fields; JSON's lists become tuples."""
    kind = type(next(iter(cls.presets.values())))
    unknown = set(values) - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
