"""G11: the conditional DDPM of P0 (§3.3) and P1 (§4.2), which knows the label and nothing of the face.

It draws new faces with an expression; to change a given face's, the face is taken part of the way into noise, which
blurs expression and person alike, and back under the label asked for.
"""

from __future__ import annotations

from typing import ClassVar

from facekit.models.diffusion.base import DiffusionGenerator, DiffusionPreset

SMOKE = {"size": 48, "widths": (16, 32), "attention": (False, False), "steps": 60, "warmup": 10, "augment": "none"}
"""What the smoke presets of all diffusion systems have in common."""

LAPTOP = {
    "size": 48, "batch": 32, "steps": 3000, "warmup": 100, "ema": 0.995, "timestep_density": "logit_normal",
}  # fmt: skip
"""What the laptop presets have in common, but that systems with more to train take fewer steps in the same time. In ten
minutes, small batches, a short average and the timesteps in the middle led furthest, by G14's edits."""

GPU = {"size": 64, "steps": 6000}
"""What the presets of the weights that ship have in common."""

# P1: 48 x 48, labels and timesteps of 256 numbers that are added up, AdamW 3e-4 with decay 1e-3, batch 32, 1,000
# epochs of FER-2013's 28,709 faces with a checkpoint every 10 (28,709 / 32 = 897 steps an epoch); P0: a mean square
# error on the noise, linear β. T 1000, one group, label dropped in a tenth of the batches and guidance 3 are of P1's
# code.
PAPER = {
    "size": 48, "widths": (64, 128, 256, 240), "attention": (False, True, True, True), "factor": 1, "blocks": 2,
    "condition": 256, "norm": "added", "groups": 1, "heads": 4, "optimiser": "adamw", "learning_rate": 3e-4,
    "weight_decay": 1e-3, "schedule": "constant", "warmup": 0, "clip_norm": None, "ema": 0.995, "augment": "none",
    "batch": 32, "steps": 897_000, "checkpoint_every": 8_970, "noise_schedule": "linear", "prediction": "noise",
    "drop_label": 0.1, "drop_face": 0.1, "method": "ddpm", "sample_steps": 1000, "label_guidance": 3.0,
}  # fmt: skip
"""What P1's systems have in common."""

EDITS = {"start": "noised", "strength": 0.65, "label_guidance": 3.0}
"""How G11 is asked: of strengths from 0.5 to 0.65 and guidance from 1 to 3, most edits came out right with these."""

LAPTOP_EDITS = {"strength": 0.8, "label_guidance": 1.5, "label_only_guidance": 1.0}
"""How the laptop presets of G13 and G14 are asked. After so short a training the denoiser listens more to the code than
to the label: what the label means is added as it means it without a face. And the noisiest part of the way is where
people get lost."""


class LabelDiffusion(DiffusionGenerator):
    """A face by its label alone."""

    name = "label_diffusion"
    presets: ClassVar = {
        "smoke": DiffusionPreset(**SMOKE, **EDITS),
        "laptop": DiffusionPreset(**LAPTOP, **EDITS),
        "gpu": DiffusionPreset(**GPU, **EDITS),
        "paper": DiffusionPreset(**PAPER, start="noised", strength=0.5),
    }
