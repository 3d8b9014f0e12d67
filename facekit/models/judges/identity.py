"""The identity network (E6): embeddings in which images of one person are close to each other for all expressions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor, nn

from facekit.faces.faces import Faces, to_gray
from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.losses.identity import cosface_loss
from facekit.models.judges.predictor import FacePredictor
from facekit.models.limits import Count, Counts, Positive, Rate, Several, Share, Weight, Whole
from facekit.models.system import Augmentation, CannotTrain, Clock, Preset, Schedule, Step

_BATCH, _BATCHES = 250, 16  # of the faces that `evaluate` compares: the memory grows with the square of their number


@dataclass(frozen=True)
class IdentityPreset(Preset):
    """The identity network: architecture and training."""

    learning_rate: Rate = 5e-3
    schedule: Schedule = "cosine"
    batch: Several = 128
    warmup: Whole = 100
    augment: Augmentation = "affine"
    widths: Counts = (48, 96, 160)
    blocks: Counts = (2, 2, 2)
    factor: Count = 2
    embedding: Count = 128
    weight_decay: Weight = 1e-2
    people: Count = 2_000  # maximum number of identities in the training set; each has a proxy
    margin: Weight = 0.2  # Wang 2018 takes 0.35 at scale 64 on photographs
    scale: Positive = 24.0
    grey: Share = 0.3  # probability that a training image is converted to grey, so that grey images can be judged too


class IdentityNet(FacePredictor):
    """Images to embeddings of unit length: (N, C, H, W) to (N, embedding). Trained as CosFace (Wang 2018).

    The proxies of the training identities are saved too, but not used after training.
    """

    name = "identity"
    input_channels = 3
    presets: ClassVar = {
        "smoke": IdentityPreset(widths=(16, 32, 48), blocks=(1, 1, 1), people=64, steps=60, batch=64, warmup=5),
        "laptop": IdentityPreset(steps=3000),
        "gpu": IdentityPreset(size=64, embedding=64, people=10_000, steps=12000, batch=256),
        "paper": IdentityPreset(
            size=64, people=10_000, widths=(64, 128, 256, 512), blocks=(2, 2, 2, 2), factor=1, steps=40000
        ),
    }

    def __init__(self, preset: IdentityPreset, channels: int = 3) -> None:
        super().__init__(preset, channels)
        self.trunk = ResidualTrunk(self.input_channels, preset.widths, preset.blocks, preset.factor)
        # The batch norm after the last layer is ArcFace's (Deng 2019, §3.1); without it verification is less accurate.
        self.head = nn.Sequential(nn.Linear(self.trunk.width, preset.embedding), nn.BatchNorm1d(preset.embedding))
        self.proxies = nn.Embedding(preset.people, preset.embedding)
        initialise(self)
        nn.init.normal_(self.proxies.weight)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.head(self.trunk(self.prepare(images))).float(), dim=1)

    def flip_averaged(self, images: Tensor) -> Tensor:
        return F.normalize(self(images) + self(images.flip(-1)), dim=1)

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings (N, D) of unit length; the dot product of two is their cosine similarity, in [-1, 1]."""
        return self.predict(images)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "identity": torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset = self.preset
        if batch.person is None:
            raise CannotTrain("the identity network is trained on faces with known identities, and these have none")
        if int(batch.person.max()) >= preset.people:
            raise CannotTrain(
                f"person {int(batch.person.max())} exceeds the preset's {preset.people} identities: raise `people`"
            )
        images = random_grey(batch.images, preset.grey)
        loss = cosface_loss(self(images), self.proxies.weight, batch.person, margin=preset.margin, scale=preset.scale)
        yield "identity", loss, {}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """`auc`: the area under the ROC curve of verification, over pairs of faces with different expressions (over all
        pairs of faces without labels), of at most the first 4,000 faces.

        `auc_matched`, where a dataset has these attributes: only impostor pairs with the same skin tone, hair and
        glasses count. A metric is left out if there are no such pairs.
        """
        self.to(device)
        batches = itertools.islice(self.predictions(dataset, _BATCH), _BATCHES)
        parts = [(embedded, faces.person, faces.emotion, _appearance(faces)) for embedded, faces in batches]
        embeddings, persons, emotions, appearance = (torch.cat(part) for part in zip(*parts, strict=True))
        differing = emotions if (emotions >= 0).any() else None
        pairs = {"auc": pair_similarities(embeddings, persons, differing=differing)}
        if appearance.shape[1]:
            pairs["auc_matched"] = pair_similarities(embeddings, persons, differing=differing, matching=appearance)
        return {
            name: verification_auc(genuine, impostor)
            for name, (genuine, impostor) in pairs.items()
            if len(genuine) and len(impostor)
        }


def _appearance(faces: Faces) -> Tensor:
    """The attributes by which impostor pairs are matched, (N, 3); (N, 0) where they are not known."""
    names = ("skin_tone", "hair_style", "glasses")
    if not all(name in faces.attributes for name in names):
        return torch.empty(len(faces), 0)
    return torch.stack([faces.attributes[name] for name in names], dim=1)


def random_grey(images: Tensor, probability: float) -> Tensor:
    """Images (N, C, H, W), each converted to grey with this probability."""
    grey = torch.rand(len(images), 1, 1, 1, device=images.device) < probability
    return torch.where(grey, to_gray(images), images)


def pair_similarities(
    embeddings: Tensor, persons: Tensor, *, differing: Tensor | None = None, matching: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cosine similarities of all genuine pairs (faces of one person) and of all impostor pairs (of two persons).

    embeddings  (N, D) of unit length
    persons     (N,)
    differing   (N,) only pairs in which these differ count: the emotion. Without it, impostor pairs could have the same
                expression while genuine pairs never do, and the expression would distinguish the two kinds
    matching    (N, K) only impostor pairs in which all of these agree count: skin tone, hair, glasses

    Returns 1-D tensors `genuine` and `impostor`. Memory grows with N².
    """
    first, second = torch.triu_indices(len(persons), len(persons), offset=1, device=persons.device)
    similar = (embeddings @ embeddings.T)[first, second]
    same = persons[first] == persons[second]
    genuine, impostor = same, ~same
    if differing is not None:
        differ = differing[first] != differing[second]
        genuine, impostor = genuine & differ, impostor & differ
    if matching is not None:
        impostor = impostor & (matching[first] == matching[second]).all(1)
    return similar[genuine], similar[impostor]


def verification_auc(genuine: Tensor, impostor: Tensor) -> float:
    """The probability that a genuine pair is more similar than an impostor pair: the area under the ROC curve.

    Ties count half; NaN without pairs of both kinds. Computed from the ranks of the genuine pairs (Mann and Whitney
    1947), since confidence intervals call it a thousand times.
    """
    n, m = len(genuine), len(impostor)
    if not n * m:
        return math.nan
    ranks = rankdata(torch.cat([genuine, impostor]).cpu().numpy())
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
