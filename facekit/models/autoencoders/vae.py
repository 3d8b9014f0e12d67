"""P1's variational autoencoder (§4.3), trained without labels. Its latent is the face code of a diffusion model (G13).

P0's conditional VAE (`facekit.models.autoencoders.conditional_vae`) is built from the same encoder and decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.diffusion.noise import Seeds, seeded_noise
from facekit.faces.faces import Faces
from facekit.layers.residual import PixelUnshuffleStem, ResidualBlock
from facekit.losses.variational import gaussian_divergence, reparameterise, variational_loss
from facekit.models.limits import Count, Counts, Positive, Rate, Weight
from facekit.models.optimisers import OptimiserName, optimiser
from facekit.models.system import Augmentation, Clock, Preset, Schedule, Step, System, evaluating


@dataclass(frozen=True)
class VAEPreset(Preset):
    """How a variational autoencoder is built and trained."""

    optimiser: OptimiserName = "muon"
    learning_rate: Rate = 6e-3
    schedule: Schedule = "cosine"
    clip_norm: Positive | None = 1.0
    augment: Augmentation = "flip"
    widths: Counts = (64, 96, 128, 64)  # channels of the stages, each of which halves height and width
    factor: Count = 2  # by which the first stage reduces height and width, instead of 2
    residual: bool = True  # stages are residual blocks; False: one convolution and a ReLU each (P0 eq. 1)
    latent: Count = 128  # dimensions of a code
    beta: Weight = 2e-6  # weight of the divergence; `facekit.losses.variational` defines the reductions

    @property
    def multiple(self) -> int:
        return self.factor * 2 ** (len(self.widths) - 1)

    def check(self) -> None:
        super().check()
        if self.factor % 2:  # of an odd one, the last layer's padding would not give the size back
            raise ValueError(f"the preset's factor is {self.factor}; it must be even, such as {self.factor + 1}")

    @property
    def side(self) -> int:
        """Height and width of the encoder's last map."""
        return self.size // self.multiple


