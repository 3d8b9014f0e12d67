"""P1's variational autoencoder (§4.3): no label, only faces, and its latent is a face's code for a diffusion model.

P0's conditional VAE (`facekit.models.autoencoders.conditional_vae`) is built from the same two networks.
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
from facekit.models.optimisers import optimiser
from facekit.models.system import Clock, Preset, Step, System, evaluating


@dataclass(frozen=True)
class VAEPreset(Preset):
    """How a variational autoencoder is built and trained. `facekit.losses.variational` says what beta weighs."""

    optimiser: str = "muon"
    learning_rate: float = 6e-3
    schedule: str = "cosine"
    clip_norm: float | None = 1.0
    augment: str = "flip"
    widths: tuple[int, ...] = (64, 96, 128, 64)  # of the stages, each of which halves the picture
    factor: int = 2  # by which the first stage makes it smaller, in place of 2
    residual: bool = True  # stages are residual blocks; else one convolution and a ReLU each (P0 eq. 1)
    latent: int = 128
    beta: float = 2e-6


class VAE(System):
    """Pictures to a Gaussian over codes, and codes to pictures."""

    name = "vae"
    presets: ClassVar = {
        "smoke": VAEPreset(widths=(16, 32, 32, 32), latent=32, batch=32, steps=120, augment="none"),
        "laptop": VAEPreset(widths=(72, 96, 32), factor=4, steps=2000, warmup=100, ema=0.998),
        "gpu": VAEPreset(size=64, widths=(72, 96, 32), factor=4, batch=128, steps=4000, warmup=200, ema=0.999),
        # P1 says of its VAE that it was pre-trained on FER-2013, and cites PyTorch-VAE (Subramanian 2020): what is
        # left open is read there (plain VAE: latent 128, Adam 5e-3, batch 64, weight 0.00025 of the same two terms;
        # widths 32 to 512, of which the first four, for 48 pixels can be halved four times). 50 epochs of 28,709.
        "paper": VAEPreset(
            widths=(32, 64, 128, 256), residual=False, beta=2.5e-4, optimiser="adam", learning_rate=5e-3,
            steps=22430, schedule="constant", clip_norm=None, augment="none",
        ),
    }  # fmt: skip

    labels: int = 0  # columns of the label that encoder and decoder are given; P1's have none

    def __init__(self, preset: VAEPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.encoder = Encoder(preset, channels, self.labels)
        self.decoder = Decoder(preset, channels, self.labels)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"vae": optimiser(self.preset, self.parameters())}

    def examples(self, faces: Faces) -> tuple[Tensor, Tensor]:
        """What of some faces is learned from: pictures (N, C, H, W) and their labels (N, labels)."""
        return faces.images, faces.images.new_empty(len(faces), 0)

    def freed(self, mu: Tensor, labels: Tensor) -> Tensor:
        """The posterior's mean (N, latent) as it is used: for a subclass that takes something out of it."""
        return mu

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        loss, scalars, _ = self.bound(*self.examples(batch))
        yield "vae", loss, scalars

    def bound(
        self, images: Tensor, labels: Tensor, seen: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The loss of pictures (N, C, H, W) with labels (N, K), its parts, and the codes (N, latent) drawn.

        seen  pictures and labels that the encoder is given in place of these
        """
        seen = seen or (images, labels)
        mu, logvar = self.encoder(*seen)
        mu = self.freed(mu, seen[1])
        codes = reparameterise(mu, logvar)
        loss = variational_loss(images, self.decoder(codes, labels), mu, logvar, self.preset.beta)
        kl = gaussian_divergence(mu, logvar).sum(1).mean().detach()
        return loss, {"mse": loss.detach() - self.preset.beta * kl, "kl": kl}, codes

    # -------------------------------------------------------------------------------------------- in use

    @torch.no_grad()
    def posterior(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each (N, latent), of the codes that pictures (N, C, H, W) may have.

        In evaluation mode and without gradients, whatever mode the system is in. Raises `ValueError` for pictures
        of another size or number of channels than it was trained on.
        """
        self.check_images(images)
        with evaluating(self):
            mu, logvar = self.encoder(images.to(self.device), labels)
            return self.freed(mu, labels), logvar

    def encode(self, images: Tensor) -> Tensor:
        """The code of each picture, the mean of its posterior: (N, C, H, W) to (N, latent)."""
        return self.posterior(images, torch.empty(len(images), 0, device=self.device))[0]

    @torch.no_grad()
    def decoded(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Pictures in [-1, 1] of codes (N, latent) or (N, T, latent), with labels of the same form."""
        with evaluating(self):
            flat = self.decoder(codes.flatten(0, -2), labels.flatten(0, -2)).clamp(-1, 1)
        return flat.unflatten(0, codes.shape[:-1])

    def decode(self, codes: Tensor) -> Tensor:
        """Pictures in [-1, 1] of codes: (N, latent) to (N, C, H, W), or (N, T, latent) to (N, T, C, H, W)."""
        return self.decoded(codes, codes.new_empty(*codes.shape[:-1], 0))

    def reconstruct(self, images: Tensor) -> Tensor:
        """What is left of pictures (N, C, H, W) on their way through the code."""
        return self.decode(self.encode(images))

    def sample(self, seed: Seeds) -> Tensor:
        """People that nobody drew, from codes drawn from N(0, 1): one picture, or one for each of N seeds."""
        rows = 1 if isinstance(seed, int) else len(seed)
        return self.decode(seeded_noise(seed, (rows, self.preset.latent), self.device))

    def interpolate(self, images: Tensor, others: Tensor, frames: int) -> Tensor:
        """The straight way from the codes of pictures to those of others, as (N, frames, C, H, W)."""
        return self.decode(between(self.encode(images), self.encode(others), frames))

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """Of held-out faces: `psnr` of reconstructions from the mean code in dB, `mse`, `kl` in nats a face, and
        `active`, the latent dimensions that are used (their mean varies by more than 0.01; Burda 2016, §4.3)."""
        self.to(device)
        errors, divergences, means = [], [], []
        for start in range(0, len(dataset), 256):
            faces = dataset.faces(range(start, min(start + 256, len(dataset)))).to(device)
            images, labels = self.examples(faces)
            mu, logvar = self.posterior(images, labels)
            errors.append((self.decoded(mu, labels) - images).square().mean((1, 2, 3)))
            divergences.append(gaussian_divergence(mu, logvar).sum(1))
            means.append(mu)
        error = torch.cat(errors)
        return {
            "psnr": (10 * torch.log10(4 / error)).mean().item(),  # pictures reach from -1 to 1: a peak of 2
            "mse": error.mean().item(),
            "kl": torch.cat(divergences).mean().item(),
            "active": float((torch.cat(means).var(0) > 0.01).sum()),
        }


def between(codes: Tensor, others: Tensor, frames: int) -> Tensor:
    """The straight way from codes to others, both (N, D), both ends included: (N, frames, D)."""
    share = torch.linspace(0, 1, frames, device=codes.device)[:, None]
    return torch.lerp(codes[:, None], others[:, None], share)


class Encoder(nn.Module):
    """Pictures (N, C, H, W) and labels (N, K) to mean and log variance, each (N, latent): P0, eqs. 1 to 3."""

    def __init__(self, preset: VAEPreset, channels: int, labels: int) -> None:
        super().__init__()
        first = preset.widths[0]
        if preset.residual:
            self.stages = nn.Sequential(PixelUnshuffleStem(channels, first, preset.factor))
        else:
            self.stages = nn.Sequential(_plain_shrinking(channels, first, preset.factor))
        for before, width in pairwise(preset.widths):
            self.stages.append(
                ResidualBlock(before, width, stride=2) if preset.residual else _plain_shrinking(before, width)
            )
        self.posterior = nn.Linear(preset.widths[-1] * _side(preset) ** 2 + labels, 2 * preset.latent)

    def forward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        h = self.stages(images).flatten(1)  # (N, widths[-1] side²)
        mu, logvar = self.posterior(torch.cat([h, labels], 1)).chunk(2, dim=1)
        return mu, logvar


class Decoder(nn.Module):
    """Codes (N, latent) and labels (N, K) to pictures (N, C, H, W), by transposed convolutions (P0 §3.1)."""

    def __init__(self, preset: VAEPreset, channels: int, labels: int) -> None:
        super().__init__()
        doubling = _doubling if preset.residual else _plain_doubling
        widths, side = preset.widths[::-1], _side(preset)
        self.start = nn.Sequential(
            nn.Linear(preset.latent + labels, widths[0] * side**2), nn.ReLU(), nn.Unflatten(1, (widths[0], side, side))
        )
        # Columns of a label start as an embedding's rows do: beside so many numbers of a code it would not be heard.
        nn.init.normal_(self.start[0].weight[:, preset.latent :])
        self.stages = nn.Sequential(*(doubling(a, b) for a, b in pairwise(widths)))
        self.picture = _growing(widths[-1], channels, preset.factor)

    def forward(self, codes: Tensor, labels: Tensor) -> Tensor:
        h = self.start(torch.cat([codes, labels], 1))  # (N, widths[-1], side, side)
        return self.picture(self.stages(h))


def _side(preset: VAEPreset) -> int:
    """Height and width of the maps that are flattened."""
    shrinking = preset.factor * 2 ** (len(preset.widths) - 1)
    side, rest = divmod(preset.size, shrinking)
    if rest:
        raise ValueError(
            f"pictures of {preset.size} pixels cannot be made {shrinking} times smaller: change size, factor or widths"
        )
    return side


def _plain_shrinking(channels_in: int, channels_out: int, factor: int = 2) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 2 * factor, factor, padding=factor // 2), nn.ReLU())


def _growing(channels_in: int, channels_out: int, factor: int = 2, bias: bool = True) -> nn.Module:
    return nn.ConvTranspose2d(channels_in, channels_out, 2 * factor, factor, padding=factor // 2, bias=bias)


def _doubling(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(
        _growing(channels_in, channels_out, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
        ResidualBlock(channels_out, channels_out),
    )


def _plain_doubling(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Sequential(_growing(channels_in, channels_out), nn.ReLU())
