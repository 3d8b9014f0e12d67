"""Small systems and a small dataset, with which training takes milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from facekit.datasets.base import FaceDataset
from facekit.faces.faces import Faces
from facekit.models.system import Preset, System


class Squares(FaceDataset):
    """Random grey images of 8 × 8 pixels, seeded by their index."""

    name = "squares"

    def __init__(self, split: str = "train", size: int = 8, count: int = 40) -> None:
        self.split, self.size, self.channels = split, size, 1
        self.labels = torch.arange(count) % 7
        self.taken: list[int] = []  # all indices that were requested

    def faces(self, indices) -> Faces:
        indices = list(indices)
        self.taken += indices
        images = [self._image(i) for i in indices]
        return Faces(torch.stack(images), emotion=self.labels[indices])

    def _image(self, index: int) -> Tensor:
        return torch.rand(1, self.size, self.size, generator=torch.Generator().manual_seed(index)) * 2 - 1


@dataclass(frozen=True)
class ToyPreset(Preset):
    """The preset of the toy systems."""

    size: int = 8
    batch: int = 4
    steps: int = 24
    learning_rate: float = 1e-2
    checkpoint_every: int = 5
    noise: float = 0.5
    widths: tuple[int, ...] = (4, 4)


class Denoiser(System):
    """A linear denoiser, whose training step draws noise from PyTorch's global generator."""

    name = "denoiser"
    presets: ClassVar = {
        "smoke": ToyPreset(warmup=4, schedule="cosine", clip_norm=1.0),
        "laptop": ToyPreset(ema=0.99),
    }

    def __init__(self, preset: ToyPreset, channels: int = 1) -> None:
        super().__init__(preset, channels)
        pixels = channels * preset.size**2
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(pixels, pixels))

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {"network": torch.optim.Adam(self.network.parameters(), self.preset.learning_rate)}

    def training_step(self, batch: Faces, clock):
        noisy = batch.images + self.preset.noise * torch.randn_like(batch.images)
        loss = (self.network(noisy) - batch.images.flatten(1)).square().mean()
        yield "network", loss, {"noise": self.preset.noise}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        images = dataset.faces(range(len(dataset))).images
        return {"error": (self.to(device).network(images) - images.flatten(1)).square().mean().item()}


class Adversaries(System):
    """A small Wasserstein GAN with convolutions and batch norm: two steps of the critic, then one of the generator."""

    name = "adversaries"
    presets: ClassVar = {"smoke": ToyPreset(), "laptop": ToyPreset(ema=0.9, learning_rate=1e-3, steps=40)}

    def __init__(self, preset: ToyPreset, channels: int = 1) -> None:
        super().__init__(preset, channels)
        width = preset.widths[0]
        self.generator = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, channels, 1)
        )
        self.critic = nn.Sequential(nn.Conv2d(channels, width, 3, stride=2), nn.LeakyReLU(0.2), nn.Conv2d(width, 1, 3))

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        rate = self.preset.learning_rate
        return {
            "critic": torch.optim.Adam(self.critic.parameters(), rate),
            "generator": torch.optim.SGD(self.generator.parameters(), rate, momentum=0.9),
        }

    def training_step(self, batch: Faces, clock):
        for _ in range(2):
            fake = self.generator(torch.randn_like(batch.images))
            loss = self.critic(fake).mean() - self.critic(batch.images).mean()
            yield "critic", loss, {"fake": fake.mean()}
        fake = self.generator(torch.randn_like(batch.images))
        yield "generator", -self.critic(fake).mean(), {}


def build(name: str, profile: str = "laptop", seed: int = 0, **fields) -> System:
    """A toy system with seeded initial weights, and some fields of its preset changed."""
    kind = {"denoiser": Denoiser, "adversaries": Adversaries}[name]
    torch.manual_seed(seed)
    return kind(replace(kind.presets[profile], **fields))


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    """Whether two states are bitwise identical."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
