"""The contract between a system of the papers and everything that trains, edits with, or shows it."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.weights.store import WeightsCard


@dataclass(frozen=True)
class Clock:
    """Where a training run stands when it takes a step: for schedules such as P2's switch at epoch 40."""

    step: int  # steps done before this one
    total: int  # steps of the whole run
    epoch: int = 0
    steps_per_epoch: int = 1

    @property
    def progress(self) -> float:
        """Share of the run that is done, in [0, 1)."""
        return self.step / max(self.total, 1)


@dataclass(frozen=True)
class Preset:
    """How a system is built and trained under one profile. A system adds its own fields to these."""

    size: int = 48  # height and width of the pictures in pixels
    batch: int = 64  # pictures a step
    steps: int = 1000  # steps of the whole run, each of which may step several optimisers
    learning_rate: float = 1e-3
    warmup: int = 0  # steps over which the learning rate rises from 0
    schedule: str = "constant"  # or "cosine": the rate falls to 0 at the last step; "linear": in the second half
    clip_norm: float | None = None  # gradients of an optimiser are scaled down to this norm
    ema: float | None = None  # decay of the moving average of the weights; None keeps none
    augment: str = "none"  # name of an augmentation in facekit.faces.augment
    balanced: bool = False  # draw every emotion as often as any other, instead of every face once an epoch
    checkpoint_every: int = 500  # steps between checkpoints
    checkpoints_kept: int = 2  # older ones are removed; 0 keeps all


Step = tuple[str, Tensor, Mapping[str, Tensor | float]]
"""What `training_step` yields: name of the optimiser to step, the loss, and scalars worth a line in the log."""


class System(nn.Module):
    """A system: its networks are its child modules, its presets are named by profile.

    Every system is built as `Class(preset, channels=C)` and trains through `optimisers` and `training_step`.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]]
    understands: ClassVar[frozenset[str]] = frozenset()
    depends_on: ClassVar[Mapping[str, str]] = {}  # other systems, by the field of the preset that names their weights
    guided_by: ClassVar[frozenset[str]] = frozenset()  # fields of `requires` whose weights training alone asks
    training_only: ClassVar[frozenset[str]] = (
        frozenset()
    )  # networks that training needs and use does not: they do not ship
    card: WeightsCard | None = None  # of the weights that it was loaded with
    started_from: Mapping[str, str] = MappingProxyType({})  # weights that its training began with: name -> SHA-256

    def __init__(self, preset: Preset, channels: int = 3) -> None:
        super().__init__()
        self.preset = preset
        self.channels = channels

    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """What a training run reports of the finished system on held-out faces, by name; nothing by default.

        dataset  a `FaceDataset`
        device   on which to compute; the system stays there
        """
        return {}

    @property
    def requires(self) -> dict[str, str]:
        """Names or paths of the weights that it stands on, by the field of the preset that says so; a field of None
        names nothing."""
        return {field: name for field in self.depends_on if (name := getattr(self.preset, field)) is not None}

    @property
    def device(self) -> torch.device:
        """Where its parameters lie."""
        return next(self.parameters()).device

    def check_pictures(self, images: Tensor) -> None:
        """Raise `ValueError` for pictures (N, C, H, W) of another size or colour than the system was built for."""
        size = self.preset.size
        if tuple(images.shape[1:]) != (self.channels, size, size):
            colour = {1: "gray", 3: "rgb"}[self.channels]
            raise ValueError(
                f"{self.name} takes pictures of {size} x {size} pixels in {self.channels} channels, and got "
                f"{tuple(images.shape)}: call faces.resized({size}).{colour}()"
            )

    def weights(self) -> dict[str, Tensor]:
        """What ships: the state without that of the training_only."""
        return {name: value for name, value in self.state_dict().items() if not self._of_helper(name)}

    def take_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Put `weights` in place; training_only stay as they are. Raises `RuntimeError` for tensors that do not fit."""
        self.load_state_dict({k: v for k, v in self.state_dict().items() if self._of_helper(k)} | dict(tensors))

    def _of_helper(self, name: str) -> bool:
        return name.partition(".")[0] in self.training_only

    @property
    def guidance_networks(self) -> Sequence[System]:
        """Whole systems that only training asks, and that are no part of this one: a teacher. Their networks compute
        where and as this one's do."""
        return ()

    def networks(self) -> dict[str, nn.Module]:
        """The networks by name."""
        return dict(self.named_children())

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers by name; each holds the parameters of the networks that it moves, and no others'.

        The loop multiplies their learning rates by the preset's warm-up and schedule.
        """
        raise NotImplementedError

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Yield `(optimiser, loss, scalars)` once for every optimiser step, in the system's own order.

        The loop does backward for that optimiser's parameters alone, clips, steps, and comes back for the next;
        what is computed after a `yield` sees the weights that this step left. Random numbers may be drawn from the
        global generators: the loop seeds them at the start of each step. Child networks that are called (not their
        methods) compute in the profile's precision and return float32.
        """
        raise NotImplementedError


