"""G17: LGP-GAN (Xia 2022; P4 §3.1.2), local and global perception: the eyes and the mouth have networks of their own.

Expressions differ most in the eyes and the mouth, which are small and which a network for the whole face blurs. In the
first stage, one network edits the region of the eyes and one that of the mouth; in the second, a third network edits
the face into which their results are pasted. Each blends colours with its input by a mask. Three discriminators judge
the two regions after the first stage and the face after the second.

P4 gives neither sizes nor loss weights. Regions are fixed rectangles here, since faces are aligned by the eyes. The
`paper` preset takes sizes, mask and optimiser from GANimation, on whose generator Xia 2022 builds, and the other loss
weights from StarGAN. All three networks are trained together. The other presets have what those of `stargan` and
`ganimation` have: conditional discriminators, adaptive norms, a range in which the size of a mask is free, and
distillation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.layers.local_global import REGIONS, LocalGlobalTranslator, Stages
from facekit.layers.patches import PatchDiscriminator
from facekit.losses.adversarial import generator_loss
from facekit.models.gans.adversarial import AdversarialGenerator, CollapseWatch
from facekit.models.gans.joint_label import JointLabels
from facekit.models.gans.masked import MaskedPreset, MaskWatch
from facekit.models.guided import Guided
from facekit.models.label import label_to_expression
from facekit.models.limits import Count, Emotions, Share, Weight
from facekit.models.system import CannotTrain, Clock, Step, evaluating
from facekit.models.teacher import teacher_edits

Labels = tuple[Tensor, Tensor]
"""Emotion weights (N, emotions) and domains (N,) of faces; see `JointLabels`. There is one domain."""


@dataclass(frozen=True)
class LGPGANPreset(MaskedPreset):
    """How LGP-GAN is built and trained. The fields of the generator are those of the network of the whole face."""

    emotions: Emotions = PROTOCOL_EMOTIONS
    local_width: Count = 48  # of the networks of the regions
    local_blocks: Count = 2
    local_layers: Count = 3  # of the discriminators of the regions
    discriminator_steps: Count = 1  # discriminator steps per generator step, each on its own share of the batch
    conditional: bool = True  # projection discriminators (Miyato & Koyama 2018)
    local: Weight = 0.5  # weight of the losses of each region's discriminator
    classes: Weight = 1.0  # weight of the classification loss of the discriminators
    classes_in_generator: Weight = 0.0  # the same for the generator
    reconstruction: Weight = 3.0  # weight of the cycle consistency loss
    partial: Share = 0.5  # fraction of targets with partial intensity
    neutral: Share | None = None  # fraction of targets that are neutral; None: as any other
    teacher: str | None = None  # name or path of another generator's weights, for distillation
    distillation: Weight = 400.0  # weight of the mean squared difference from the teacher's edits


_PAPER = {
    "size": 128, "batch": 80, "steps": 40_000, "learning_rate": 1e-4, "betas": (0.5, 0.999), "schedule": "linear",
    "ema": None, "augment": "flip", "adversarial": "wasserstein", "gradient_penalty": 10.0, "discriminator_steps": 5,
    "initialisation": "uniform", "width": 64, "halvings": 2, "blocks": 6, "factor": 1, "condition": "planes",
    "skips": "none", "local_width": 64, "local_blocks": 6, "local_layers": 4, "discriminator_width": 64,
    "discriminator_layers": 6, "discriminator_widest": 2048, "discriminator_slope": 0.01, "conditional": False,
    "local": 1.0, "classes_in_generator": 1.0, "reconstruction": 10.0, "mask_loss": "mean", "mask_size": 0.1,
    "mask_start": 0.5, "smoothness": 1e-4, "partial": 0.0,
}  # fmt: skip

_OURS = {
    "augment": "flip", "r1": 0.3, "optimiser": "muon", "learning_rate": 4e-3, "discriminator_rate": 6e-3, "ema": 0.998,
    "warmup": 100, "neutral": 0.3, "discriminator_width": 64, "discriminator_widest": 256, "width": 48, "blocks": 2,
    "skips": "residual", "discriminator_high_frequencies": True,
}  # fmt: skip


class LGPGAN(Guided, AdversarialGenerator):
    """Edits the eyes, the mouth, and then the whole face."""

    name = "lgp_gan"
    training_only = frozenset({"discriminator", "local_discriminators", "watch", "mask_watches"})
    guided_by = frozenset({"teacher"})
    depends_on: ClassVar = {"teacher": "adversarial_editor"}
    understands = frozenset({"emotion", "intensity"})
    presets: ClassVar = {
        "smoke": LGPGANPreset(
            **_OURS
            | {"warmup": 0, "width": 8, "blocks": 1, "local_width": 8, "local_blocks": 1, "local_layers": 2}
            | {"discriminator_width": 8, "batch": 16, "steps": 40}
        ),
        "laptop": LGPGANPreset(**_OURS, local_layers=2, batch=64, steps=500),
        "gpu": LGPGANPreset(**_OURS, size=64, batch=32, steps=1500, teacher="adversarial_editor-synthetic"),
        "paper": LGPGANPreset(**_PAPER),
    }

    def __init__(self, preset: LGPGANPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.labels = JointLabels((preset.emotions,))
        emotions = len(preset.emotions)
        local = {"width": preset.local_width, "blocks": preset.local_blocks}
        self.generator = LocalGlobalTranslator(
            {name: preset.build_masked_generator(channels, emotions, **local) for name in REGIONS},
            preset.build_masked_generator(channels, emotions),
            preset.size,
        )
        condition = emotions if preset.conditional else 0
        self.discriminator = preset.build_discriminator(channels, emotions, labels=condition)
        self.local_discriminators = nn.ModuleDict(
            {
                name: preset.build_discriminator(
                    channels, emotions, labels=condition, size=self.generator.box(name)[2:], layers=preset.local_layers
                )
                for name in REGIONS
            }
        )
        self.watch = CollapseWatch()
        self.mask_watches = nn.ModuleDict({name: MaskWatch() for name in ("face", *REGIONS)})

    # ------------------------------------------------------------------------------------------- training

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        discriminators = [self.discriminator, self.local_discriminators]
        return {
            "discriminator": self.optimiser(discriminators, self.preset.discriminator_rate),
            "generator": self.optimiser([self.generator]),
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """`discriminator_steps` steps of the discriminators, then one of the generator on the last share of the batch.

        Raises `CannotTrain` for a batch without labelled faces.
        """
        preset = self.preset
        weights, domain, labelled = self.labels.from_faces(batch)
        if not labelled.any():
            raise CannotTrain(f"{self.name} is trained on labelled faces, and this batch contains none")
        shares = labelled.nonzero()[:, 0].chunk(preset.discriminator_steps)
        for i, rows in enumerate(shares):
            images, source = batch.images[rows], (weights[rows], domain[rows])
            target = self.labels.random_targets(source[1], preset.partial, neutral=preset.neutral)
            with torch.set_grad_enabled(i == len(shares) - 1):  # only the last share trains the generator
                stages = self.generator(images, target[0])
            yield self._discriminator_step(images, stages, source, target, clock)
        yield self._generator_step(images, stages, source, target, clock)

    def _judged(
        self, images: Tensor, stages: Stages
    ) -> Iterator[tuple[str, float, PatchDiscriminator, Tensor, Tensor]]:
        """For each discriminator its name, the weight of its losses, itself, and the real and generated images that it
        judges: the regions after the first stage, the face after the second."""
        yield "face", 1.0, self.discriminator, images, stages.edited
        for name, network in self.local_discriminators.items():
            crops = (self.generator.crop(each, name) for each in (images, stages.pasted))
            yield name, self.preset.local, network, *crops

    def _discriminator_step(self, images: Tensor, stages: Stages, source: Labels, target: Labels, clock: Clock) -> Step:
        preset, n, terms = self.preset, len(images), {}
        labels = torch.cat([source[0], target[0]]) if preset.conditional else None
        for name, weight, network, real, generated in self._judged(images, stages):
            real_input, generated_input = self.augmented(real), self.augmented(generated.detach())
            scores, logits = network(torch.cat([real_input, generated_input]), labels)
            if name == "face":
                self.watch.observe(real, generated.detach(), scores, clock, self.name)
            of_real = partial(network.scores, label=source[0] if preset.conditional else None)
            loss = (
                self.discriminator_loss(scores[:n], scores[n:])
                + self.gradient_penalties(of_real, real_input, generated_input, clock)
                + preset.classes * self.labels.loss(logits[:n], *source)
            )
            terms[f"discriminator/{name}"] = weight * loss
        return "discriminator", sum(terms.values()), terms

    def _generator_step(self, images: Tensor, stages: Stages, source: Labels, target: Labels, clock: Clock) -> Step:
        preset, terms = self.preset, {}
        for name, weight, network, _, generated in self._judged(images, stages):
            scores, logits = network(self.augmented(generated), target[0] if preset.conditional else None)
            classes = preset.classes_in_generator * self.labels.loss(logits, *target)
            terms[name] = weight * (generator_loss(scores, preset.adversarial) + classes)
        cycled = self.generator(stages.edited, source[0])
        terms["reconstruction"] = preset.reconstruction * F.l1_loss(cycled.edited, images)
        for name, mask in {"face": stages.mask, **stages.masks}.items():
            self.mask_watches[name].observe(mask, clock, f"{self.name} ({name})")
            back = cycled.mask if name == "face" else cycled.masks[name]
            terms |= {f"{kind}_{name}": term for kind, term in preset.mask_terms(torch.cat([mask, back])).items()}
        if preset.teacher is not None:
            expression = label_to_expression(target[0], preset.emotions)
            edits = teacher_edits(self.guidance_network("teacher"), images, expression)
            terms["distillation"] = preset.distillation * F.mse_loss(stages.edited, edits)
        return "generator", sum(terms.values()), {f"generator/{name}": value for name, value in terms.items()}

    # ---------------------------------------------------------------------------------------------- in use

    def _edit(self, faces: Faces, expression: Expression, source: Expression | None, seed: Seeds) -> Tensor:
        """`source` and `seed` are not used."""
        label, _ = self.labels.from_expression(expression, faces, self.name)
        return self.generator(faces.images, label).edited

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """What an edit consists of, by name: the face after the first stage (N, C, H, W), the masks of the regions and
        of the face (N, 1, H, W) in [0, 1], and the colours of the second stage (N, C, H, W). Raises what `edit` raises.
        """
        expression.require(self.understands, self.name)
        self._check(faces)
        faces, target = faces.to(self.device), expression.for_faces(len(faces)).to(self.device)
        with torch.no_grad(), evaluating(self):
            label, _ = self.labels.from_expression(target, faces, self.name)
            stages = self.generator(faces.images, label)
        parts = {
            "regions pasted": stages.pasted.clamp(-1, 1),
            "masks of the regions": self.generator.placed(stages.masks).clamp(0, 1),
            "mask": stages.mask,
            "colours": stages.colours,
        }
        return {name: part.float().cpu() for name, part in parts.items()}
