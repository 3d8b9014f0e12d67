"""The identity network (E6): where two pictures lie close, it is one person, whatever the expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics.functional.classification import binary_auroc

from facekit.faces.faces import Faces, to_gray
from facekit.layers.initialise import initialise
from facekit.layers.residual import ResidualTrunk
from facekit.losses.identity import cosface_loss
from facekit.models.judges.predictor import FacePredictor
from facekit.models.system import Clock, Preset, Step


@dataclass(frozen=True)
class IdentityPreset(Preset):
    """How the identity network is built and trained."""

    learning_rate: float = 5e-3
    schedule: str = "cosine"
    batch: int = 128
    warmup: int = 100
    augment: str = "affine"
    widths: tuple[int, ...] = (48, 96, 160)
    blocks: tuple[int, ...] = (2, 2, 2)
    factor: int = 2
    embedding: int = 128
    weight_decay: float = 1e-2
    people: int = 2_000  # the most that a training set may hold; each has a proxy
    margin: float = 0.2  # Wang 2018 takes 0.35 at scale 64 on photographs
    scale: float = 24.0
    grey: float = 0.3  # share of training pictures shown without colour, so that grey ones can be judged too


class IdentityNet(FacePredictor):
    """Pictures to embeddings of length 1: (N, C, H, W) to (N, embedding). Trained as CosFace (Wang 2018).

    The proxies of the training people are saved with the rest, and of no use after training.
    """

    name = "identity"
    sees = 3
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
        self.trunk = ResidualTrunk(self.sees, preset.widths, preset.blocks, preset.factor)
        # The norm after the last layer is ArcFace's (Deng 2019, §3.1); without it people are told apart less well.
        self.head = nn.Sequential(nn.Linear(self.trunk.width, preset.embedding), nn.BatchNorm1d(preset.embedding))
        self.proxies = nn.Embedding(preset.people, preset.embedding)
        initialise(self)
        nn.init.normal_(self.proxies.weight)

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.head(self.trunk(self.prepare(images))).float(), dim=1)

    def flip_averaged(self, images: Tensor) -> Tensor:
        return F.normalize(self(images) + self(images.flip(-1)), dim=1)

    def embed(self, images: Tensor) -> Tensor:
        """Embeddings (N, D) of length 1: the scalar product of two is how alike the faces are, in [-1, 1]."""
        return self.read(images)

    def optimisers(self) -> dict[str, torch.optim.Optimizer]:
        preset = self.preset
        return {
            "identity": torch.optim.AdamW(self.parameters(), preset.learning_rate, weight_decay=preset.weight_decay)
        }

    def training_step(self, batch: Faces, clock: Clock) -> Iterator[Step]:
        preset = self.preset
        if batch.person is None:
            raise ValueError("the identity network trains on people told apart, and these faces name none")
        if int(batch.person.max()) >= preset.people:
            raise ValueError(
                f"person {int(batch.person.max())} is beyond the preset's {preset.people} people: raise `people`"
            )
        shown = some_grey(batch.images, preset.grey)
        loss = cosface_loss(self(shown), self.proxies.weight, batch.person, margin=preset.margin, scale=preset.scale)
        yield "identity", loss, {}

    @torch.no_grad()
    def evaluate(self, dataset, device: str = "cpu") -> dict[str, float]:
        """How well pairs of one person are told from pairs of two, with different expressions in every pair.

        `auc` over all such pairs. `auc_alike`, where a dataset knows of skin tone, hair and glasses: pairs of two
        people count only where these are the same.
        """
        self.to(device)
        readings = [
            (embedded, faces.person, faces.emotion, _looks(faces)) for embedded, faces in self.readings(dataset)
        ]
        embeddings, persons, emotions, looks = (torch.cat(part) for part in zip(*readings, strict=True))
        result = {"auc": verification_auc(*pair_similarities(embeddings, persons, across=emotions))}
        if looks.shape[1]:
            genuine, impostor = pair_similarities(embeddings, persons, across=emotions, alike=looks)
            result["auc_alike"] = verification_auc(genuine, impostor)
        return result


def _looks(faces: Faces) -> Tensor:
    """What makes two people alike at first sight, (N, 3); (N, 0) where it is not known."""
    names = ("skin_tone", "hair_style", "glasses")
    if not all(name in faces.attributes for name in names):
        return torch.empty(len(faces), 0)
    return torch.stack([faces.attributes[name] for name in names], dim=1)


def some_grey(images: Tensor, share: float) -> Tensor:
    """Pictures (N, C, H, W), about a share of them without colour, drawn one by one."""
    grey = torch.rand(len(images), 1, 1, 1, device=images.device) < share
    return torch.where(grey, to_gray(images), images)


def pair_similarities(
    embeddings: Tensor, persons: Tensor, *, across: Tensor | None = None, alike: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Cosines of all pairs of faces: those of one person, and those of two.

    embeddings  (N, D) of length 1
    persons     (N,)
    across      (N,) where given, pairs of either kind count only where these differ: the emotion. Otherwise pairs of
                two people would also show one expression, and pairs of one person never, so that it is the expression
                that tells them apart
    alike       (N, K) where given, pairs of two count only where these agree: skin tone, hair, glasses

    Returns 1-D tensors `genuine` and `impostor`. Needs memory in proportion to N².
    """
    first, second = torch.triu_indices(len(persons), len(persons), offset=1, device=persons.device)
    similar = (embeddings @ embeddings.T)[first, second]
    same = persons[first] == persons[second]
    genuine, impostor = same, ~same
    if across is not None:
        differ = across[first] != across[second]
        genuine, impostor = genuine & differ, impostor & differ
    if alike is not None:
        impostor = impostor & (alike[first] == alike[second]).all(1)
    return similar[genuine], similar[impostor]


def verification_auc(genuine: Tensor, impostor: Tensor) -> float:
    """The chance that a pair of one person is more alike than a pair of two: the area under the ROC curve."""
    truth = torch.cat([torch.ones_like(genuine), torch.zeros_like(impostor)]).long()
    return binary_auroc(torch.cat([genuine, impostor]) / 2 + 0.5, truth).item()  # scores in [0, 1], as it wants
