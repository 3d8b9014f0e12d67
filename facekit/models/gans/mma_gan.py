"""G9 and G10: MMA-GAN (P3), whose generator attends at several scales, changes the face instead of drawing it, and is
told how strongly; its discriminator says what was asked and how strongly, which leads the way back.

Where P3 is silent or contradicts itself:

* z = c ⊙ ρ. Its text calls c the labels to be kept, its eq. 4 makes it the target: the target it is. z has a column
  for each emotion but neutral, so that ρ = 0 is a face at rest, whatever c.
* Eq. 5 is of made pictures alone, its text of real ones too. Eq. 2 needs an estimate of real ones: both are learned
  from.
* Eq. 8 leaves ρ̂ out of what the discriminator learns, and then nothing would teach it: it is learned with eq. 5.
* Neither weights nor a gradient penalty are given: those of StarGAN, and 1 for what StarGAN does not have.

None of the eight losses says how far a mouth is to open, and by them alone it opens a little. So the `gpu` preset,
whose weights ship, also learns to make the edits of a teacher, G15 (adversarial diffusion distillation, Sauer 2023).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from facekit.faces.expression import Expression
from facekit.faces.faces import Faces, resize
from facekit.layers.mixed_attention import attention_maps
from facekit.losses.attribute import condition_loss
from facekit.models.gans.stargan import OURS, PAPER, SMOKE, Labels, StarGAN, StarGANPreset
from facekit.models.system import evaluating


@dataclass(frozen=True)
class MMAGANPreset(StarGANPreset):
    """How MMA-GAN is built and trained."""

    width: int = 48
    blocks: int = 2
    block: str = "mixed_attention"
    skips: str = "global"  # the global residual connection (GRC)
    condition_in_discriminator: float = 1.0  # λ_infoD
    condition_in_generator: float = 1.0  # λ_infoG
    strength: float = 1.0  # λ_ρ
    blended: bool = True  # a weak face's class is partly neutral; False: c, however weak (eq. 4)


ABLATION: Mapping[str, Mapping[str, object]] = {
    "without MMAR and GRC": {"block": "residual", "skips": "none"},
    "without GRC": {"skips": "none"},
    "without MMAR": {"block": "residual"},
    "MMA-GAN": {},
}
"""P3's figure 4, from the top: what each sets in a preset, all else being equal (G10)."""


class MMAGAN(StarGAN):
    """A face and z, an emotion times its strength, to the same face with it."""

    name = "mma_gan"
    presets: ClassVar = {
        "smoke": MMAGANPreset(**OURS | SMOKE, scales=2),
        "laptop": MMAGANPreset(**OURS, batch=64, steps=440),
        "gpu": MMAGANPreset(**OURS, size=64, batch=32, steps=2400, teacher="diffusion_editor-synthetic"),
        # P3: 128 pixels and an input of N + 3 channels; all else as StarGAN's for that size.
        "paper": MMAGANPreset(
            **PAPER | {"size": 128, "skips": "global", "discriminator_layers": 6, "targets": "drawn"}, blended=False
        ),
    }

    def __init__(self, preset: MMAGANPreset, channels: int = 3) -> None:
        if preset.cartoon_emotions or "neutral" not in preset.emotions:
            raise ValueError(f"{self.name} knows faces of one domain, and neutral among its emotions")
        super().__init__(preset, channels)

    @property
    def columns(self) -> int:
        return len(self.preset.emotions) - 1

    @property
    def heads(self) -> int:
        """Logits of emotions, the estimate of z (D_cor), and that of ρ."""
        return len(self.preset.emotions) + self.columns + 1

    def told(self, label: Labels) -> Tensor:
        """z, (N, columns): the weights of all emotions but neutral."""
        weights, _ = label
        return torch.cat([weights[:, : self.neutral], weights[:, self.neutral + 1 :]], 1)

    @property
    def neutral(self) -> int:
        """Its place among the emotions."""
        return self.preset.emotions.index("neutral")

    # ------------------------------------------------------------------------------------------- training

    def estimates(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """What the discriminator takes z (N, columns) and ρ (N,) to be, of what it says (N, heads)."""
        said = said[:, len(self.preset.emotions) :]
        return said[:, :-1], said[:, -1]

    def discriminator_terms(self, said: Tensor, shown: Labels, target: Labels) -> dict[str, Tensor]:
        asked = torch.cat([self.told(shown), self.told(target)])
        return self._terms(said, asked, self.preset.condition_in_discriminator)

    def generator_terms(self, said: Tensor, target: Labels) -> dict[str, Tensor]:
        return self._terms(said, self.told(target), self.preset.condition_in_generator)

    def _terms(self, said: Tensor, asked: Tensor, weight: float) -> dict[str, Tensor]:
        """Eq. 5 and 6, weighed."""
        condition, strength = self.estimates(said)
        return {
            "condition": weight * condition_loss(condition, asked),
            "strength": self.preset.strength * F.mse_loss(strength, asked.sum(1)),
        }

    def cycled(self, images: Tensor, made: Tensor, shown: Labels) -> Tensor:
        """By what the discriminator sees in the faces instead of their labels: eq. 2."""
        with torch.no_grad():
            condition, _ = self.estimates(self.discriminator(images)[1])
        return self.generator(made, condition.clamp(0, 1), self._dropping(None, len(made)))

    def _class_loss(self, logits: Tensor, label: Labels) -> Tensor:
        if not self.preset.blended:
            weights, domain = label
            others = weights.clone()
            others[:, self.neutral] = 0
            kind = torch.where(others.any(1), others.argmax(1), self.neutral)
            label = F.one_hot(kind, weights.shape[1]).to(weights), domain
        return super()._class_loss(logits, label)

    # ---------------------------------------------------------------------------------------------- in use

    def inspect(self, faces: Faces, expression: Expression) -> dict[str, Tensor]:
        """Where the generator looks on the way to an expression: for each scale of its blocks, from the finest,
        `attention at 1/S`, the mean weight of each place over the blocks, as pictures (N, 1, H, W) in [0, 1].

        Empty without attention (`ABLATION`). Raises what `edit` raises.
        """
        expression.require(self.understands, self.name)
        self._check(faces)
        expression = expression.for_faces(len(faces)).to(self.device)
        label = self.labels.of_expression(expression, faces.to(self.device), self.name)
        with evaluating(self):
            maps = attention_maps(self.generator, faces.images.to(self.device), self.told(label))
        finest = self.preset.factor * 2**self.preset.halvings
        size = self.preset.size
        return {f"attention at 1/{finest * 2**scale}": resize(each, size).cpu() for scale, each in maps.items()}
