"""The contract of a system: what training, editing, evaluation and figures rely on, and all that they rely on."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.augment import RECIPES
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.models.limits import Count, Decay, OneOf, Positive, Rate, Whole, check_fields
from facekit.models.precision import edit_precision
from facekit.weights.hub import MODEL, upload, write_folder
from facekit.weights.store import WeightsCard, save_weights


class CannotTrain(ValueError):
    """A system cannot be trained on these faces, or with this preset. The message says what it needs."""


@dataclass(frozen=True)
class Clock:
    """The position of a step in its training run, for schedules such as P2's switch of losses at epoch 40."""

    step: int  # steps done before this one
    total: int  # steps of the whole run
    epoch: int = 0
    steps_per_epoch: int = 1

    @property
    def progress(self) -> float:
        """Fraction of the run that is done, in [0, 1)."""
        return self.step / max(self.total, 1)


SCHEDULES = ("constant", "cosine", "linear")
"""Of the learning rate after the warm-up. "cosine" decays to 0 at the last step, "linear" in the second half."""

Schedule = Annotated[str, OneOf(SCHEDULES)]
Augmentation = Annotated[str, OneOf(tuple(RECIPES))]
"""Name of an augmentation in `facekit.faces.augment`."""


@dataclass(frozen=True)
class Preset:
    """Hyperparameters of a system's architecture and training under one profile. Systems add their own fields.

    The types of the fields state which values are allowed (`facekit.models.limits`).
    """

    size: Count = 48  # height and width of the images in pixels
    batch: Count = 64  # images per step
    steps: Count = 1000  # training steps of the whole run; one step may update several optimisers
    learning_rate: Rate = 1e-3
    warmup: Whole = 0  # steps over which the learning rate rises linearly from 0
    schedule: Schedule = "constant"
    clip_norm: Positive | None = None  # maximum norm of the gradients of an optimiser; None: no clipping
    ema: Decay | None = None  # decay of the exponential moving average of the weights; None: no average
    augment: Augmentation = "none"
    balanced: bool = False  # sample all emotions equally often, instead of every face once per epoch
    checkpoint_every: Count = 500  # steps between checkpoints
    checkpoints_kept: Whole = 2  # number of checkpoints that are kept; 0 keeps all

    @property
    def multiple(self) -> int:
        """What the size must be a multiple of, so that the networks reduce images without a remainder: by default the
        factor of the pixel unshuffle, if there is one."""
        return getattr(self, "factor", 1)

    def check(self) -> None:
        """Raise `ValueError` for values that are not allowed, and for a size that is no multiple of `multiple`. The
        message gives what is allowed and the nearest good value."""
        check_fields(self)
        size, multiple = self.size, self.multiple
        if size % multiple:
            below = size // multiple * multiple
            near = " or ".join(str(value) for value in (below, below + multiple) if value)
            raise ValueError(f"the preset's size is {size}; it must be a multiple of {multiple}, such as {near}")


Step = tuple[str, Tensor, Mapping[str, Tensor | float]]
"""What `training_step` yields: the name of the optimiser to step, its loss, and scalars for the log."""