class Generator(System):
    """A system that gives a face another expression. A subclass implements `_edit`, without time axis or checks."""

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """The same people with another expression.

        faces       N faces
        expression  one row, or one a face; with a time axis, sequences come back
        source      what the faces show now, where the system needs to know
        seed        one integer, or one a face; a face's result does not depend on the batch that it is in

        Returns (N, C, H, W) in [-1, 1]; (N, T, C, H, W) for an expression with a time axis. Raises
        `UnsupportedExpression` for a part that the system does not understand, `ValueError` for faces of another
        size or colour than it was built for.
        """
        expression.require(self.understands, self.name)
        self._check(faces)
        asked, frames = expression.for_faces(len(faces)), expression.frames
        source = source and source.for_faces(len(faces))
        if frames is not None:
            every = torch.arange(len(faces)).repeat_interleave(frames)
            faces, asked = faces[every], asked.flatten_time()
            source = source and source[every]
            seed = seed if isinstance(seed, int) else torch.as_tensor(seed)[every]
        with torch.no_grad(), evaluating(self):
            given = (part and part.to(self.device) for part in (faces, asked, source))
            edited = self._edit(*given, seed)
        edited = edited.float().clamp(-1, 1).to(faces.images.device)
        return edited if frames is None else edited.unflatten(0, (-1, frames))

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`edit` of N stills by N rows, on the system's device."""
        raise NotImplementedError

    def _check(self, faces: Faces) -> None:
        if faces.frames is not None:
            raise ValueError(f"{self.name} edits stills; take a frame, or every one with faces.flatten_time()")
        self.check_pictures(faces.images)


def check_choices(preset: Preset, **known: Sequence[str]) -> None:
    """Raise `ValueError` for a field of a preset, by name, that has none of the values known for it."""
    for name, values in known.items():
        if (value := getattr(preset, name)) not in values:
            raise ValueError(f"the preset's {name} is {value!r}; known are {', '.join(values)}")


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while: running statistics in place of the batch's, no dropout."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


# name -> "module:class"
SYSTEMS: dict[str, str] = {
    "emotion_cnn": "facekit.models.judges.emotion_cnn:EmotionCNN",  # E1
    "emotion_resnet": "facekit.models.judges.emotion_resnet:EmotionResNet",  # E2
    "identity": "facekit.models.judges.identity:IdentityNet",  # E6
    "action_units": "facekit.models.judges.action_units:ActionUnitNet",  # E7
    "vae": "facekit.models.autoencoders.vae:VAE",  # P1's, whose latent is the face code of G13
    "conditional_vae": "facekit.models.autoencoders.conditional_vae:ConditionalVAE",  # G1
    "label_diffusion": "facekit.models.diffusion.label_diffusion:LabelDiffusion",  # G11
    "cnn_diffusion": "facekit.models.diffusion.semantic_diffusion:CNNDiffusion",  # G12
    "vae_diffusion": "facekit.models.diffusion.semantic_diffusion:VAEDiffusion",  # G13
    "diffusion_autoencoder": "facekit.models.diffusion.diffusion_autoencoder:DiffusionAutoencoder",  # G14
    "completion_editor": "facekit.models.editors.completion_editor:CompletionEditor",  # G15's teacher
    "diffusion_editor": "facekit.models.editors.diffusion_editor:DiffusionEditor",  # G15
    "stargan": "facekit.models.gans.stargan:StarGAN",  # G2 to G7
    "cyclegan": "facekit.models.gans.cyclegan:CycleGAN",  # G8
    "mma_gan": "facekit.models.gans.mma_gan:MMAGAN",  # G9 and, by `ABLATION`, G10
    "paired_oracle": "facekit.models.editors.paired_oracle:PairedOracle",  # the ceiling, which is shown the answers
}


def system_class(name: str) -> type[System]:
    """The class of a system by name; raises `ValueError` for one that does not exist."""
    if name not in SYSTEMS:
        raise ValueError(f"{name!r} is no system; known are {', '.join(SYSTEMS)}")
    module, _, cls = SYSTEMS[name].partition(":")
    return getattr(importlib.import_module(module), cls)
