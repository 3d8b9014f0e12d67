"""G20: GANimation (Pumarola 2018; P4 §3.2.2). A generator conditioned on action units, with a mask of where it acts.

The generator gives colours C and a mask, and blends: I = (1 - A) C + A x (eq. 1). The mask here is the change, 1 - A.
Both public implementations, and versions of the preprint, exchange the two.

**Losses** (eq. 2 to 6): adversarial; the action units that the discriminator estimates; cycle consistency; and the size
and the total variation of the mask. The published code multiplies the squared error of the action units by 4000 and
divides it by the batch of 25: 160 times its mean.

**Where the presets other than `paper` differ:**

* **Relative action units.** The condition is target minus source. The source is given, or found by an estimator. A
  request that differs from the source by less than 0.1 in every unit fades the mask out, so that one that does not
  differ returns the face itself.
* **Size of the mask.** The paper's loss pulls at the mask wherever it is, and mask and loss have two ends of rest: the
  output is the input, or the whole face is redrawn. Here the mask starts at 0.3, and its mean is free from 0.02 to 0.1.
* **Colours** are the input plus a change, which starts at 0 (`MaskedPreset`).
* **Back-translation.** Cycle consistency compares with the input alone, and no face shows how an edit should look. So
  the generator also recovers real faces from edits of them by a teacher: their exact action units are the target. The
  losses by the discriminator fade in once this has been learned. From the first step on, they keep the generator from
  learning it.

Units that always act together in training, such as 6 and 12, cannot be told apart. Train on faces with random and
one-sided units: `--set data.free_units=0.5 --set data.one_sided=0.33`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.diffusion.noise import Seeds
from facekit.faces.action_units import ACTION_UNIT_COLUMNS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.losses.adversarial import generator_loss
from facekit.losses.attribute import action_unit_loss
from facekit.losses.perceptual import feature_matching
from facekit.models.gans.adversarial import AdversarialGenerator, CollapseWatch
from facekit.models.gans.masked import MaskedPreset, MaskWatch
from facekit.models.guided import Guided
from facekit.models.label import action_unit_labels
from facekit.models.limits import Count, Share, Weight
from facekit.models.system import CannotTrain, Clock, Step, System, evaluating
from facekit.models.teacher import edited_twice, teacher_edits

_FADED = 0.1  # largest difference from the source for which the mask is faded


@dataclass(frozen=True)
class GANimationPreset(MaskedPreset):
    """How GANimation is built and trained."""

    estimator: str | None = "action_units-synthetic_estimator"  # weights that find source units; None: absolute units
    jitter: Weight = 0.1  # largest random change of the target units, which are those of other faces
    discriminator_steps: Count = 1  # discriminator steps per generator step, each on its own share of the batch
    conditional: bool = True  # projection discriminator (Miyato & Koyama 2018)
    judged_from: tuple[Share, Share] = (0.0, 0.0)  # shares of the run between which the discriminator's losses fade in
    units: Weight = 160.0  # weight of the squared error of the discriminator's estimate (eq. 4)
    cycle: Weight = 10.0  # weight of cycle consistency (eq. 5)
    teacher: str | None = None  # name or path of another generator's weights, for back-translation
    squared: Weight = 400.0  # weight of the squared error of back-translation
    absolute: Weight = 10.0  # weight of its absolute error
    features: Weight = 0.5  # weight of feature matching (Wang 2018) in the discriminator, of back-translation


# Pumarola 2018, §5.3: 30 epochs of 200,000 faces in batches of 25, five of the discriminator for one of the generator.
_PAPER = {
    "size": 128, "batch": 125, "steps": 48_000, "learning_rate": 1e-4, "betas": (0.5, 0.999), "schedule": "linear",
    "ema": None, "augment": "flip", "adversarial": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 5,
    "initialisation": "uniform", "width": 64, "halvings": 2, "blocks": 6, "factor": 1, "condition": "planes",
    "skips": "none", "discriminator_width": 64, "discriminator_layers": 6, "discriminator_widest": 2048,
    "discriminator_slope": 0.01, "conditional": False, "estimator": None, "mask_loss": "mean", "mask_size": 0.1,
    "mask_start": 0.5, "smoothness": 1e-4,
}  # fmt: skip

_OURS = {
    "augment": "flip", "r1": 0.3, "optimiser": "muon", "learning_rate": 4e-3, "discriminator_rate": 6e-3, "ema": 0.998,
    "warmup": 100, "cycle": 3.0, "units": 20.0, "discriminator_width": 64, "discriminator_widest": 256,
    "condition": "adaptive", "skips": "residual", "discriminator_high_frequencies": True, "mask_range": (0.02, 0.1),
    "mask_size": 3.0,
}  # fmt: skip


class GANimation(Guided, AdversarialGenerator):
    """Changes the action units of a face, and shows by a mask where."""

    name = "ganimation"
    training_only = frozenset({"discriminator", "watch", "mask_watch"})
    guided_by = frozenset({"teacher"})
    depends_on: ClassVar = {"estimator": "action_units", "teacher": "adversarial_editor"}
    understands = frozenset({"emotion", "intensity", "action_units"})
    presets: ClassVar = {
        "smoke": GANimationPreset(
            **_OURS | {"warmup": 0, "width": 8, "blocks": 1, "discriminator_width": 8, "batch": 16, "steps": 40}
        ),
        "laptop": GANimationPreset(**_OURS | {"width": 48, "blocks": 2}, batch=64, steps=500),
        "gpu": GANimationPreset(
            **_OURS, size=64, batch=32, steps=1400, teacher="adversarial_editor-synthetic", judged_from=(0.3, 0.5)
        ),
        "paper": GANimationPreset(**_PAPER),
    }

    def __init__(self, preset: GANimationPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        units = len(ACTION_UNIT_COLUMNS)
        self.generator = preset.build_masked_generator(channels, units)
        self.discriminator = preset.build_discriminator(channels, units, labels=units if preset.conditional else 0)
        self.watch, self.mask_watch = CollapseWatch(), MaskWatch()

    @property
    def guidance_networks(self) -> Sequence[System]:
        """The teacher, and the estimator, which edits use too."""
        return [self.guidance_network(field) for field in self.requires]

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {
            "discriminator": self.optimiser([self.discriminator], self.preset.discriminator_rate),
            "generator": self.optimiser([self.generator]),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """`discriminator_steps` steps of the discriminator, then one of the generator on the last share of the batch.

        Raises `CannotTrain` for faces without action units if there is no estimator either.
        """
        units = self._training_units(batch)
        shares = torch.randperm(len(units), device=units.device).chunk(self.preset.discriminator_steps)
        for i, rows in enumerate(shares):
            images, source = batch.images[rows], units[rows]
            noise = self.preset.jitter * (2 * torch.rand_like(source) - 1)
            target = (source[torch.randperm(len(rows))] + noise).clamp(0, 1)
            with torch.set_grad_enabled(i == len(shares) - 1):  # only the last share trains the generator
                generated, mask = self._translated(images, self.condition(images, target, None))
                recovered = self._recovered(images, source)
            yield self._discriminator_step(images, generated.detach(), recovered.detach(), source, target, clock)
        yield self._generator_step(images, generated, recovered, mask, source, target, clock)

    def _recovered(self, images: Tensor, units: Tensor) -> Tensor:
        """Faces with their units (N, A), recovered from the teacher's edits of them: (N, C, H, W), or none, (0, ...),
        without a teacher."""
        if self.preset.teacher is None:
            return images[:0]
        edit = partial(teacher_edits, self.guidance_network("teacher"))
        inputs = edited_twice(lambda faces, target: edit(faces, Expression(action_units=target)), images, units)
        return self._translated(inputs, self.condition(inputs, units, None))[0]

    def _training_units(self, batch: Faces) -> Tensor:
        if batch.action_units is not None:
            return batch.action_units
        if self.preset.estimator is None:
            raise CannotTrain(
                f"{self.name} is trained on faces with action units, and these have none: read them from a table of "
                "OpenFace, or name an estimator, as in --set estimator=action_units-synthetic_estimator"
            )
        return self._estimated(batch.images)

    @torch.no_grad()
    def _estimated(self, images: Tensor) -> Tensor:
        return self.guidance_network("estimator").to(images.device)(images).clamp(0, 1)

    def condition(self, images: Tensor, target: Tensor, source: Expression | None) -> Tensor:
        """What the generator receives for faces (N, C, H, W) and target units (N, A): (N, A).

        Without an estimator it is the target. With one, it is the target minus the action units of the source, which
        are estimated unless they are given.
        """
        if self.preset.estimator is None:
            return target
        given = source is not None and source.action_units is not None
        return target - (source.action_units if given else self._estimated(images))

    def _translated(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Edited faces (N, C, H, W) and the mask of the change (N, 1, H, W)."""
        colours, mask = self.generator(images, condition)
        if self.preset.estimator is not None:
            mask = mask * (condition.abs().amax(1) / _FADED).clamp(max=1)[:, None, None, None]
        return torch.lerp(images, colours, mask), mask

    def _discriminator_step(
        self, real: Tensor, generated: Tensor, recovered: Tensor, source: Tensor, target: Tensor, clock: Clock
    ) -> Step:
        n, preset = len(real), self.preset
        real_input, generated_input = self.augmented(real), self.augmented(torch.cat([generated, recovered]))
        labels = torch.cat([source, target, source[: len(recovered)]]) if preset.conditional else None
        scores, estimated = self.discriminator(torch.cat([real_input, generated_input]), labels)
        self.watch.observe(real, generated, scores[: 2 * n], clock, self.name)
        of_real = partial(self.discriminator.scores, label=source if preset.conditional else None)
        terms = {
            "adversarial": self.discriminator_loss(scores[:n], scores[n:]),
            "penalty": self.gradient_penalties(of_real, real_input, generated_input[:n], clock),
            "units": preset.units * action_unit_loss(estimated[:n], source),
        }
        return "discriminator", sum(terms.values()), {f"discriminator/{name}": value for name, value in terms.items()}

    def _generator_step(
        self,
        images: Tensor,
        generated: Tensor,
        recovered: Tensor,
        mask: Tensor,
        source: Tensor,
        target: Tensor,
        clock: Clock,
    ) -> Step:
        preset = self.preset
        self.mask_watch.observe(mask, clock, self.name)
        units = torch.cat([target, source[: len(recovered)]])
        edits = self.augmented(torch.cat([generated, recovered]))
        scores, estimated = self.discriminator(edits, units if preset.conditional else None)
        back = source if preset.estimator is None else source - target
        cycled, back_mask = self._translated(generated, back)
        judged = self._judged(clock)
        terms = {
            "adversarial": judged * generator_loss(scores, preset.adversarial),
            "units": judged * preset.units * action_unit_loss(estimated, units),
            "cycle": preset.cycle * F.l1_loss(cycled, images),
            **preset.mask_terms(torch.cat([mask, back_mask])),
        }
        if preset.teacher is not None:
            with torch.no_grad():
                real_maps = self.discriminator.maps(images)
            terms["absolute"] = preset.absolute * F.l1_loss(recovered, images)
            terms["squared"] = preset.squared * F.mse_loss(recovered, images)
            maps = self.discriminator.maps(recovered)
            terms["features"] = judged * preset.features * feature_matching(maps, real_maps)
        return "generator", sum(terms.values()), {f"generator/{name}": value for name, value in terms.items()}

    def _judged(self, clock: Clock) -> float:
        """The factor of the losses that the discriminator gives the generator, from 0 to 1."""
        start, end = self.preset.judged_from
        return 1.0 if clock.progress >= end else max(clock.progress - start, 0.0) / (end - start)

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`source` is used if it has action units, and estimated otherwise; `seed` is not used."""
        return self._translated(faces.images, self.condition(faces.images, action_unit_labels(expression), source))[0]

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """What an edit consists of, by name: the mask of the change, 1 - A (N, 1, H, W) in [0, 1], and the colours C
        (N, C, H, W), which can exceed [-1, 1] (see `MaskedTranslator`). Raises what `edit` raises."""
        expression.require(self.understands, self.name)
        self._check(faces)
        images, target = faces.images.to(self.device), expression.for_faces(len(faces)).to(self.device)
        with torch.no_grad(), evaluating(self):
            condition = self.condition(images, action_unit_labels(target), None)
            colours, _ = self.generator(images, condition)
            _, mask = self._translated(images, condition)
        return {"mask": mask.float().cpu(), "colours": colours.float().cpu()}