class System(nn.Module):
    """A trainable system. Its child modules are its networks; its presets are named after the profiles.

    Every system is built as `Class(preset, channels=C)` and trained through `optimisers` and `training_step`. Raises
    `ValueError` for a preset with values that are not allowed.

    name           key in `SYSTEMS`
    presets        by name of the profile
    understands    the parts of an `Expression` that it uses
    depends_on     systems whose weights it needs, by the field of the preset that names the weights
    same_images    the fields of `depends_on` whose systems receive this system's images unchanged, and therefore must
                   be trained for the same size and number of channels
    guided_by      the fields of `requires` whose weights are used in training only: teachers, classifiers
    training_only  child modules that are used in training only, and are not saved with the weights
    default_data   the dataset that it is trained on unless another is named
    card           of the weights that it was loaded with
    started_from   the weights that its training was initialised with: name -> SHA-256
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Preset]]
    understands: ClassVar[frozenset[str]] = frozenset()
    depends_on: ClassVar[Mapping[str, str]] = {}
    same_images: ClassVar[frozenset[str]] = frozenset()
    guided_by: ClassVar[frozenset[str]] = frozenset()
    training_only: ClassVar[frozenset[str]] = frozenset()
    default_data: ClassVar[str] = "synthetic"
    card: WeightsCard | None = None
    started_from: Mapping[str, str] = MappingProxyType({})

    def __init__(self, preset: Preset, channels: int = 3) -> None:
        super().__init__()
        preset.check()
        self.preset = preset
        self.channels = channels

    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """Metrics of the trained system on held-out faces, by name; none by default.

        dataset  a `FaceDataset`
        device   the device of the computation; the system is moved there
        """
        return {}

    @classmethod
    def required_by(cls, preset: Preset) -> dict[str, str]:
        """Names or paths of the weights that a system with this preset needs, by the field that names them. A field
        of None needs no weights."""
        return {field: name for field in cls.depends_on if (name := getattr(preset, field)) is not None}

    @property
    def requires(self) -> dict[str, str]:
        """`required_by` of its own preset."""
        return self.required_by(self.preset)

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        return next(self.parameters()).device

    def check_images(self, images: Tensor) -> None:
        """Raise `ValueError` for images (N, C, H, W) whose size or number of channels is not the system's."""
        size = self.preset.size
        if tuple(images.shape[1:]) != (self.channels, size, size):
            colour = {1: "gray", 3: "rgb"}[self.channels]
            raise ValueError(
                f"{self.name} takes images of {size} x {size} pixels with {self.channels} channels, and got a tensor "
                f"of shape {tuple(images.shape)}: call faces.resized({size}).{colour}()"
            )

    def weights(self) -> dict[str, Tensor]:
        """The tensors that are saved: the state without that of `training_only` modules."""
        return {name: value for name, value in self.state_dict().items() if not self._of_training_only(name)}

    def take_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Load what `weights` returned; `training_only` modules keep their state. Raises `RuntimeError` for tensors
        that do not fit."""
        kept = {name: value for name, value in self.state_dict().items() if self._of_training_only(name)}
        self.load_state_dict(kept | dict(tensors))

    def save_pretrained(self, folder: str | os.PathLike) -> Path:
        """Write weights and card into a folder in the form of the Hugging Face Hub; returns the folder.
        `facekit.models.load.from_pretrained` loads it. Raises `ValueError` for a system without a card."""
        with tempfile.TemporaryDirectory() as scratch:
            return write_folder(self._saved(Path(scratch)), Path(folder))

    def push_to_hub(self, repository: str, *, private: bool = False) -> str:
        """Upload weights and card to a repository of the Hugging Face Hub, which is created if necessary; returns its
        address. It needs a login (`hf auth login`). The card states the terms of the data. Raises `ValueError` for a
        system without a card."""
        with tempfile.TemporaryDirectory() as scratch:
            return upload(self._saved(Path(scratch)), repository, private)

    def _saved(self, folder: Path) -> Path:
        if self.card is None:
            raise ValueError(
                f"this {self.name} has no card, without which it cannot be loaded again: train it by `facekit train`, "
                "and load the weights that it writes"
            )
        save_weights(path := folder / MODEL, self.weights(), self.card)
        return path

    def _of_training_only(self, name: str) -> bool:
        return name.partition(".")[0] in self.training_only

    @property
    def guidance_networks(self) -> Sequence[System]:
        """Frozen systems that are used in training only and are not child modules: a teacher, a classifier.

        The training loop moves them to the system's device and runs them in the same precision."""
        return ()

    def networks(self) -> dict[str, nn.Module]:
        """The networks by name."""
        return dict(self.named_children())

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers by name, each with the parameters of the networks that it updates, and no others.

        The training loop multiplies their learning rates by the preset's warm-up and schedule.
        """
        raise NotImplementedError

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Yield `(optimiser, loss, scalars)` once for every optimiser step, in the order that the method prescribes.

        After each `yield` the training loop computes the gradients of the loss for the parameters of that optimiser
        alone, clips them and takes the step, so that the code after a `yield` uses the updated weights. Random
        numbers may be drawn from the global generators: the loop seeds them at the start of each step. Child networks
        that are called (as opposed to their other methods) compute in the profile's precision and return float32.

        Raises `CannotTrain` for faces that lack what the training needs, such as labels.
        """
        raise NotImplementedError


