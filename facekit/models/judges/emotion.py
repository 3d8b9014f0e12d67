"""What both emotion classifiers (E1, E2) share: their training step and how they are read and measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from facekit.faces.augment import RECIPES, augment
from facekit.faces.emotions import PROTOCOL_EMOTIONS
from facekit.faces.expression import Expression
from facekit.faces.faces import Faces
from facekit.losses.attribute import emotion_loss
from facekit.models.judges.predictor import FacePredictor
from facekit.models.label import label_weights
from facekit.models.system import Clock, Preset, Step


@dataclass(frozen=True)
class ClassifierPreset(Preset):
    """How an emotion classifier is trained."""

    weight_decay: float = 5e-4
    smoothing: float = 0.1  # share of each label spread over all emotions
    class_weights: tuple[float, ...] | None = None  # by emotion; None weighs every picture alike


class EmotionClassifier(FacePredictor):
    """Pictures to logits over `PROTOCOL_EMOTIONS`: (N, C, H, W) to (N, 7). A subclass implements `features`."""

    sees = 1
    emotions: ClassVar[tuple[str, ...]] = PROTOCOL_EMOTIONS

    def features(self, images: Tensor) -> Tensor:
        """What the network makes of pictures before it decides: (N, D). Gradients pass."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def flip_averaged(self, images: Tensor) -> Tensor:
        return (self(images) + self(images.flip(-1))) / 2

    def probabilities(self, images: Tensor) -> Tensor:
        """How likely each of `emotions` is, (N, 7) summing to 1, averaged over the picture and its mirror image."""
        return self.read(images).softmax(1)

    def classification_loss(self, images: Tensor, asked: Expression) -> Tensor:
        """How far edits (N, C, H, W), of any size and colour, are from being read as asked: the mean cross-entropy.

        They are moved a little first, so that it takes more to please the network than a few right pixels.
        """
        seen = Faces(images).fitted(self.preset.size, self.channels)
        logits = self(augment(seen, torch.default_generator, RECIPES["affine"]).images).float()
        return F.cross_entropy(logits, label_weights(asked, self.emotions, self.name).to(logits))

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset = self.preset
        labelled = self._labelled(batch)
        if not labelled.any():
            raise ValueError("an emotion classifier trains on labelled faces, and this batch holds none")
        weights = preset.class_weights and torch.tensor(preset.class_weights, device=batch.images.device)
        logits = self(batch.images)
        loss = emotion_loss(logits, batch.emotion, smoothing=preset.smoothing, weights=weights)
        right = logits.argmax(1) == batch.emotion
        yield "classifier", loss, {"accuracy": right[labelled].float().mean()}

    def _labelled(self, faces: Faces) -> Tensor:
        """Which faces have a label that is one of `emotions`, (N,) bool."""
        return (faces.emotion >= 0) & (faces.emotion < len(self.emotions))

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`accuracy`, `f1` (the mean over emotions), and `f1/<emotion>`, over the faces that have a label."""
        self.to(device)
        k = len(self.emotions)
        measures = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(k, average="micro"),
                "f1": MulticlassF1Score(k, average=None),
            }
        )
        for logits, faces in self.readings(dataset):
            labelled = self._labelled(faces)
            measures.update(logits[labelled], faces.emotion[labelled])
        result = measures.compute()
        by_emotion = {f"f1/{name}": f1.item() for name, f1 in zip(self.emotions, result["f1"], strict=True)}
        return {"accuracy": result["accuracy"].item(), "f1": result["f1"].mean().item()} | by_emotion