class VAE(System):
    """An encoder from images to a Gaussian posterior over codes, and a decoder from codes to images."""

    name = "vae"
    presets: ClassVar = {
        "smoke": VAEPreset(widths=(16, 32, 32, 32), latent=32, batch=32, steps=120, augment="none"),
        "laptop": VAEPreset(widths=(72, 96, 32), factor=4, steps=2000, warmup=100, ema=0.998),
        "gpu": VAEPreset(size=64, widths=(72, 96, 32), factor=4, batch=128, steps=4000, warmup=200, ema=0.999),
        # P1 states only that its VAE was pre-trained on FER-2013, and cites PyTorch-VAE (Subramanian 2020). Everything
        # else is taken from there (plain VAE: latent 128, Adam 5e-3, batch 64, weight 0.00025 of the same two terms;
        # the first four of the widths 32 to 512, as 48 pixels can be halved four times). 50 epochs of 28,709 faces.
        "paper": VAEPreset(
            widths=(32, 64, 128, 256), residual=False, beta=2.5e-4, optimiser="adam", learning_rate=5e-3,
            steps=22430, schedule="constant", clip_norm=None, augment="none",
        ),
    }  # fmt: skip

    labels: int = 0  # length of the label that conditions encoder and decoder; 0 in P1

    def __init__(self, preset: VAEPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.encoder = Encoder(preset, channels, self.labels)
        self.decoder = Decoder(preset, channels, self.labels)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"vae": optimiser(self.preset, self.parameters())}

    def images_and_labels(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """Training images (N, C, H, W) and their labels (N, labels)."""
        return faces.images, faces.images.new_empty(len(faces), 0)

    def remove_label(self, mu: Tensor, labels: Tensor) -> Tensor:
        """The posterior mean (N, latent) without its dependence on the label, for subclasses; here unchanged."""
        return mu

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        loss, scalars, _ = self.objective(*self.images_and_labels(batch))
        yield "vae", loss, scalars

    def objective(
        self, images: Tensor, labels: Tensor, inputs: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The loss (the negative evidence lower bound, scaled), its two terms, and the sampled codes (N, latent).

        images, labels  (N, C, H, W) and (N, labels), the target of the decoder and its condition
        inputs          images and labels for the encoder; None: the same
        """
        inputs = inputs or (images, labels)
        mu, logvar = self.encoder(*inputs)
        mu = self.remove_label(mu, inputs[1])
        codes = reparameterise(mu, logvar)
        loss = variational_loss(images, self.decoder(codes, labels), mu, logvar, self.preset.beta)
        kl = gaussian_divergence(mu, logvar).sum(1).mean().detach()
        return loss, {"mse": loss.detach() - self.preset.beta * kl, "kl": kl}, codes

    # -------------------------------------------------------------------------------------------- in use

    @torch.no_grad()
    def posterior(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (N, latent), of the posterior over codes of images (N, C, H, W).

        Computed in evaluation mode and without gradients, whatever the system's mode. Raises `ValueError` for images
        of another size or number of channels than the system's.
        """
        self.check_images(images)
        with evaluating(self):
            mu, logvar = self.encoder(images.to(self.device), labels)
            return self.remove_label(mu, labels), logvar

    def encode(self, images: Tensor) -> Tensor:
        """The code of each image, the mean of its posterior: (N, C, H, W) to (N, latent)."""
        return self.posterior(images, torch.empty(len(images), 0, device=self.device))[0]

    @torch.no_grad()
    def decode_with_labels(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Images in [-1, 1] for codes (N, latent) and labels (N, labels), or for both with a time axis (N, T, ...)."""
        with evaluating(self):
            images = self.decoder(codes.flatten(0, -2), labels.flatten(0, -2)).clamp(-1, 1)
        return images.unflatten(0, codes.shape[:-1])

    def decode(self, codes: Tensor) -> Tensor:
        """Images in [-1, 1] of codes: (N, latent) to (N, C, H, W), or (N, T, latent) to (N, T, C, H, W)."""
        return self.decode_with_labels(codes, codes.new_empty(*codes.shape[:-1], 0))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Reconstructions of images (N, C, H, W) from their codes."""
        return self.decode(self.encode(images))

    def sample(self, seed: Seeds) -> Tensor:
        """New faces, decoded from samples of the prior N(0, 1): one image, or one for each of N seeds."""
        rows = 1 if isinstance(seed, int) else len(seed)
        return self.decode(seeded_noise(seed, (rows, self.preset.latent), self.device))

    def interpolate(self, first: Tensor, last: Tensor, frames: int) -> Tensor:
        """Linear interpolation of codes between two sets of images (N, C, H, W): (N, frames, C, H, W)."""
        return self.decode(interpolated_codes(self.encode(first), self.encode(last), frames))

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """Metrics on held-out faces, with mean codes: `psnr` and `mse` of reconstructions (`psnr` in dB), `kl` in nats
        per face, and `active`, the number of active latent dimensions, whose mean has a variance above 0.01 (Burda
        2016, §4.3)."""
        self.to(device)
        errors, divergences, means = [], [], []
        for start in range(0, len(dataset), 256):
            faces = dataset.faces(range(start, min(start + 256, len(dataset)))).to(device)
            images, labels = self.images_and_labels(faces)
            mu, logvar = self.posterior(images, labels)
            errors.append((self.decode_with_labels(mu, labels) - images).square().mean((1, 2, 3)))
            divergences.append(gaussian_divergence(mu, logvar).sum(1))
            means.append(mu)
        error = torch.cat(errors)
        return {
            "psnr": (10 * torch.log10(4 / error)).mean().item(),  # values in [-1, 1]: the peak is 2
            "mse": error.mean().item(),
            "kl": torch.cat(divergences).mean().item(),
            "active": float((torch.cat(means).var(0) > 0.01).sum()),
        }


def interpolated_codes(first: Tensor, last: Tensor, frames: int) -> Tensor:
    """Linear interpolation between codes (N, D), both ends included: (N, frames, D)."""
    weights = torch.linspace(0, 1, frames, device=first.device)[:, None]
    return torch.lerp(first[:, None], last[:, None], weights)


class Encoder(nn.Module):
    """Images (N, C, H, W) and labels (N, K) to the posterior's mean and log variance, (N, latent): P0, eq. 1 to 3."""

    def __init__(self, preset: VAEPreset, channels: int, labels: int) -> None:
        super().__init__()
        first = preset.widths[0]
        if preset.residual:
            self.stages = nn.Sequential(PixelUnshuffleStem(channels, first, preset.factor))
        else:
            self.stages = nn.Sequential(_plain_downsampling(channels, first, preset.factor))
        for width_in, width in pairwise(preset.widths):
            self.stages.append(
                ResidualBlock(width_in, width, stride=2) if preset.residual else _plain_downsampling(width_in, width)
            )
        self.posterior = nn.Linear(preset.widths[-1] * preset.side**2 + labels, 2 * preset.latent)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        h = self.stages(images).flatten(1)  # (N, widths[-1] side²)
        mu, logvar = self.posterior(torch.cat([h, labels], 1)).chunk(2, dim=1)
        return mu, logvar


class Decoder(nn.Module):
    """Codes (N, latent) and labels (N, K) to images (N, C, H, W), by transposed convolutions (P0 §3.1)."""

    def __init__(self, preset: VAEPreset, channels: int, labels: int) -> None:
        super().__init__()
        upsampling = _residual_upsampling if preset.residual else _plain_upsampling
        widths, side = preset.widths[::-1], preset.side
        self.start = nn.Sequential(
            nn.Linear(preset.latent + labels, widths[0] * side**2), nn.ReLU(), nn.Unflatten(1, (widths[0], side, side))
        )
        # The label's columns are initialised like an embedding, with variance 1. With the default initialisation the
        # few label values would have little influence beside the many of the code.
        nn.init.normal_(self.start[0].weight[:, preset.latent :])
        self.stages = nn.Sequential(*(upsampling(a, b) for a, b in pairwise(widths)))
        self.picture = _transposed(widths[-1], channels, preset.factor)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        h = self.start(torch.cat([codes, labels], 1))  # (N, widths[-1], side, side)
        return self.picture(self.stages(h))


def _plain_downsampling(channels_in: int, channels_out: int, factor: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 2 * factor, factor, padding=factor // 2), nn.ReLU())


def _transposed(channels_in: int, channels_out: int, factor: int = 2, bias: bool = True) -> nn.Module:
    return nn.ConvTranspose2d(channels_in, channels_out, 2 * factor, factor, padding=factor // 2, bias=bias)


def _residual_upsampling(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(
        _transposed(channels_in, channels_out, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        ResidualBlock(channels_out, channels_out),
    )


def _plain_upsampling(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(_transposed(channels_in, channels_out), nn.ReLU())
