"""The base class of the emotion classifiers (E1, E2): training step, predictions and evaluation."""

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
from facekit.models.limits import Decay, Weight
from facekit.models.system import CannotTrain, Clock, Preset, Step


@dataclass(frozen=True)
class ClassifierPreset(Preset):
    """The training of an emotion classifier."""

    weight_decay: Weight = 5e-4
    smoothing: Decay = 0.1  # label smoothing: fraction of each label that is spread over all emotions
    class_weights: tuple[Weight, ...] | None = None  # by emotion; None weighs all images equally


class EmotionClassifier(FacePredictor):
    """Images to logits over `PROTOCOL_EMOTIONS`: (N, C, H, W) to (N, 7). A subclass implements `features`."""

    input_channels = 1
    emotions: ClassVar[tuple[str, ...]] = PROTOCOL_EMOTIONS

    def features(self, images: Tensor) -> Tensor:
        """The input of the last layer for images (N, C, H, W): (N, D), differentiable."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))

    def flip_averaged(self, images: Tensor) -> Tensor:
        return (self(images) + self(images.flip(-1))) / 2

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """`features` (N, D) and `flip_averaged` (N, 7) of images (N, C, H, W), which share a forward pass."""
        features = self.features(images)
        return features, (self.head(features) + self(images.flip(-1))) / 2

    def probabilities(self, images: Tensor) -> Tensor:
        """Class probabilities (N, 7) in the order of `emotions`; logits are averaged with those of the mirror image."""
        return self.predict(images).softmax(1)

    def classification_loss(self, images: Tensor, target: Expression) -> Tensor:
        """The mean cross-entropy of edits (N, C, H, W), of any size and colour, for their target expression.

        A random affine augmentation comes first, which makes adversarial perturbations of single pixels ineffective.
        """
        fitted = Faces(images).fitted(self.preset.size, self.channels)
        logits = self(augment(fitted, torch.default_generator, RECIPES["affine"]).images).float()
        return F.cross_entropy(logits, label_weights(target, self.emotions, self.name).to(logits))

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset = self.preset
        labelled = self._labelled(batch)
        if not labelled.any():
            raise CannotTrain("an emotion classifier is trained on labelled faces, and this batch contains none")
        weights = preset.class_weights and torch.tensor(preset.class_weights, device=batch.images.device)
        logits = self(batch.images)
        loss = emotion_loss(logits, batch.emotion, smoothing=preset.smoothing, weights=weights)
        correct = logits.argmax(1) == batch.emotion
        yield "classifier", loss, {"accuracy": correct[labelled].float().mean()}

    def _labelled(self, faces: Faces) -> Tensor:
        """Which faces are labelled with one of `emotions`, (N,) bool."""
        return (faces.emotion >= 0) & (faces.emotion < len(self.emotions))

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`accuracy`, `f1` (the mean over emotions), and `f1/<emotion>`, over labelled faces."""
        self.to(device)
        k = len(self.emotions)
        metrics = MetricCollection(
            {
                "accuracy": MulticlassAccuracy(k, average="micro"),
                "f1": MulticlassF1Score(k, average=None),
            }
        )
        for logits, faces in self.predictions(dataset):
            labelled = self._labelled(faces)
            metrics.update(logits[labelled], faces.emotion[labelled])
        result = metrics.compute()
        by_emotion = {f"f1/{name}": f1.item() for name, f1 in zip(self.emotions, result["f1"], strict=True)}
        return {"accuracy": result["accuracy"].item(), "f1": result["f1"].mean().item()} | by_emotion
