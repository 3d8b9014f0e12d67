"""G11: the DDPM of P0 (§3.3) and P1 (§4.2), conditioned on the label alone.

It samples new faces with a given expression. To edit a face, noise is added up to an intermediate timestep, which
removes detail of the expression and of the identity alike, and the result is denoised under the target label.
"""

from __future__ import annotations

from typing import ClassVar

from facekit.models.diffusion.base import DiffusionGenerator, DiffusionPreset

SMOKE = {"size": 48, "widths": (16, 32), "attention": (False, False), "steps": 60, "warmup": 10, "augment": "none"}
"""Shared by the smoke presets of all diffusion systems."""

LAPTOP = {
    "size": 48, "batch": 32, "steps": 3000, "warmup": 100, "ema": 0.995, "timestep_density": "logit_normal",
}  # fmt: skip
"""Shared by the laptop presets; systems with larger networks take fewer steps in the same time. Of the settings that
were tried for ten minutes of training, small batches, a short moving average and a density that favours the middle
timesteps gave the best edits of G14."""

GPU = {"size": 64, "steps": 6000}
"""Shared by the presets of the distributed weights."""

# P1: 48 x 48; embeddings of label and timestep of length 256, which are added; AdamW with learning rate 3e-4 and weight
# decay 1e-3; batch size 32; 1,000 epochs of FER-2013's 28,709 images (28,709 / 32 = 897 steps per epoch) with a
# checkpoint every 10. P0: mean squared error of the noise, linear β. P1's code: T = 1000, one group in group norms, the
# label dropped in 10 % of the batches, guidance scale 3.
PAPER = {
    "size": 48, "widths": (64, 128, 256, 240), "attention": (False, True, True, True), "factor": 1, "blocks": 2,
    "condition": 256, "norm": "added", "groups": 1, "heads": 4, "optimiser": "adamw", "learning_rate": 3e-4,
    "weight_decay": 1e-3, "schedule": "constant", "warmup": 0, "clip_norm": None, "ema": 0.995, "augment": "none",
    "batch": 32, "steps": 897_000, "checkpoint_every": 8_970, "noise_schedule": "linear", "prediction": "noise",
    "drop_label": 0.1, "drop_face": 0.1, "method": "ddpm", "sample_steps": 1000, "label_guidance": 3.0,
}  # fmt: skip
"""Shared by P1's systems."""

EDITS = {"start": "noised", "strength": 0.65, "label_guidance": 3.0}
"""How G11 edits. Of strengths from 0.5 to 0.65 and guidance scales from 1 to 3, these gave the highest target-emotion
accuracy."""

LAPTOP_EDITS = {"strength": 0.8, "label_guidance": 1.5, "label_only_guidance": 1.0}
"""How the laptop presets of G13 and G14 edit. After so short a training the denoiser depends on the code more than on
the label, so that label-only guidance is added. A strength below 1 leaves out the noisiest timesteps, at which the
identity is lost."""


class LabelDiffusion(DiffusionGenerator):
    """A diffusion model conditioned on the label alone."""

    name = "label_diffusion"
    presets: ClassVar = {
        "smoke": DiffusionPreset(**SMOKE, **EDITS),
        "laptop": DiffusionPreset(**LAPTOP, **EDITS),
        "gpu": DiffusionPreset(**GPU, **EDITS),
        "paper": DiffusionPreset(**PAPER, start="noised", strength=0.5),
    }
