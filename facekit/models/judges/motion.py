"""The motion classifier: which emotion does a landmark sequence show? It judges generated motions (E7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from facekit.faces.emotions import MOVING_EMOTIONS
from facekit.faces.faces import Faces
from facekit.faces.trajectories import to_curves
from facekit.layers.initialise import initialise
from facekit.models.label import has_label, label_indices
from facekit.models.limits import Count, Emotions, Rate, Weight, Whole
from facekit.models.system import CannotTrain, Clock, Preset, Schedule, Step, System, evaluating

_POINTS = 68
_SCALE = 8.0  # movements are fractions of an interocular distance
_BATCH = 512


@dataclass(frozen=True)
class MotionClassifierPreset(Preset):
    """The motion classifier: architecture and training."""

    size: Count = 16  # of the images, which are not looked at
    batch: Count = 256
    learning_rate: Rate = 2e-3
    schedule: Schedule = "cosine"
    warmup: Whole = 50
    width: Count = 96
    weight_decay: Weight = 1e-2
    noise: Weight = 0.004  # standard deviation of the noise on landmarks in training, in interocular distances
    emotions: Emotions = MOVING_EMOTIONS


class MotionClassifier(System):
    """Landmark sequences (N, T, 68, 2) to logits of the emotions (N, E).

    It sees how far each point has moved from the first frame and from the frame before, and so neither the shape of the
    face nor its texture.
    """

    name = "motion_classifier"
    default_data = "synthetic_motions"
    presets: ClassVar = {
        "smoke": MotionClassifierPreset(width=24, batch=32, steps=40, warmup=5),
        "laptop": MotionClassifierPreset(steps=400),
        "gpu": MotionClassifierPreset(steps=2000),
    }

    def __init__(self, preset: MotionClassifierPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        width = preset.width
        self.trunk = nn.Sequential(
            nn.Conv1d(4 * _POINTS, width, 1),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, 2, padding=2),
            nn.ReLU(),
            nn.Conv1d(width, width, 5, 2, padding=2),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width, len(preset.emotions))
        initialise(self)

    def forward(self, landmarks: Tensor) -> Tensor:
        curves = _SCALE * (to_curves(landmarks) - to_curves(landmarks[:, :1]))
        steps = F.pad(curves.diff(dim=1), (0, 0, 1, 0)) * curves.shape[1] / 8
        maps = self.trunk(torch.cat([curves, steps], 2).transpose(1, 2))
        return self.head(torch.cat([maps.mean(2), maps.amax(2)], 1))

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "classifier": torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        """Raises `CannotTrain` for anything but labelled landmark sequences."""
        landmarks, labels = self._labelled(batch)
        noise = self.preset.noise * torch.randn_like(landmarks)
        logits = self(landmarks + noise).float()
        loss = F.cross_entropy(logits, labels)
        yield "classifier", loss, {"accuracy": (logits.argmax(1) == labels).float().mean()}

    def _labelled(self, batch: Faces) -> tuple[Tensor, Tensor]:
        """Landmarks (N, T, 68, 2) of the labelled sequences and indices (N,) into the preset's emotions."""
        rows = has_label(batch, self.preset.emotions)
        if batch.frames is None or batch.landmarks is None or not rows.any():
            raise CannotTrain(
                f"{self.name} is trained on landmark sequences with labels, and these are none: use --data "
                "synthetic_motions, or --set data.frames=32 for a dataset of sequences"
            )
        return batch.landmarks[rows], label_indices(batch, self.preset.emotions)[rows]

    @torch.no_grad()
    def predict(self, landmarks: Tensor) -> Tensor:
        """Probabilities (N, E) of landmark sequences (N, T, 68, 2), columns as the preset's emotions."""
        with evaluating(self):
            logits = [self(part.to(self.device)).float() for part in landmarks.split(_BATCH)]
        return torch.cat(logits).softmax(1).to(landmarks.device)

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`accuracy` on the labelled sequences of a dataset."""
        self.to(device)
        correct = []
        for part in torch.arange(len(dataset)).split(_BATCH):
            landmarks, labels = self._labelled(dataset.faces(part))
            correct.append(self.predict(landmarks).argmax(1) == labels)
        return {"accuracy": torch.cat(correct).float().mean().item()}
