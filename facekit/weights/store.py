"""Weights on disk: safetensors with a JSON card that describes them; the checksum is verified when they are loaded.

    emotion_resnet-fer2013.safetensors    the tensors, floating-point ones in half precision
    emotion_resnet-fer2013.json           the card, with the SHA-256 of the safetensors file

Loading never executes code from a file: safetensors holds numbers only, and the card is JSON.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

import facekit
from facekit.workspace.files import atomic_path, read_json, write_json
from facekit.workspace.folders import checkout, data_home, runs_home, shipped

_IN_A_RUN = "weights.safetensors"  # file name of the final weights in the folder of a run


class WeightsError(ValueError):
    """Weights that are missing, damaged, or of another system than expected. The message says what to do."""


@dataclass(frozen=True)
class WeightsCard:
    """The description of a file of weights: how to build the system, how it was trained, and how good it is.

    The last three fields are set by `save_weights`.
    """

    system: str  # key in `facekit.models.system.SYSTEMS`
    profile: str  # the profile under which it was trained
    preset: dict[str, object]  # every field of the preset, after overrides
    channels: int  # of the images: 1 grey, 3 RGB
    data: dict[str, object]  # name, split, options and number of faces of the dataset
    steps: int  # training steps done
    seed: int | None = None  # of the training's random numbers; None: not recorded
    metrics: dict[str, float] = field(default_factory=dict)  # on held-out faces
    requires: dict[str, str] = field(
        default_factory=dict
    )  # weights of other systems that it depends on: name -> SHA-256
    started_from: dict[str, str] = field(
        default_factory=dict
    )  # weights from which its training was initialised, likewise
    variant: str = ""  # what distinguishes distributed weights from others of the same system and dataset
    terms: str = "MIT"  # licence or terms of use
    facekit: str = ""  # version
    torch: str = ""  # version
    sha256: str = ""  # of the .safetensors file

    @property
    def name(self) -> str:
        """The name under which they are distributed: `SYSTEM-DATA`, or `SYSTEM-DATA_VARIANT`; a domain other than
        photo is a variant."""
        domain = self.data.get("options", {}).get("domain", "photo")
        variant = self.variant or (domain if domain != "photo" else "")
        data = "_".join(filter(None, (self.data.get("name"), variant)))
        return "-".join(filter(None, (self.system, data)))

    @property
    def size(self) -> int:
        """Height and width in pixels of the images that the system takes."""
        return self.preset["size"]


def save_weights(
    path: str | os.PathLike, state_dict: Mapping[str, Tensor], card: WeightsCard, half: bool = True
) -> WeightsCard:
    """Write weights and their card, each of them atomically.

    path        the .safetensors file; the card is written beside it, with the suffix .json
    state_dict  as returned by `nn.Module.state_dict`
    half        store floating-point tensors as float16, except those whose values exceed its range

    Returns the card as written.
    """
    path = _tensor_file(path)
    tensors = {name: _for_disk(value, half) for name, value in state_dict.items()}
    content = safetensors.torch.save(tensors)
    with atomic_path(path) as draft:
        draft.write_bytes(content)
    version = str(torch.__version__).partition("+")[0]  # without the build, such as cu130
    card = dataclasses.replace(card, facekit=facekit.__version__, torch=version, sha256=_sha256(content))
    write_json(path.with_suffix(".json"), dataclasses.asdict(card))
    return card


def load_weights(source: str | os.PathLike, system: str | None = None) -> tuple[dict[str, Tensor], WeightsCard]:
    """The tensors of weights, on the CPU and with float16 converted to float32, and their card.

    source  path or name, as `find_weights` takes it
    system  the system that the weights must belong to; None accepts any

    Raises `WeightsError` for weights that are missing, have no card, are damaged, or belong to another system.
    """
    path = find_weights(source)
    card = read_card(path)
    if system is not None and card.system != system:
        raise WeightsError(f"{path} holds weights of {card.system!r}, not of {system!r}")
    content = path.read_bytes()
    if (found := _sha256(content)) != card.sha256:
        raise WeightsError(
            f"{path} is not the file that its card describes (SHA-256 {found[:12]}…, the card says "
            f"{card.sha256[:12]}…): it is damaged or was replaced; fetch or train it again"
        )
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path} is no safetensors file: {error}") from error
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in tensors.items()}, card


def read_card(path: str | os.PathLike) -> WeightsCard:
    """The card beside a file of weights. Raises `WeightsError` where it is missing or cannot be read."""
    card = _tensor_file(path).with_suffix(".json")
    if not card.exists():
        raise WeightsError(f"{path} has no card: {card.name} should be beside it")
    try:
        return WeightsCard(**read_json(card))
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{card} is no card of facekit {facekit.__version__}: {error}") from error


def find_weights(source: str | os.PathLike) -> Path:
    """The .safetensors file of a path or name.

    A path is a .safetensors file or the folder of a finished run. A name is a key of `available_weights`, such as
    `emotion_resnet-fer2013`, or `runs/NAME` for a training run. Raises `WeightsError` where nothing is found.
    """
    path = Path(source)
    if path.suffix == ".safetensors" and path.is_file():
        return path
    if (path / _IN_A_RUN).is_file():
        return path / _IN_A_RUN
    known = available_weights()
    if str(source) in known:
        return known[str(source)]
    raise WeightsError(
        f"there are no weights at or called {str(source)!r}; known are {', '.join(known) or 'none'} "
        f"(looked in {', '.join(map(str, [*weights_folders(), runs_home()]))})"
    )


def available_weights() -> dict[str, Path]:
    """The files of all weights that can be loaded by name: those in `weights_folders`, then those of runs."""
    found: dict[str, Path] = {}
    for folder in weights_folders():
        for path in sorted(folder.glob("[!.]*.safetensors")):
            found.setdefault(path.stem, path)
    runs = runs_home()
    for path in sorted(runs.rglob(_IN_A_RUN)):
        found[f"runs/{path.parent.relative_to(runs).as_posix()}"] = path
    return found


def weights_folders() -> list[Path]:
    """The folders that are searched for weights: FACEKIT_WEIGHTS if set, `weights` in the data folder, `data/weights`
    in the checkout, and those that come with facekit."""
    own = os.environ.get("FACEKIT_WEIGHTS")
    folders = [Path(own).expanduser()] if own else []
    homes = (data_home() / "weights", checkout() / "data" / "weights", shipped() / "data" / "weights")
    return list(dict.fromkeys([*folders, *homes]))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _tensor_file(path: str | os.PathLike) -> Path:
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path} should end in .safetensors")
    return path


def _for_disk(value: Tensor, half: bool) -> Tensor:
    value = value.detach().cpu()
    if half and value.dtype == torch.float32 and value.abs().max() <= torch.finfo(torch.float16).max:
        value = value.half()
    return value.clone(memory_format=torch.contiguous_format)  # safetensors rejects views and other memory layouts