class Generator(System):
    """A system that changes the expression of a face. A subclass implements `_edit`, for stills and without checks."""

    @property
    def editing_systems(self) -> Sequence[System]:
        """The systems whose networks compute an edit: itself, and frozen ones that are no child modules."""
        return (self,)

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that it was trained on, in the order of the protocol; all, where it needs no labels."""
        own = getattr(self.preset, "emotions", PROTOCOL_EMOTIONS)
        return tuple(name for name in PROTOCOL_EMOTIONS if name in own)

    @property
    def untrained_units(self) -> tuple[str, ...]:
        """The columns of `ACTION_UNIT_COLUMNS` that were 0 in all faces of the training, as its card states; empty
        where it does not, and for a system that does not understand action units."""
        known = self.card and self.card.data.get("action_units")
        if not known or "action_units" not in self.understands:
            return ()
        return tuple(name for name in ACTION_UNIT_COLUMNS if name not in known)

    def edit(
        self, faces: Faces, expression: Expression, *, source: Expression | None = None, seed: Seeds = 0
    ) -> Tensor:
        """Change the expression of faces and preserve their identity.

        faces       N faces
        expression  the target expression: one row, or one per face; with a time axis, sequences are returned
        source      the present expression of the faces, for systems that need it
        seed        one integer, or one per face; the result for a face does not depend on the rest of its batch

        Networks compute in the precision of `edit_precision`. Returns (N, C, H, W) in [-1, 1]; (N, T, C, H, W) for an
        expression with a time axis. Raises `UnsupportedExpression` for a part of the expression that the system does
        not use, and `ValueError` for faces whose size or number of channels is not the system's.
        """
        expression.require(self.understands, self.name)
        self._check(faces)
        target, frames = expression.for_faces(len(faces)), expression.frames
        source = source and source.for_faces(len(faces))
        if frames is not None:
            every = torch.arange(len(faces)).repeat_interleave(frames)
            faces, target = faces[every], target.flatten_time()
            source = source and source[every]
            seed = seed if isinstance(seed, int) else torch.as_tensor(seed)[every]
        with torch.no_grad(), evaluating(self), edit_precision(self.editing_systems, self.device, len(faces)):
            given = (part and part.to(self.device) for part in (faces, target, source))
            edited = self._edit(*given, seed)
        edited = edited.float().clamp(-1, 1).to(faces.images.device)
        return edited if frames is None else edited.unflatten(0, (-1, frames))

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`edit` for N stills and N rows of expressions, on the system's device."""
        raise NotImplementedError

    def _check(self, faces: Faces) -> None:
        if faces.frames is not None:
            raise ValueError(
                f"{self.name} edits stills: select a frame, or flatten the time axis by faces.flatten_time()"
            )
        self.check_images(faces.images)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A context in which a module is in evaluation mode; it then returns to the mode that it was in."""
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
    "landmarks": "facekit.models.judges.landmarks:LandmarkNet",  # E7
    "vae": "facekit.models.autoencoders.vae:VAE",  # P1's; its latent is the face code of G13
    "conditional_vae": "facekit.models.autoencoders.conditional_vae:ConditionalVAE",  # G1
    "label_diffusion": "facekit.models.diffusion.label_diffusion:LabelDiffusion",  # G11
    "cnn_diffusion": "facekit.models.diffusion.semantic_diffusion:CNNDiffusion",  # G12
    "vae_diffusion": "facekit.models.diffusion.semantic_diffusion:VAEDiffusion",  # G13
    "diffusion_autoencoder": "facekit.models.diffusion.diffusion_autoencoder:DiffusionAutoencoder",  # G14
    "completion_editor": "facekit.models.editors.completion_editor:CompletionEditor",  # G15's teacher
    "diffusion_editor": "facekit.models.editors.diffusion_editor:DiffusionEditor",  # G15
    "cascaded_editor": "facekit.models.editors.cascaded_editor:CascadedEditor",  # G15 for larger images
    "adversarial_editor": "facekit.models.editors.adversarial_editor:AdversarialEditor",  # G15, fine-tuned
    "stargan": "facekit.models.gans.stargan:StarGAN",  # G2 to G7
    "cyclegan": "facekit.models.gans.cyclegan:CycleGAN",  # G8
    "mma_gan": "facekit.models.gans.mma_gan:MMAGAN",  # G9 and, by `ABLATION`, G10
    "landmark_transfer": "facekit.models.gans.landmark_transfer:LandmarkTransfer",  # G16
    "lgp_gan": "facekit.models.gans.lgp_gan:LGPGAN",  # G17
    "ganimation": "facekit.models.gans.ganimation:GANimation",  # G20
    "motion_gan": "facekit.models.video.motion_gan:MotionGAN",  # G18
    "motion_flow": "facekit.models.video.motion_flow:MotionFlow",  # its rival
    "motion_classifier": "facekit.models.judges.motion:MotionClassifier",  # E7
    "texture_gan": "facekit.models.video.texture_gan:TextureGAN",  # G19
    "paired_oracle": "facekit.models.editors.paired_oracle:PairedOracle",  # supervised by ground truth: an upper bound
}


def system_class(name: str) -> type[System]:
    """The class of a system by name; raises `ValueError` for one that does not exist."""
    if name not in SYSTEMS:
        raise ValueError(f"{name!r} is no system; known are {', '.join(SYSTEMS)}")
    module, _, cls = SYSTEMS[name].partition(":")
    return getattr(importlib.import_module(module), cls)
