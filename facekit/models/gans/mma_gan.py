"""G9 and G10: MMA-GAN (P3).

It differs from StarGAN in three ways. The generator attends at several scales, and adds its output to the face (global
residual connection). Its condition is z = c ⊙ ρ, an emotion times its intensity. The discriminator also estimates the
condition, and the cycle consistency loss uses its estimate instead of the source label.

Where P3 is silent or contradicts itself:

* The text calls c the labels to be kept, eq. 4 makes it the target. Here it is the target. z has a column for every
  emotion but neutral, so that ρ = 0 is a neutral face for any c.
* Eq. 5 is on generated images only, the text also on real ones. Eq. 2 needs estimates for real images, so both are
  used.
* Eq. 8 omits ρ̂ from the discriminator's loss, without which nothing would train it. Here it is trained with eq. 5.
* Neither loss weights nor a gradient penalty are given. Here they are StarGAN's, and 1 for terms that StarGAN lacks.

None of the eight losses depends on how far a mouth should open, and trained by them alone the generator opens it only a
little. The `gpu` preset, whose weights ship, therefore adds distillation from a teacher, G15 (adversarial diffusion
distillation, Sauer 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, resize
from facekit.layers.mixed_attention import attention_maps
from facekit.layers.translator import BLOCKS, SKIPS
from facekit.losses.attribute import condition_loss
from facekit.models.gans.stargan import OURS, PAPER, SMOKE, Labels, StarGAN, StarGANPreset
from facekit.models.limits import Count, OneOf, Weight
from facekit.models.system import evaluating


@dataclass(frozen=True)
class MMAGANPreset(StarGANPreset):
    """How MMA-GAN is built and trained."""

    width: Count = 48
    blocks: Count = 2
    block: Annotated[str, OneOf(BLOCKS)] = "mixed_attention"
    skips: Annotated[str, OneOf(SKIPS)] = "global"  # the global residual connection (GRC)
    condition_in_discriminator: Weight = 1.0  # λ_infoD, weight of eq. 5 for the discriminator
    condition_in_generator: Weight = 1.0  # λ_infoG, weight of eq. 5 for the generator
    intensity: Weight = 1.0  # λ_ρ, weight of eq. 6 for both
    blended: bool = True  # class labels of weak expressions are blends with neutral; False: c itself (eq. 4)


ABLATION: Mapping[str, Mapping[str, object]] = {
    "without MMAR and GRC": {"block": "residual", "skips": "none"},
    "without GRC": {"skips": "none"},
    "without MMAR": {"block": "residual"},
    "MMA-GAN": {},
}
"""P3's figure 4 (G10), from the top: the fields that each variant sets in a preset; all others are equal. MMAR is the
multi-scale mixed attention residual block, GRC the global residual connection."""


class MMAGAN(StarGAN):
    """Translates faces to a condition z, an emotion times its intensity."""

    name = "mma_gan"
    presets: ClassVar = {
        "smoke": MMAGANPreset(**OURS | SMOKE, scales=2),
        "laptop": MMAGANPreset(**OURS, batch=64, steps=440),
        "gpu": MMAGANPreset(**OURS, size=64, batch=32, steps=2400, teacher="diffusion_editor-synthetic"),
        # P3: 128 pixels and N + 3 input channels; everything else as in StarGAN's preset for that size.
        "paper": MMAGANPreset(
            **PAPER | {"size": 128, "skips": "global", "discriminator_layers": 6, "targets": "drawn"}, blended=False
        ),
    }

    def __init__(self, preset: MMAGANPreset, channels: int = 3) -> None:
        if preset.cartoon_emotions or "neutral" not in preset.emotions:
            raise ValueError(f"{self.name} supports one domain only, and needs neutral among its emotions")
        super().__init__(preset, channels)

    @property
    def condition_size(self) -> int:
        """Length of z."""
        return len(self.preset.emotions) - 1

    @property
    def auxiliary_outputs(self) -> int:
        """Number of outputs of the discriminator beside its scores: emotion logits, estimates of z (D_cor) and ρ."""
        return len(self.preset.emotions) + self.condition_size + 1

    def condition_vector(self, label: Labels) -> Tensor:
        """z, (N, condition_size): the weights of all emotions but neutral."""
        weights, _ = label
        return torch.cat([weights[:, : self.neutral], weights[:, self.neutral + 1 :]], 1)

    @property
    def neutral(self) -> int:
        """Index of neutral among the emotions."""
        return self.preset.emotions.index("neutral")

    # ------------------------------------------------------------------------------------------- training

    def estimates(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Estimates of z (N, condition_size) and ρ (N,) among the discriminator's outputs (N, auxiliary_outputs)."""
        estimates = outputs[:, len(self.preset.emotions) :]
        return estimates[:, :-1], estimates[:, -1]

    def discriminator_terms(self, outputs: Tensor, source: Labels, target: Labels) -> dict[str, Tensor]:
        z = torch.cat([self.condition_vector(source), self.condition_vector(target)])
        return self._estimation_losses(outputs, z, self.preset.condition_in_discriminator)

    def generator_terms(self, outputs: Tensor, target: Labels) -> dict[str, Tensor]:
        return self._estimation_losses(outputs, self.condition_vector(target), self.preset.condition_in_generator)

    def _estimation_losses(self, outputs: Tensor, z: Tensor, weight: float) -> dict[str, Tensor]:
        """Weighted losses of the estimates of z and ρ (eq. 5 and 6)."""
        condition, intensity = self.estimates(outputs)
        return {
            "condition": weight * condition_loss(condition, z),
            "intensity": self.preset.intensity * F.mse_loss(intensity, z.sum(1)),
        }

    def cycled(self, images: Tensor, generated: Tensor, source: Labels) -> Tensor:
        """Generated faces translated back to the discriminator's estimate of z for the real faces (eq. 2).

        The source labels are not used, and the estimate passes no gradients.
        """
        with torch.no_grad():
            condition, _ = self.estimates(self.discriminator(images)[1])
        return self.generator(generated, condition.clamp(0, 1), self._dropout(None, len(generated)))

    def _class_loss(self, outputs: Tensor, label: Labels) -> Tensor:
        if not self.preset.blended:
            weights, domain = label
            emotional = weights.clone()
            emotional[:, self.neutral] = 0
            kinds = torch.where(emotional.any(1), emotional.argmax(1), self.neutral)
            label = F.one_hot(kinds, weights.shape[1]).to(weights), domain
        return super()._class_loss(outputs, label)

    # ---------------------------------------------------------------------------------------------- in use

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """Spatial attention of the generator for an edit, averaged over its blocks.

        Returns images (N, 1, H, W) in [0, 1] by scale, from the finest: "attention at 1/S". The dictionary is empty for
        a variant without attention (`ABLATION`). Raises what `edit` raises.
        """
        expression.require(self.understands, self.name)
        self._check(faces)
        expression = expression.for_faces(len(faces)).to(self.device)
        label = self.labels.from_expression(expression, faces.to(self.device), self.name)
        with evaluating(self):
            maps = attention_maps(self.generator, faces.images.to(self.device), self.condition_vector(label))
        finest = self.preset.factor * 2**self.preset.halvings
        size = self.preset.size
        return {f"attention at 1/{finest * 2**scale}": resize(weights, size).cpu() for scale, weights in maps.items()}
